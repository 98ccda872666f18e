#!/usr/bin/env bash
# statsmodels 0.15.0 beside scipy 1.17.1 (numpy 2.4.6, pandas 3.1.1, Python 3.11)
#
# Guess:    an empirical distribution of values with NaN leaves them out or is refused (scipy refuses); asked at NaN it says NaN.
# Seen:     ECDF and ECDFDiscrete count NaN as values beyond the largest: of 1, 2, 3 and NaN three quarters lie at or under 3, at 10 and at
#           a million still three quarters, at infinity too. Asked at NaN both say 1.0, the rank of the highest. No warning.
# Output:   ECDF([1, 2, 3, NaN]) at 3: 0.75; at 10: 0.75; at NaN: 1.0. scipy.stats.ecdf: ValueError.
# Matters:  as a score of how unusual a value is, 1 - ECDF, a missing value is the most unusual of all (0), and values under
#           the median seem lower the more was missing in the reference. Take missing values out on both sides.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import scipy.stats
from statsmodels.distributions.empirical_distribution import ECDF, ECDFDiscrete

warnings.simplefilter("error")
values = [1.0, 2.0, 3.0, np.nan]
asked = [3.0, 10.0, np.inf, np.nan]
seen = {kind.__name__: [float(one) for one in kind(values)(asked)] for kind in (ECDF, ECDFDiscrete)}
for name, answers in seen.items():
    print(f"{name:13}", dict(zip(map(str, asked), answers)))
complete = [float(one) for one in ECDF(values[:3])(asked)]
print("without NaN  ", dict(zip(map(str, asked), complete)))
try:
    scipy.stats.ecdf(values)
    refused = ""
except ValueError as error:
    refused = str(error)
print("scipy says:", refused)
assert complete[:3] == [1, 1, 1] and complete[3] == 1, "NaN is asked for otherwise now"
assert seen["ECDF"] == [0.75, 0.75, 0.75, 1.0], "ECDF counts NaN otherwise now"
assert refused, "scipy takes NaN now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
