#!/usr/bin/env bash
# pytrec_eval-terrier 0.5.11, ranx 0.3.21, scikit-learn 1.9.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    scores are doubles as they were given; a document with a higher one is ranked before.
# Seen:     trec_eval holds a score in single precision, and puts documents whose scores are then equal in the reverse order of their names.
#           Probabilities near 1 and times in seconds are equal in it. No warning. ranx and scikit-learn rank by the doubles.
# Output:   fifty documents, the five relevant ones with the highest scores. Scores 1 - 1e-9, 1 - 2e-9 ...: reciprocal rank 0.04 by
#           trec_eval, 1 by ranx; ndcg 0.35 against 1. The same documents named the other way round: 1. Times
#           of 1,700,000,000 seconds, a second apart: 0.02. Logits instead of probabilities: 1.
# Matters:  a classifier that is sure of itself, or a ranking by recency, is measured by the names of its documents: new numbers for them are
#           another metric, and relevant documents with the larger numbers a perfect one. Give ranks, or logits, as scores.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pytrec_eval-terrier==0.5.11 ranx==0.3.21 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # ranx compiles with numba, which warns of its own types
    import pytrec_eval
    import ranx
    from sklearn.metrics import ndcg_score

count = 50
place = np.arange(1, count + 1)
relevant = (place <= 5).astype(int)
forward = [f"doc{number:02}" for number in place]


def by_each(scores, names):
    assert (np.diff(scores) < 0).all(), "the scores are all different, the best first"
    truth = {"query": dict(zip(names, relevant.tolist(), strict=True))}
    run = {"query": dict(zip(names, scores.tolist(), strict=True))}
    trec = pytrec_eval.RelevanceEvaluator(truth, {"recip_rank", "ndcg"}).evaluate(run)["query"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = ranx.evaluate(ranx.Qrels(truth), ranx.Run(run), ["mrr", "ndcg"])
    return {
        "trec_eval": (trec["recip_rank"], trec["ndcg"]),
        "ranx": (float(peer["mrr"]), float(peer["ndcg"])),
        "scikit-learn": (None, ndcg_score([relevant], [scores])),
    }


kinds = {"probabilities": 1 - place * 1e-9, "times": 1_700_000_000.0 - place, "logits": -np.log(place * 1e-9)}
for kind, scores in kinds.items():
    seen, renamed = by_each(scores, forward), by_each(scores, forward[::-1])
    print(f"{kind:13} reciprocal rank, ndcg: {seen}\n              named the other way round: {renamed['trec_eval']}")
    assert seen["ranx"] == (1, 1) and abs(seen["scikit-learn"][1] - 1) < 1e-9
    assert renamed["trec_eval"] == (1, 1)
    if kind == "logits":
        assert seen["trec_eval"] == (1, 1)
    else:
        assert seen["trec_eval"][0] < 0.1 and seen["trec_eval"][1] < 0.5, "trec_eval ranks by doubles now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
