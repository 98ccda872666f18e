#!/usr/bin/env bash
# pandas 3.1.1 with and without bottleneck 1.6.0 (numpy 2.4.6, Python 3.11)
#
# Guess:    bottleneck, which the installation of pandas recommends as an accelerator, changes the time of mean() and std() and
#           at most their last digits, on a column of any length.
# Seen:     pandas uses it as soon as it can be imported, and its std and var of float32 add up row after row in float32.
#           A mean of some size, a million rows: the standard deviation is 9 or 131 where it is 1. A constant
#           column has a spread; with a mean of 0 and ten million rows it is 0.8 % too small. mean() is right, so is std(skipna=False),
#           and so is everything in float64 and on the first thousand rows. No warning. (Known to bottleneck: its issue 443, open.)
# Output:   1,000,000 values around 1,000 with a spread of 1: 0.9990 without, 8.95 with bottleneck; around 10,000: 0.9997
#           and 130.9; constant 1000.1: 0 and 9.8.
# Matters:  the spread is the scale of a z-score, of a drift distance and of a standardised feature, and float32 is what
#           loaders make. Somebody adds a package, no code and no pinned version of pandas changes, and a drift of
#           five spreads is one of 0.04. Compute such figures in float64 by numpy, or set compute.use_bottleneck to False.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import importlib.util
import json

import numpy as np
import pandas as pd

draw = np.random.default_rng(0)
seen = {}
for mean in (0, 1_000, 10_000):
    values = draw.normal(mean, 1, 1_000_000).astype(np.float32)
    column = pd.Series(values)
    seen[str(mean)] = [float(column.std()), float(column.std(skipna=False)), float(column.mean()), float(column[:1_000].std()),
                       float(column.astype("float64").std())]
seen["constant"] = [float(pd.Series(np.full(1_000_000, 1000.1, np.float32)).std())]
print(json.dumps({"bottleneck": importlib.util.find_spec("bottleneck") is not None, **seen}))
PY
cat > "$work/compare.py" <<'PY'
import json
import sys

without, beside = (json.loads(open(name).read()) for name in sys.argv[1:])
for name in ("0", "1000", "10000", "constant"):
    print(f"mean {name:>8}: std without {without[name][0]:.4f}, with bottleneck {beside[name][0]:.4f}")
assert not without["bottleneck"] and beside["bottleneck"]
for name in ("0", "1000", "10000"):
    true = without[name][4]
    assert abs(without[name][0] - true) < 1e-3, "pandas alone is wrong as well now"
    assert all(abs(beside[name][one] - true) < 1e-3 for one in (1, 4)), "skipna=False or float64 is wrong as well now"
    assert abs(beside[name][2] - float(name)) < 0.01, "the mean is wrong as well now"
    assert abs(beside[name][3] - without[name][3]) < 1e-2
assert beside["1000"][0] > 5 and beside["10000"][0] > 100, "the spread with bottleneck is right now"
assert without["constant"][0] == 0 and beside["constant"][0] > 1, "the spread of a constant is right now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" > "$work/without.json"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check bottleneck==1.6.0
nice -n 10 "$work/venv/bin/python" "$work/check.py" > "$work/beside.json"
"$work/venv/bin/python" "$work/compare.py" "$work/without.json" "$work/beside.json"
echo "behaviour as described"
