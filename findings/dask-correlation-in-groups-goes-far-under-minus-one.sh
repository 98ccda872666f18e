#!/usr/bin/env bash
# dask 2026.8.0 beside pandas 3.1.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    corr() and cov() in groups leave out the rows where one of the two is missing, as pandas does, and as dask does without groups.
# Seen:     in groups dask sums each column over its own rows and the products over the rows that have both, and divides by one count. With
#           a fifth missing a correlation of 0.9 comes out as none at all, or far under -1, and follows the unit: the same temperatures in
#           kelvin have another one than in Celsius. No warning. Without missing values, and without groups, it agrees with pandas.
# Output:   pandas in groups 0.899; dask in groups -0.098, and -16.6 in kelvin; dask without groups 0.895.
# Matters:  a correlation by region or machine says that a relation is gone where only a sensor had gaps. Drop the rows with a missing
#           value before the grouping.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    'dask[dataframe]==2026.8.0' pandas==3.1.1 pyarrow==25.0.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import dask.dataframe
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
rows = 4000
cause = rng.normal(size=rows)
table = pd.DataFrame({"part": rng.integers(0, 2, rows), "celsius": 15 + 5 * cause, "load": 3 + cause + rng.normal(0, 0.5, rows)})
gaps = table.assign(celsius=table.celsius.where(rng.random(rows) > 0.2))
kelvin = gaps.assign(celsius=gaps.celsius + 273.15)


def both(rows, grouped):
    seen = []
    for frame in (rows, dask.dataframe.from_pandas(rows, npartitions=4)):
        source = frame.groupby("part") if grouped else frame[["celsius", "load"]]
        answer = source.corr()
        answer = answer.compute() if hasattr(answer, "compute") else answer
        seen.append(float((answer.loc[0] if grouped else answer).loc["celsius", "load"]))
    return seen


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    seen = {(name, grouped): both(rows, grouped) for name, rows in (("complete", table), ("gaps", gaps), ("kelvin", kelvin)) for grouped in (False, True)}
for (name, grouped), (right, other) in seen.items():
    print(f"{name:9}{'in groups' if grouped else 'whole':10} pandas {right:.3f} dask {other:.3f}")
print("warnings:", sorted({str(one.message)[:60] for one in said}))
for (name, grouped), (right, other) in seen.items():
    if name == "complete" or not grouped:
        assert abs(right - other) < 1e-6, (name, grouped)
    else:
        assert abs(right - other) > 0.05, f"{name}: dask leaves the rows out now"
assert abs(seen["gaps", True][1] - seen["kelvin", True][1]) > 0.02, "the unit does not matter now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
