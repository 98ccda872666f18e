#!/usr/bin/env bash
# lightgbm 4.7.0, xgboost 3.2.0, scikit-learn 1.9.1, pytrec_eval-terrier 0.5.11 (numpy 2.4.6, Python 3.11)
#
# Guess:    a query none of whose rows is relevant says nothing: it is left out of the mean, or counts 0 as in trec_eval and scikit-learn.
# Seen:     LightGBM and XGBoost count it 1, in ndcg and in map; XGBoost has another name for the 0 ("ndcg@3-"), LightGBM none. Precision in
#           XGBoost counts it 0. No warning.
# Output:   200 queries of ten rows, 20 of them with one relevant row, scores at random. ndcg@3: LightGBM 0.93, XGBoost 0.93, XGBoost with
#           the minus 0.03, scikit-learn and trec_eval 0.03. Over the 20 queries alone all say 0.29.
# Matters:  with clicks as labels most queries have none: a model that ranks at random is at 0.93, a good one at 0.98, and a week with fewer
#           clicks is a better one. Leave those queries out of the rows of evaluation, and count them.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    lightgbm==4.7.0 xgboost==3.2.0 scikit-learn==1.9.1 pytrec_eval-terrier==0.5.11 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import lightgbm
import numpy as np
import pytrec_eval
import xgboost
from sklearn.metrics import ndcg_score

warnings.simplefilter("error")
rng = np.random.default_rng(0)
queries, rows, hits = 200, 10, 20
relevant = np.zeros((queries, rows), int)
relevant[np.arange(hits), rng.integers(rows, size=hits)] = 1
score = rng.normal(size=(queries, rows))


def by_lightgbm(labels, scores):
    features = np.zeros((labels.size, 1))
    data = lightgbm.Dataset(features, labels.ravel(), group=[rows] * len(labels), init_score=scores.ravel())
    said = {}
    settings = {"objective": "lambdarank", "metric": ["ndcg", "map"], "eval_at": [3], "learning_rate": 1e-12, "verbose": -1}
    watch = [lightgbm.record_evaluation(said)]
    lightgbm.train({**settings, "num_threads": 1}, data, 1, valid_sets=[data], callbacks=watch)
    return {name: values[0] for name, values in said["training"].items()}


def by_xgboost(labels, scores):
    data = xgboost.DMatrix(np.zeros((labels.size, 1)), label=labels.ravel(), base_margin=scores.ravel())
    data.set_group([rows] * len(labels))
    said = {}
    settings = {"objective": "rank:ndcg", "eta": 0, "nthread": 1, "eval_metric": ["ndcg@3", "map@3", "ndcg@3-", "map@3-", "pre@3"]}
    xgboost.train(settings, data, 1, evals=[(data, "rows")], evals_result=said, verbose_eval=False)
    return {name: values[0] for name, values in said["rows"].items()}


def by_trec(labels, scores):
    truth = {f"q{q}": {f"d{d}": int(value) for d, value in enumerate(row)} for q, row in enumerate(labels)}
    run = {f"q{q}": {f"d{d}": float(value) for d, value in enumerate(row)} for q, row in enumerate(scores)}
    answers = pytrec_eval.RelevanceEvaluator(truth, {"ndcg_cut.3"}).evaluate(run)
    return {"ndcg@3": np.mean([answer["ndcg_cut_3"] for answer in answers.values()])}


def all_of(labels, scores):
    return {
        "lightgbm": by_lightgbm(labels, scores),
        "xgboost": by_xgboost(labels, scores),
        "trec_eval": by_trec(labels, scores),
        "scikit-learn": {"ndcg@3": ndcg_score(labels, scores, k=3)},
    }


every, with_hits = all_of(relevant, score), all_of(relevant[:hits], score[:hits])
for title, seen in (("all 200 queries", every), ("the 20 with a hit", with_hits)):
    for name, values in seen.items():
        print(f"{title:18} {name:13}", {metric: round(float(value), 3) for metric, value in values.items()})
truth = with_hits["scikit-learn"]["ndcg@3"]
assert all(abs(values["ndcg@3"] - truth) < 1e-4 for values in with_hits.values()), "they disagree on queries with a hit"
share = hits / queries
for name in ("trec_eval", "scikit-learn"):
    assert abs(every[name]["ndcg@3"] - share * truth) < 1e-4
assert abs(every["xgboost"]["ndcg@3-"] - share * truth) < 1e-4
for name in ("lightgbm", "xgboost"):
    for metric in ("ndcg@3", "map@3"):
        expected = 1 - share + share * with_hits[name][metric]
        assert abs(every[name][metric] - expected) < 1e-4, f"{name} counts such queries otherwise in {metric} now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
