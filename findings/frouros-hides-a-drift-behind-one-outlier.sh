#!/usr/bin/env bash
# frouros 0.9.0 (numpy 2.1.3, scipy 1.14.1, Python 3.11)
#
# Guess:    the distances by bins (PSI, Jensen-Shannon, Hellinger and others) take their bins from the reference that fit() was given;
#           one more row among 10,000 moves them by a ten-thousandth.
# Seen:     the bins are made at compare(), ten of the same width from the smallest to the largest value of both sets. One
#           value far away in the new data and all the rest of both sets is in one bin: a drift of a whole standard deviation
#           is no drift. No warning.
# Output:   10,000 rows of N(0, 1) against 10,000 of N(1, 1): PSI 1.86, JS 0.32, Hellinger 0.33, histogram intersection 0.37; with one
#           value of 10,000 more: 0.07, 0.006, 0.007, 0.0001. Thresholds in use: PSI 0.1 and 0.2.
# Matters:  a sensor's error code, an amount in another unit, a date in the year 9999: the row that comes with a fault is the one that
#           hides it, and the monitor is quieter than on a good day. Clip to the reference's range before comparing, or keep
#           bins at its quantiles, and try the monitor once on a drift with an outlier.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    frouros==0.9.0 numpy==2.1.3 scipy==1.14.1
cat > "$work/check.py" <<'PY'
import numpy as np
from frouros.detectors.data_drift import JS, PSI, HellingerDistance, HINormalizedComplement

rng = np.random.default_rng(0)
reference, drifted = rng.normal(0, 1, 10_000), rng.normal(1, 1, 10_000)
sets = {
    "the same rows": reference[::-1], "drifted": drifted, "drifted, and one outlier": np.append(drifted, 1e4),
    "drifted, clipped": np.clip(np.append(drifted, 1e4), reference.min(), reference.max()),
}


def distance(kind, rows):
    detector = kind()
    detector.fit(X=reference)
    return float(detector.compare(X=rows)[0].distance)


seen = {}
for kind in (PSI, JS, HellingerDistance, HINormalizedComplement):
    seen[kind.__name__] = {name: distance(kind, rows) for name, rows in sets.items()}
    print(f"{kind.__name__:23}", {name: round(one, 5) for name, one in seen[kind.__name__].items()})
for name, one in seen.items():
    assert abs(one["the same rows"]) < 1e-9
    assert one["drifted"] > 0.3 and one["drifted, clipped"] > 0.3
    assert one["drifted, and one outlier"] < one["drifted"] / 20, f"{name} finds the drift beside an outlier now"
assert seen["PSI"]["drifted"] > 1 and seen["PSI"]["drifted, and one outlier"] < 0.1
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
