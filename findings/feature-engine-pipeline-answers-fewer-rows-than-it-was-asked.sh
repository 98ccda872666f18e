#!/usr/bin/env bash
# feature-engine 1.9.4, imbalanced-learn 0.14.2 (scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    a pipeline that drops rows drops them in fit alone, as imbalanced-learn's does, or refuses to predict a row that
#           it would drop: predict gives one answer a row.
# Seen:     feature_engine.pipeline.Pipeline drops the same rows in predict and predict_proba. The answer is an array without
#           an index, shorter than what was asked, so it cannot be told which rows are missing from it; and score() drops
#           them on both sides and is of the rest alone. A request of one such row fails in the estimator, with a message of
#           an empty array. Nothing is said of the others.
# Output:   500 rows asked: DropMissingData 455 answers, score of those; OutlierTrimmer (fold=2) fewer than 500;
#           the same steps as imbalanced-learn's sampler: 500.
# Matters:  the nightly job that puts answers beside identifiers by place gives each customer after the first dropped one the
#           answer of another, and the score of the evaluation leaves out exactly the rows that are hard. Compare the
#           number of answers with the number of rows, with a missing value among them.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    feature-engine==1.9.4 imbalanced-learn==0.14.2 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd
from feature_engine.imputation import DropMissingData
from feature_engine.outliers import OutlierTrimmer
from feature_engine.pipeline import Pipeline
from imblearn import FunctionSampler
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
rows = pd.DataFrame({"income": rng.normal(size=2000), "age": rng.normal(size=2000)})
label = pd.Series((rows.income + rows.age + rng.normal(size=2000) / 2 > 0).astype(int))
gaps = rows.assign(income=rows.income.where(rng.random(2000) > 0.1))
old, new = slice(0, 1500), slice(1500, None)


def answers(pipeline, table):
    pipeline.fit(table[old], label[old])
    return pipeline, len(pipeline.predict_proba(table[new]))


model, dropped = answers(Pipeline([("drop", DropMissingData()), ("model", LogisticRegression())]), gaps)
complete = int(gaps[new].notna().all(axis=1).sum())
score = model.score(gaps[new], label[new])
print(f"DropMissingData: 500 rows asked, {complete} of them complete, {dropped} answers ({type(model.predict(gaps[new])).__name__}), score {score:.3f}")
right = model.predict(gaps[new]) == label[new][gaps[new].notna().all(axis=1)]
assert dropped == complete < 470 and isinstance(model.predict(gaps[new]), np.ndarray), "one answer a row now"
assert score == right.mean(), "score counts the dropped rows now"
one = gaps[new][gaps[new].income.isna()].iloc[[0]]
try:
    print("one row alone:", len(model.predict(one)), "answers")
except ValueError as error:
    print("one row alone:", str(error).splitlines()[0][:90])
_, trimmed = answers(Pipeline([("trim", OutlierTrimmer(variables=["income"], fold=2)), ("model", LogisticRegression())]), rows)
print(f"OutlierTrimmer: 500 rows asked, {trimmed} answers")
assert trimmed < 500, "one answer a row now"


def keep_complete(table, labels):
    kept = pd.DataFrame(table).notna().all(axis=1).to_numpy()
    return table[kept], labels[kept]


sampler = FunctionSampler(func=keep_complete, validate=False)
_, sampled = answers(SamplingPipeline([("drop", sampler), ("model", HistGradientBoostingClassifier(max_iter=5))]), gaps)
print(f"imbalanced-learn's pipeline: 500 rows asked, {sampled} answers")
assert sampled == 500, "imbalanced-learn drops rows in predict now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
