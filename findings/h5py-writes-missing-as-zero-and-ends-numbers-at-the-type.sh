#!/usr/bin/env bash
# h5py 3.16.0 (numpy 2.4.6, Python 3.11)
#
# Guess:    what is written into a dataset of a narrower type is converted as NumPy converts it: with NumPy's warning for a value that is
#           invalid there, or it is refused; all the same whether the values are converted before or by the dataset.
# Seen:     HDF5 converts, and in silence: NaN becomes 0, what is too large the largest number of the type, a fraction is cut. NumPy
#           warns of NaN and counts whole numbers round. ds.astype() does so on reading. A flag is true for 2 and 255; float32 makes inf.
# Output:   1.9, 300, -300, NaN, inf written into int8: 1, 127, -128, 0, 127. 300 and -1 into uint8: 255 and 0; by NumPy first: 44 and 255.
# Matters:  a dataset that was made for labels from -1 to 9 or for pixels takes a batch whose values are missing: 0 is a class, a
#           fact and a colour, and identifiers above the type all become the same one. Compare the dtype of the batch with the dataset's before
#           writing, or read back and compare.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    h5py==3.16.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
import warnings

import h5py
import numpy as np

warnings.simplefilter("error")
values = np.array([1.9, 300, -300, np.nan, np.inf])
whole = np.array([300, -1])
with h5py.File(sys.argv[1], "w") as file:
    labels = file.create_dataset("labels", (5,), "int8")
    labels[...] = values
    pixels = file.create_dataset("pixels", (2,), "uint8")
    pixels[...] = whole
    kept = file.create_dataset("kept", data=values)
    seen = {
        "float into int8": labels[...].tolist(),
        "whole into uint8": pixels[...].tolist(),
        "float read as int8": kept.astype("int8")[...].tolist(),
    }
try:
    values.astype("int8")
    by_numpy = "in silence"
except RuntimeWarning as warning:
    by_numpy = str(warning)
first = whole.astype("uint8").tolist()
for what, numbers in seen.items():
    print(f"{what}: {numbers}")
print("NumPy: float into int8:", by_numpy, "; whole into uint8:", first)
assert seen["float into int8"] == [1, 127, -128, 0, 127], "h5py converts otherwise now"
assert seen["float read as int8"] == seen["float into int8"], "reading converts otherwise now"
assert seen["whole into uint8"] == [255, 0] and first == [44, 255], "whole numbers are converted alike now"
assert "invalid value" in by_numpy
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work/file.h5"
echo "behaviour as described"
