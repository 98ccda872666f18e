#!/usr/bin/env bash
# sdmetrics 0.32.0 (pandas 2.3.3, scipy 1.17.1, numpy 2.4.6, Python 3.11)
#
# Guess:    the quality report of synthetic data, "how like the real data it is", goes down when a column is missing in most of its rows, and
#           is worst where all of it is.
# Seen:     shapes and correlations are of the values that are there; how many there are is not looked at. A column that is wholly missing has
#           no score, and what has none is left out of the mean: the report is better than with one per cent of the values.
#           The only warning is SciPy's, of a small sample; with one per cent there is none.
# Output:   2000 real rows against themselves: 1.00. All incomes missing: 1.00. 99 of 100 values missing in all columns: 0.90. One row two
#           thousand times: 0.44. The diagnostic report sees it: validity 1, 0.67, 0.01.
# Matters:  a generator that learned to write "missing" passes a gate on quality, and one that forgets a column altogether passes it best.
#           Ask for the shares of missing values too (MissingValueSimilarity), and count the scores that a mean is of.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    sdmetrics==0.32.0 pandas==2.3.3 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sdmetrics.reports.single_table import DiagnosticReport, QualityReport

rng = np.random.default_rng(0)
real = pd.DataFrame({"age": rng.normal(40, 10, 2000), "kind": rng.choice(["a", "b"], 2000)})
real["income"] = real["age"] + rng.normal(50, 9, 2000)
types = {"age": "numerical", "kind": "categorical", "income": "numerical"}
metadata = {"columns": {name: {"sdtype": kind} for name, kind in types.items()}}
mostly_missing = real.copy()
mostly_missing.loc[20:] = np.nan
tables = {
    "a copy": real.copy(),
    "99 % missing": mostly_missing,
    "no incomes": real.assign(income=np.nan),
    "one row repeated": pd.concat([real[:1]] * 2000, ignore_index=True),
}
seen = {}
for name, table in tables.items():
    quality, diagnosis = QualityReport(), DiagnosticReport()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        quality.generate(real, table, metadata, verbose=False)
        diagnosis.generate(real, table, metadata, verbose=False)
    shapes = quality.get_details("Column Shapes").set_index("Column")["Score"].round(2).to_dict()
    validity = float(diagnosis.get_details("Data Validity")["Score"].mean())
    seen[name] = (float(quality.get_score()), validity, sorted({str(warning.message)[:40] for warning in said}))
    print(f"{name:17} quality {seen[name][0]:.2f}, shapes {shapes}, validity {validity:.2f}, warnings {seen[name][2]}")
assert seen["a copy"][0] == seen["a copy"][1] == 1
assert seen["no incomes"][0] == 1, "a column without values counts now"
assert seen["99 % missing"][0] > 0.85 and not seen["99 % missing"][2], "missing values count now"
assert seen["one row repeated"][0] < 0.6
assert seen["no incomes"][1] < 0.7 and seen["99 % missing"][1] < 0.05
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
