#!/usr/bin/env bash
# mlflow-skinny 3.17.2 (pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    mlflow.data.from_pandas(frame).digest changes when a value in the frame changes; it may be short (8 hex
#           digits), but it is computed over the data.
# Seen:     it is computed over the first 10,000 rows, and of those only over numeric columns and over columns where
#           every single cell is a str. Dates, booleans and pandas categories of numbers are never read, and a text column stops
#           being read as soon as one cell of it is missing. Names of columns and the number of rows are in it.
#           from_numpy stops after 10,000 numbers, not rows.
# Output:   six pairs of different data sets, six equal digests; text without a gap: different.
# Matters:  the digest that a run shows as its data set does not tell two label files apart where the label is boolean
#           or has a gap, and never what was appended after row 10,000. Equal digests are no proof of equal data, so an
#           importer records it as the source's word and takes a hash of its own over the whole content.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    mlflow-skinny==3.17.2 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import logging
import warnings

import numpy as np
import pandas as pd
from mlflow.data import from_numpy, from_pandas

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
amount = np.arange(4.0)


def frame(label):
    return from_pandas(pd.DataFrame({"amount": amount, "label": label})).digest


long_a = pd.DataFrame({"amount": np.arange(12_000.0)})
long_b = long_a.copy()
long_b.loc[10_000:, "amount"] = -1.0
pairs = {
    "boolean label, all flipped": (frame([True, True, False, False]), frame([False, False, True, True])),
    "text label with a gap, all changed": (frame(["good", "bad", "bad", None]), frame(["bad", "good", "good", None])),
    "category of numbers, all changed": (frame(pd.Categorical([1, 0, 0, 0])), frame(pd.Categorical([0, 1, 1, 1]))),
    "dates, a year apart": (
        frame(pd.date_range("2025-01-01", periods=4)), frame(pd.date_range("2026-01-01", periods=4)),
    ),
    "rows after the 10,000th": (from_pandas(long_a).digest, from_pandas(long_b).digest),
    "array 1,000 x 20, rows after the 500th": (
        from_numpy(np.zeros((1000, 20))).digest,
        from_numpy(np.where(np.arange(1000)[:, None] < 500, 0.0, 1.0) * np.ones((1000, 20))).digest,
    ),
}
for name, (one, other) in pairs.items():
    print(f"{name:40}{one}  {other}")
    assert one == other, f"{name}: the digests differ now"
one, other = frame(["good", "bad", "bad", "bad"]), frame(["bad", "good", "good", "bad"])
print(f"{'text label without a gap':40}{one}  {other}")
assert one != other, "the digest no longer reads text"
PY
cd "$work"
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
