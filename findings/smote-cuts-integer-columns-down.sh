#!/usr/bin/env bash
# Rows that imbalanced-learn makes up are cut down to whole numbers where a column is of integers, so the rare class shrinks
#
# What:     imbalanced-learn 0.14.2 (SMOTE) on a pandas table with columns of whole numbers, scikit-learn 1.9.1.
# Guess:    a made-up row lies between two real ones; in a column of integers it is rounded to the nearest, or the column
#           becomes one of floats, so that means stay what they are.
# Seen:     the new values are computed as floats and cast back to the integer type, which cuts towards zero. Ages of the made-up
#           rows are a third of a year younger on average than the same rows made up from a column of floats, never older, and with
#           a small count (0 to 3 visits) the mean falls by nearly a quarter. Nothing is said.
# Why:      a count or a level in whole numbers is an ordinary feature. What a training makes up is no row of the snapshot, so
#           neither drift nor data checks see it: the shift shows as a model that scores the real rare rows lower. Turn such
#           columns into floats before, or weigh the classes in place of making rows up.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "imbalanced-learn==0.14.2" "scikit-learn==1.9.1" "pandas==3.1.1" "numpy==2.4.6"
"$work/venv/bin/python" - <<'PY'
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE

draw = np.random.default_rng(0)
rows, rare = 2_000, 200
table = pd.DataFrame(
    {"age": draw.integers(18, 90, rows), "visits": draw.integers(0, 4, rows), "level": draw.normal(size=rows)}
)
outcome = np.r_[np.zeros(rows - rare), np.ones(rare)]


def made_up(frame: pd.DataFrame) -> pd.DataFrame:
    return SMOTE(random_state=0).fit_resample(frame, outcome)[0].iloc[rows:]


whole = made_up(table)
floats = made_up(table.astype(float))
real = table.iloc[-rare:]
difference = floats["age"].to_numpy() - whole["age"].to_numpy()
print("types       ", dict(whole.dtypes.astype(str)))
for name in ("age", "visits"):
    print(f"{name:<8} real {real[name].mean():6.2f}   made up from floats {floats[name].mean():6.2f}   from integers {whole[name].mean():6.2f}")
print(f"age cut by {difference.mean():.2f} on average, {difference.min():.2f} to {difference.max():.2f}")
assert whole["age"].dtype == np.int64
assert np.array_equal(whole["age"], np.trunc(floats["age"]))
assert 0.25 < difference.mean() < 0.6 and difference.min() >= 0
assert whole["visits"].mean() < 0.8 * floats["visits"].mean()
print("seen: whole numbers are cut down, not rounded")
PY
