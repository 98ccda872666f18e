#!/usr/bin/env bash
# scikit-learn 1.9.1 (numpy 2.4.6, scipy 1.17.1, Python 3.11, x86-64)
#
# Guess:    a tree ensemble's answer to a row does not depend on the rows beside it, to the last bit: leaves are looked up and
#           added tree by tree, and no matrix product is involved, as in a logistic regression, where the last bit may move.
# Seen:     histogram boosting of up to seven classes keeps to that. From eight classes on predict_proba of a row alone differs
#           in the last bits from the same row among 400, in about four rows of ten; in blocks of 16 it does not. The raw scores
#           are equal: it is the sum in the softmax, whose order follows the layout of the array in memory, which for one row is
#           another, and numpy adds eight or more numbers that lie side by side in another order. Gradient boosting and forests
#           of the same classes are equal.
# Output:   7 classes: 0 of 400 rows; 8 classes: 180 of 400, largest difference 3.3e-16; raw scores 0
# Matters:  a service that gathers requests, a reproduction in other blocks, and a form of the model that is to be equal to the
#           bit answer "differs" for a sound model. Compare in the same blocks, or compare raw scores.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier

rng = np.random.default_rng(0)
rows = rng.normal(size=(3000, 6)).round(2)
order = np.argsort(np.argsort(rows[:, 0] + rows[:, 1] + rng.normal(size=3000) * 0.3))
new = rows[:400]


def by_block(answer, size):
    return np.vstack([answer(new[first : first + size]) for first in range(0, len(new), size)])


def differing(answer, size):
    return int((answer(new) != by_block(answer, size)).any(axis=1).sum())


for classes in (7, 8):
    label = order * classes // len(rows)
    boosted = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(rows, label)
    alone, block, raw = (differing(*of) for of in ((boosted.predict_proba, 1), (boosted.predict_proba, 16), (boosted.decision_function, 1)))
    largest = np.abs(boosted.predict_proba(new) - by_block(boosted.predict_proba, 1)).max()
    others = [
        differing(model.fit(rows, label).predict_proba, 1)
        for model in (GradientBoostingClassifier(n_estimators=5, random_state=0), RandomForestClassifier(10, random_state=0))
    ]
    print(f"{classes} classes: alone {alone} of {len(new)} rows differ (by up to {largest:.1e}), in blocks of 16 {block}, raw scores {raw}; gradient boosting and forest {others}")
    assert (alone > 100) == (classes == 8) and block == raw == sum(others) == 0
PY
OMP_NUM_THREADS=1 "$work/venv/bin/python" "$work/check.py"
