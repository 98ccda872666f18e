#!/usr/bin/env bash
# liac-arff 2.5.0, scipy 1.17.1 (Python 3.11)
#
# Guess:    "integer" in an ARFF file is a number like "real" and "numeric", as Weka reads it, or a fraction under it is refused. What is
#           written comes back.
# Seen:     liac-arff reads each value as a float and makes it an int: fractions are cut towards zero, in silence. It writes them in
#           full, so that a file written and read by it has other numbers. scipy reads the fractions.
# Output:   1.7, -0.9, 0.4 under "integer": 1, 0, 0 by liac-arff, 1.7, -0.9, 0.4 by scipy; dumps() writes "1.7", loads() of it gives 1.
# Matters:  the heads of such files were often made from the first rows, or by a tool that calls whole-looking columns integer: amounts lose
#           their cents, probabilities and shares become 0. Training by one reader and evaluation by the other see other rows. Say "real"
#           when writing, and compare the sum of a column by two readers.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    liac-arff==2.5.0 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import io
import warnings

import arff
import numpy as np
from scipy.io import arff as by_scipy

warnings.simplefilter("error")
head = "@relation loans\n@attribute share integer\n@attribute amount real\n@data\n"
values = [1.7, -0.9, 0.4]
text = head + "".join(f"{value},{value}\n" for value in values)
rows = arff.loads(text)["data"]
liac = [share for share, _ in rows]
real = [amount for _, amount in rows]
scipy = by_scipy.loadarff(io.StringIO(text))[0]["share"].tolist()
written = arff.dumps({"relation": "loans", "attributes": [("share", "INTEGER")], "data": [[value] for value in values]})
again = [share for (share,) in arff.loads(written)["data"]]
print("under integer: liac-arff", liac, "scipy", scipy, "; under real: liac-arff", real)
print("written by liac-arff:", written.split("@DATA")[1].split()[:3], "and read again:", again)
assert np.allclose(scipy, values) and real == values
assert "1.7" in written and "-0.9" in written
assert liac == again == [1, 0, 0], "fractions are kept or refused now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
