#!/usr/bin/env bash
# toad 0.1.7 (pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    the PSI of two columns that have no value in common is the largest there is, and a category that is new adds to it.
# Seen:     PSI counts each value as a bin of its own, and leaves out what only one of the sides has. A new category adds
#           nothing; where all values are new the sum is of nothing, 0. The same for numbers without a combiner: continuous ones
#           have no value in common, whatever their place. No warning.
# Output:   30 % of the rows of a new category: 0.11; 10 %: 0.01. All categories
#           renamed: 0. N(0, 1) against N(3, 1): 0; rounded to one decimal 3.4; by the bins of a combiner 5.2.
# Matters:  a source that renames its codes, or an amount in another unit, is the drift that a monitor is for, and it is the one that gives the
#           best figure; a small new category stays below 0.1. Give the bins of the training to numbers (combiner), and
#           count categories that the reference lacks by themselves.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    toad==0.1.7 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from toad.metrics import PSI
    from toad.transform import Combiner

warnings.simplefilter("error", UserWarning)
rng = np.random.default_rng(0)
base = pd.Series(rng.choice(["a", "b", "c"], 5000))
again = pd.Series(rng.choice(["a", "b", "c"], 5000))
chance = rng.random(5000)
number, moved = pd.Series(rng.normal(size=5000)), pd.Series(rng.normal(3, 1, 5000))
combiner = Combiner()
combiner.fit(pd.DataFrame({"x": number}), (chance < 0.2).astype(int), method="quantile", n_bins=5)
with_bins = float(PSI(pd.DataFrame({"x": moved}), pd.DataFrame({"x": number}), combiner=combiner)["x"])
seen = {
    "the same categories": PSI(again, base),
    "10 % are new": PSI(again.where(chance > 0.1, "d"), base),
    "30 % are new": PSI(again.where(chance > 0.3, "d"), base),
    "all renamed": PSI(again.str.upper(), base),
    "numbers, moved by 3 standard deviations": PSI(moved, number),
    "the same, rounded": PSI(moved.round(1), number.round(1)),
    "the same, by the bins of a combiner": with_bins,
}
for name, value in seen.items():
    print(f"{name:41} PSI {float(value):.3f}")
assert seen["the same categories"] < 0.01
assert seen["10 % are new"] < 0.05 and seen["30 % are new"] < 0.2, "a new category counts now"
assert seen["all renamed"] == 0, "columns without a value in common differ now"
assert seen["numbers, moved by 3 standard deviations"] == 0, "numbers without a value in common differ now"
assert seen["the same, rounded"] > 0.5 and with_bins > 2
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
