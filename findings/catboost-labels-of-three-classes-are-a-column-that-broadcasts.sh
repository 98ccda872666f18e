#!/usr/bin/env bash
# catboost 1.2.10, scikit-learn 1.9.1 (lightgbm 4.7.0 to compare, numpy 2.4.6, Python 3.11)
#
# Guess:    predict() of a classifier gives one label a row, shape (n,), whatever the number of classes, as scikit-learn's
#           convention says; so (predict(x) == y).mean() is the accuracy, and MultiOutputClassifier.score the share of rows
#           of which all outputs are right.
# Seen:     of two classes it is (n,), of three or more (n, 1). With labels of shape (n,) numpy compares each row with each,
#           n times n, and the mean is that of two independent draws, plausible and nearly the same for every model.
#           MultiOutputClassifier of such models answers (1, n, outputs); its score then asks of each output whether all
#           rows are right, and is 0 for any model that errs once. accuracy_score and the model's own score flatten the
#           column and are right.
# Output:   accuracy 0.844, by == 0.334, mean absolute error of the classes 0.16, by numpy 0.88; two outputs: score 0.0, by
#           hand 0.65. Two classes: equal. LightGBM: equal everywhere.
# Matters:  a metric of one's own, or an agreement of champion and challenger by ==, is right in the two-class model on
#           which it was tested, and wrong in silence when a third class comes. Check the shape of answers before they are
#           compared.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    catboost==1.2.10 lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.metrics import accuracy_score
from sklearn.multioutput import MultiOutputClassifier

warnings.filterwarnings("ignore", message="X does not have valid feature names")
rng = np.random.default_rng(0)
rows = rng.normal(size=(1500, 3))
first, second = (np.digitize(rows[:, column] + rng.normal(size=1500) * 0.3, [-0.5, 0.5]) for column in (0, 2))
old, new = slice(0, 1000), slice(1000, None)
makers = {
    "CatBoost": lambda: CatBoostClassifier(
        n_estimators=20, random_state=0, verbose=0, thread_count=1, allow_writing_files=False
    ),
    "LightGBM": lambda: LGBMClassifier(n_estimators=20, random_state=0, verbose=-1, n_jobs=1),
}
seen = {}
for name, make in makers.items():
    for classes, label in ((2, (first > 0).astype(int)), (3, first)):
        model = make().fit(rows[old], label[old])
        answer = model.predict(rows[new])
        right, equal = accuracy_score(label[new], answer), float((answer == label[new]).mean())
        error, by_numpy = (float(np.abs(one - label[new]).mean()) for one in (answer.ravel(), answer))
        seen[name, classes] = right, equal, answer.shape
        assert model.score(rows[new], label[new]) == right
        print(f"{name}, {classes} classes: shape {answer.shape}, accuracy {right:.3f}, by == {equal:.3f}; "
              f"error {error:.2f}, by numpy {by_numpy:.2f}")
    labels = np.column_stack([first, second])
    both = MultiOutputClassifier(make()).fit(rows[old], labels[old])
    answers = both.predict(rows[new])
    score = both.score(rows[new], labels[new])
    by_hand = float(np.mean(np.all(np.reshape(answers, (500, 2)) == labels[new], axis=1)))
    seen[name, "both"] = score, by_hand, answers.shape
    print(f"{name}, two outputs of 3 classes: shape {answers.shape}, score {score:.3f}, by hand {by_hand:.3f}")
for (name, case), (right, other, shape) in seen.items():
    if name == "CatBoost" and case == 3:
        assert shape == (500, 1) and right > 0.8 and 0.3 < other < 0.4, "labels of three classes are flat now"
    elif name == "CatBoost" and case == "both":
        assert shape == (1, 500, 2) and right == 0 and other > 0.5, "two outputs are scored rightly now"
    else:
        assert right == other and right > 0.5, f"{name}, {case}: wrong now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
