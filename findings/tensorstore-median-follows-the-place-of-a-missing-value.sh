#!/usr/bin/env bash
# tensorstore 0.1.86 (numpy 2.4.6, Python 3.11)
#
# Guess:    a level of a pyramid made with the method "median" has NaN where a block holds NaN, as with "mean", or leaves it out. Which
#           it is does not depend on where in the block the missing value stands.
# Seen:     the values 1, 5 and NaN have the median NaN, 1 or 5, by their order; "mode" gives 1 or NaN, "min" and "max" never see
#           NaN, and "mean" gives NaN. An even
#           number of values has the lower of the two middle ones, and the last, shorter block is made of what there is.
# Output:   median of [1, NaN, 5]: NaN; [NaN, 1, 5]: 1; [1, 5, NaN]: 5. mode of [1, NaN, 5]: 1; [NaN, 1, 5]: NaN.
# Matters:  a mask of clouds or gaps moves the values of the coarse level, in some blocks and in others not, and a flipped image has
#           another overview. For a pyramid of data with gaps make the levels with numpy.nanmedian.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    tensorstore==0.1.86 numpy==2.4.6
cat > "$work/check.py" <<'PY'
from itertools import permutations

import numpy as np
import tensorstore

nan = float("nan")


def coarse(values, method):
    return float(tensorstore.downsample(tensorstore.array(np.array(values)), [len(values)], method)[0].read().result())


seen = {method: {} for method in ("mean", "min", "max", "median", "mode")}
for method, answers in seen.items():
    for values in permutations([1.0, 5.0, nan]):
        answers[values] = coarse(values, method)
    print(f"{method:6}", {str(list(values)): answer for values, answer in answers.items()})
kinds = {method: {str(answer) for answer in answers.values()} for method, answers in seen.items()}
print("median of 1, 2, 3, 9:", coarse([1.0, 2.0, 3.0, 9.0], "median"))
assert all(coarse(values, "median") == 5 for values in permutations([1.0, 5.0, 9.0])), "without NaN the order does not matter"
assert kinds["mean"] == {"nan"} and kinds["min"] == {"1.0"} and kinds["max"] == {"5.0"}, "mean, min or max treat NaN otherwise now"
assert kinds["median"] == {"nan", "1.0", "5.0"}, "the median of values with NaN no longer follows their order"
assert len(kinds["mode"]) > 1, "the mode no longer follows the order"
assert coarse([1.0, 2.0, 3.0, 9.0], "median") == 2
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
