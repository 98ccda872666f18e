#!/usr/bin/env bash
# asammdf 8.8.28 (pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    to_dataframe of a measurement whose file marks a sample as invalid has it missing, or leaves its row out; before a
#           signal's first sample and after its last there is nothing, as in pandas after a join of the times.
# Seen:     an invalid sample is left out and then filled: a float between its neighbours on a straight line, a whole number with
#           the one before. get() leaves it out, without a bit that says so. A signal that starts late has its FIRST
#           value from the beginning on, one that ends early its last value to the end. resample() does the same. A
#           sample that is NaN in the file stays NaN, so the table does have a way to say missing. No warning.
# Output:   1, 100 (invalid), 9 -> 1, 5, 9; 1, 200 (invalid), 9 of bytes -> 1, 1, 9; a signal that is 7 at 8 s -> 7 from 0 s on.
# Matters:  rows of vehicles and test benches are made so. What an ECU said was no measurement becomes a plausible
#           one, a dead sensor a constant one, and the value of the future in all rows before it is a leak: a label that is
#           written at the end of a run is a perfect feature at its start. Cut each row to the span of its signals, and take
#           invalid samples from get(ignore_invalidation_bits=True).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check asammdf==8.8.28 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
import warnings

import numpy as np
from asammdf import MDF, Signal

warnings.simplefilter("ignore")
path = f"{sys.argv[1]}/run.mf4"
times = np.array([0.0, 2.0, 4.0])
invalid = np.array([False, True, False])
made = MDF()
made.append([Signal(np.array([1.0, 100.0, 9.0]), times, name="pressure", invalidation_bits=invalid)])
made.append([Signal(np.array([1, 200, 9], np.uint8), times, name="gear", invalidation_bits=invalid)])
made.append([Signal(np.array([1.0, np.nan, 9.0]), times, name="not_a_number")])
made.append([Signal(np.array([7.0]), np.array([8.0]), name="verdict")])
made.save(path, overwrite=True)
file = MDF(path)
table = file.to_dataframe()
print(table)
alone = file.get("pressure")
raw = file.get("pressure", ignore_invalidation_bits=True)
print("get():                             ", alone.samples.tolist(), alone.invalidation_bits)
print("get(ignore_invalidation_bits=True):", raw.samples.tolist(), [bool(bit) for bit in raw.invalidation_bits])
steps = file.resample(2.0).get("verdict").samples.tolist()
print("resample(2.0), verdict:            ", steps)

assert table.index.tolist() == [0, 2, 4, 8]
assert table["pressure"].tolist() == [1, 5, 9, 9], "an invalid float is treated otherwise now"
assert table["gear"].tolist() == [1, 1, 9, 9], "an invalid whole number is treated otherwise now"
assert np.isnan(table["not_a_number"].tolist()[1])
assert table["verdict"].tolist() == [7, 7, 7, 7] and set(steps) == {7.0}, "before the first sample there is nothing now"
assert alone.samples.tolist() == [1, 9] and alone.invalidation_bits is None
assert raw.samples.tolist() == [1, 100, 9] and [bool(bit) for bit in raw.invalidation_bits] == [False, True, False]
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
