#!/usr/bin/env bash
# zarr 3.1.6 (h5py 3.16.0 to compare, numpy 2.4.6, Python 3.11)
#
# Guess:    resize() of an array to fewer rows drops the rest, and when it grows again the new rows hold the fill value, as
#           in HDF5.
# Seen:     zarr deletes only chunks that lie wholly outside of the new shape. The one on the edge keeps all of its rows: in
#           the smaller array they cannot be seen, and at the next resize or append() that grows it they are there again,
#           as if they had been written. In both formats of the file. HDF5 gives the fill value.
# Output:   rows 1 to 10, cut to 4 and grown to 10: zarr 1 to 10 where a chunk holds ten rows, 1 2 3 4 5 6 0 0 0 0 where it
#           holds three; h5py 1 2 3 4 0 0 0 0 0 0.
# Matters:  rows erased on request are in the bytes and come back into a training set when the store grows; a buffer that is
#           shortened and filled again mixes two runs, without a gap that a check could see. Write the fill value over
#           the rows before the array is cut, and after it has grown look at the rows that nobody has written.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check zarr==3.1.6 h5py==3.16.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
from pathlib import Path

import h5py
import numpy as np
import zarr

work = Path(sys.argv[1])
rows = np.arange(1, 11)
seen = {}
for form in (2, 3):
    for chunk in (10, 3):
        path = work / f"zarr{form}-{chunk}"
        array = zarr.create_array(store=path, shape=(10,), chunks=(chunk,), dtype="i8", zarr_format=form, fill_value=0)
        array[:] = rows
        array.resize((4,))
        cut = zarr.open_array(path)[:].tolist()
        zarr.open_array(path).resize((10,))
        seen[form, chunk] = cut, zarr.open_array(path)[:].tolist()
        print(f"zarr, format {form}, chunks of {chunk:2}: cut {cut}, grown {seen[form, chunk][1]}")

path = work / "append"
array = zarr.create_array(store=path, shape=(10,), chunks=(10,), dtype="i8", fill_value=0)
array[:] = rows
array.resize((4,))
array.append(np.array([50]))
array.resize((7,))
appended = array[:].tolist()
print("zarr, one row appended, then two more reserved:", appended)

with h5py.File(work / "rows.h5", "w") as file:
    data = file.create_dataset("rows", data=rows, chunks=(10,), maxshape=(None,), fillvalue=0)
    data.resize((4,))
    data.resize((10,))
    hdf = data[:].tolist()
print("h5py, chunks of 10:", hdf)

for form in (2, 3):
    assert seen[form, 10] == ([1, 2, 3, 4], list(range(1, 11))), "rows that were cut off no longer come back"
    assert seen[form, 3] == ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 0, 0, 0, 0]), "rows of the chunk on the edge no longer come back"
assert appended == [1, 2, 3, 4, 50, 6, 7], "rows beside an appended one no longer come back"
assert hdf == [1, 2, 3, 4, 0, 0, 0, 0, 0, 0], "h5py brings rows back now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
