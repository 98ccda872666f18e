#!/usr/bin/env bash
# scikit-learn 1.9.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    class_weight="balanced" means one thing in one library; together with sample_weight it balances what the weights
#           say, so that rows of weight 0 are as if they were not there.
# Seen:     some estimators balance the sums of the weights, others the number of rows and multiply by the weights
#           afterwards. There, rows of weight 0 set the balance: old rows, all of one class, turn the answers of a model in
#           which they do not count. No warning, and without "balanced" each of them leaves such rows out.
# Output:   labels that change with those of rows of weight 0: logistic regression, random forest and linear SVC 0; a
#           single tree 0.85, ridge 0.95, histogram boosting 0.56 (the share of "yes" is 0.11 or 0.67). Plain: all 0.
# Matters:  weights by age or by sampling and "balanced" meet wherever events are rare. A champion and a challenger of two
#           kinds with one setting are trained for two base rates, and the comparison is of that. Work the weights out
#           oneself and give the estimator one of the two.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

rng = np.random.default_rng(0)
label = (rng.random(3000) < 0.3).astype(int)
rows = rng.normal(size=(3000, 2)) + label[:, None] * 0.8
new = rng.normal(size=(2000, 2)) + 0.4
old = np.arange(3000) % 3 > 0
weight = np.where(old, 0.0, 1.0)
all_yes, all_no = np.where(old, 1, label), np.where(old, 0, label)
makers = {
    "LogisticRegression": lambda **settings: LogisticRegression(**settings),
    "RandomForestClassifier": lambda **settings: RandomForestClassifier(50, max_depth=4, random_state=0, **settings),
    "DecisionTreeClassifier": lambda **settings: DecisionTreeClassifier(max_depth=4, random_state=0, **settings),
    "RidgeClassifier": lambda **settings: RidgeClassifier(**settings),
    "HistGradientBoostingClassifier": lambda **settings: HistGradientBoostingClassifier(
        max_iter=30, early_stopping=False, random_state=0, **settings
    ),
    "LinearSVC": lambda **settings: LinearSVC(random_state=0, **settings),
}
seen = {}
for name, make in makers.items():
    for settings in ({}, {"class_weight": "balanced"}):
        yes, no = (make(**settings).fit(rows, labels, sample_weight=weight).predict(new) for labels in (all_yes, all_no))
        seen[name, bool(settings)] = float(np.mean(yes != no))
        shares = f"says yes {yes.mean():.2f} or {no.mean():.2f}"
        print(f"{name:31} {'balanced' if settings else 'plain':9} labels that change {seen[name, bool(settings)]:.3f}, {shares}")
rows_counted = {"DecisionTreeClassifier", "RidgeClassifier", "HistGradientBoostingClassifier"}
for (name, balanced), changed in seen.items():
    if balanced and name in rows_counted:
        assert changed > 0.3, f"{name} balances the weights now"
    else:
        assert changed == 0, f"{name}: rows of weight 0 matter now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
