#!/usr/bin/env bash
# lasio 0.32 (pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    a log that is read and written again holds the same numbers, in their shortest spelling or in the one of the file.
# Seen:     write() gives every value five places after the point. A permeability or a resistivity below 0.000005 becomes 0, one of
#           0.000034 loses its second digit. Where the log has a column of texts beside it, the same values are written in full. No
#           warning; what reads the file again sees measurements of zero, not missing ones.
# Output:   read 2e-07, 3.4e-06, 3.4e-05, 0.005 and written again: 0, 0, 0.00003, 0.005. With fmt="%.10g": as they were.
# Matters:  the logarithm of such a column is what a model is given, and of zero it is minus infinity, or a constant where one was added. Give
#           fmt, and compare the counts of zeros before and after.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check lasio==0.32 numpy==2.4.6 pandas==2.3.3
cat > "$work/check.py" <<'PY'
import io
import warnings

import lasio

warnings.simplefilter("error")
SOURCE = """~Version
VERS. 2.0 :
WRAP. NO :
~Well
STRT.M 1000.0 :
STOP.M 1003.0 :
STEP.M 1.0 :
NULL. -999.25 :
~Curve
DEPT.M :
PERM.D :
~ASCII
1000.0 2e-07
1001.0 3.4e-06
1002.0 3.4e-05
1003.0 0.005
"""


def again(log, **options):
    written = io.StringIO()
    log.write(written, **options)
    return lasio.read(written.getvalue())["PERM"].tolist(), written.getvalue().splitlines()[-4:]


log = lasio.read(SOURCE)
read = log["PERM"].tolist()
written, lines = again(log)
with_format, _ = again(log, fmt="%.10g")
log.append_curve("DATE", ["2026-01-02"] * 4)
beside_texts, _ = again(log)
print("read:", read, "\nwritten and read again:", written, "\nwith fmt:", with_format, "\nbeside texts:", beside_texts, "\nlines:", lines)
assert read == with_format == beside_texts == [2e-07, 3.4e-06, 3.4e-05, 0.005]
assert written == [0, 0, 3e-05, 0.005], "small values are written in full now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
