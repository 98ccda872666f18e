#!/usr/bin/env bash
# npTDMS 1.13.0 (numpy 2.4.6, Python 3.11)
#
# Guess:    a channel is written from what numpy.asarray makes of the data: a list with one fraction in it is floats, a missing value is
#           NaN or refused. An array in the other byte order is turned round, since the file is little-endian.
# Seen:     a list has the type of its first value and that value's smallest whole number: [1, 2.5] is written as bytes 1 and 2. A list of
#           floats with None is written as the addresses of the objects, as doubles near 0 that differ in each run. Arrays in big-endian
#           order (from FITS, classic netCDF, instruments) are written as they lie: 1 and 2 become 3.0e-319 and 3.2e-322. A time
#           that is missing is the year 294181, and masked values are values. No warning; a pandas column with a missing value is right.
# Output:   [1, 2.5] -> int8 [1, 2]; [1.0, None] -> 6.9e-310 twice; '>f8' [1, 2] -> [3.0e-319, 3.2e-322]; NaT -> 294181-01-08.
# Matters:  recordings of test benches are archived this way, and a series that starts with a whole number has no fractions
#           after. Hand over numpy.asarray(values, "<f8"), and compare what is read.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    npTDMS==1.13.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import os
import tempfile

import numpy as np
from nptdms import ChannelObject, TdmsFile, TdmsWriter

folder = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(__file__)))


def through(values):
    path = os.path.join(folder, "run.tdms")
    with TdmsWriter(path) as writer:
        writer.write_segment([ChannelObject("bench", "force", values)])
    return TdmsFile.read(path)["bench"]["force"][:]


whole_first, fraction_first = through([1, 2.5]), through([1.5, 2])
missing = through([1.0, None])
turned = through(np.array([1.0, 2.0], ">f8"))
gap = through(np.array(["2026-01-01T00:00:00", "NaT"], "M8[us]"))
masked = through(np.ma.array([1, 2, 3], mask=[False, True, False]))
print("[1, 2.5] is read as", whole_first, whole_first.dtype, "and [1.5, 2] as", fraction_first)
print("[1.0, None] is read as", missing)
print("big-endian 1 and 2 are read as", turned)
print("a missing time is read as", gap[1], "and a masked 2 as", masked[1])
assert whole_first.tolist() == [1, 2] and whole_first.dtype == np.int8, "a list has another type now"
assert fraction_first.tolist() == [1.5, 2.0]
assert not np.isnan(missing).any() and (np.abs(missing) < 1e-300).all(), "None is written otherwise now"
assert (turned < 1e-300).all(), "the byte order is looked at now"
assert str(gap[1]).startswith("294181"), "a missing time is written otherwise now"
assert masked[1] == 2, "masked values are left out now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
