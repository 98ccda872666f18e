#!/usr/bin/env bash
# dcor 0.7 (numpy 2.4.6, Python 3.11)
#
# Guess:    the distance correlation of two columns of whole numbers is that of the same columns as floats.
# Seen:     sums and products are made in the type of the columns, and wrap. Two columns that plainly depend on each other come out
#           as 0, "independent"; columns of bytes come out in thousands. The one
#           warning says that a slower implementation is used. Which rows wrap follows their number: 300 are right, 3000 are not.
# Output:   int32, values to 1000: 300 rows 0.820 and as floats 0.820; 3000 rows 0.000 and as floats 0.812. int64, values to 1e9: 0.000
#           and 0.810. uint8: 45739 and 0.811.
# Matters:  ages, counts, cents and codes are whole numbers: features are thrown out as unrelated, and a test on a small
#           sample shows nothing. Hand over float64.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    dcor==0.7 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import dcor
import numpy as np

rng = np.random.default_rng(0)
said = []


def both(kind, top, rows):
    x = rng.integers(0, top, rows)
    y = np.clip(x // 2 + rng.integers(0, top // 3, rows), 0, top)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        answers = [float(dcor.distance_correlation(x.astype(one), y.astype(one))) for one in (kind, float)]
    said.extend(str(one.message) for one in heard)
    print(f"{kind:5} to {top}, {rows} rows: {answers[0]:.3f}; as floats {answers[1]:.3f}")
    return answers


few, many = both("int32", 1000, 300), both("int32", 1000, 3000)
long, byte = both("int64", 10**9, 3000), both("uint8", 200, 3000)
print("warnings:", sorted({one[:70] for one in said}))
assert all(answers[1] > 0.79 for answers in (few, many, long, byte)), "the columns depend on each other"
assert abs(few[0] - few[1]) < 1e-6
assert many[0] == 0 and long[0] == 0, "whole numbers no longer wrap"
assert byte[0] > 1000, "bytes no longer wrap"
assert all("Falling back to uncompiled" in one for one in said), "dcor says something else now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
