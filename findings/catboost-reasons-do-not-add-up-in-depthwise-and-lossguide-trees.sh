#!/usr/bin/env bash
# catboost 1.2.10 (lightgbm 4.7.0 to compare, numpy 2.4.6, Python 3.11)
#
# Guess:    the ShapValues of a row and the expected value add up to the row's raw answer: that is what they are. It holds
#           for each way to grow trees that the library offers.
# Seen:     it holds for the default, symmetric trees, to 1e-15. With grow_policy="Depthwise" or "Lossguide" it holds for
#           trees of one split; with deeper ones the sum is off in every row, by up to most of a standard deviation of
#           the answers, with no missing value anywhere and without a warning. "Exact" is refused for such trees, so one
#           trusts that the rest is right. LightGBM, which grows leaf by leaf, adds up.
# Output:   largest distance between sum and answer: symmetric 0; depthwise 1.3 of 3.4, lossguide 2.4 of 3.5 (standard
#           deviation of the answers); the reasons say yes where the model says no or no for yes in 2 and 3 % of rows.
# Matters:  "these are the reasons for your refusal" for a score that the model did not give. Add up the reasons of each
#           row that is explained and refuse to show them where they do not meet the answer.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    catboost==1.2.10 lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import lightgbm
import numpy as np
from catboost import CatBoostClassifier, Pool

rng = np.random.default_rng(0)
rows = rng.normal(size=(2000, 4)).round(2)
label = (rows[:, 0] + rows[:, 1] * (rows[:, 2] > 0) + rng.normal(size=2000) * 0.3 > 0).astype(int)
old, new = slice(0, 1500), rows[1500:]


def report(name, reasons, answers):
    gap = reasons.sum(axis=1) - answers
    other = float(np.mean((reasons.sum(axis=1) > 0) != (answers > 0)))
    print(f"{name:24} off by up to {np.abs(gap).max():.2g} (answers' deviation {answers.std():.2g}), rows that are off "
          f"{np.mean(np.abs(gap) > 1e-6):.2f}, other sign {other:.3f}")
    return float(np.abs(gap).max()), float(np.mean(np.abs(gap) > 1e-6)), other


def catboost(policy, depth):
    model = CatBoostClassifier(
        iterations=30, grow_policy=policy, depth=depth, verbose=0, thread_count=1, random_seed=0, allow_writing_files=False
    ).fit(rows[old], label[old])
    answers = model.predict(new, prediction_type="RawFormulaVal")
    return report(f"{policy}, depth {depth}", model.get_feature_importance(Pool(new), type="ShapValues"), answers)


seen = {(policy, depth): catboost(policy, depth) for policy in ("SymmetricTree", "Depthwise", "Lossguide") for depth in (1, 6)}
model = lightgbm.LGBMClassifier(n_estimators=30, verbose=-1, n_jobs=1).fit(rows[old], label[old])
other = report("lightgbm", model.predict(new, pred_contrib=True), model.predict(new, raw_score=True))
for (policy, depth), (gap, share, sign) in seen.items():
    if policy == "SymmetricTree" or depth == 1:
        assert gap < 1e-9, f"{policy}, depth {depth}: the reasons no longer add up"
    else:
        assert gap > 0.5 and share > 0.9 and sign > 0, f"{policy}, depth {depth}: the reasons add up now"
assert other[0] < 1e-9
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
