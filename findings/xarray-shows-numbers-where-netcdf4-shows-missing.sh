#!/usr/bin/env bash
# xarray 2026.9.0, netCDF4 1.7.5.1.post1, h5netcdf 1.8.2 (numpy 2.4.6, Python 3.11)
#
# Guess:    the same file has the same missing values in both libraries: places that were never written, and values out of the
#           variable's own valid_range.
# Seen:     netCDF4 hides both: a place that was never written holds the format's default filling, and valid_range, valid_min and valid_max
#           are heeded. xarray, by either engine, hides what the attributes _FillValue and missing_value name and nothing else:
#           an unwritten float is 9.97e36, an unwritten integer -2147483647, and what the file calls invalid is a number.
#           No warning.
# Output:   two of four written: netCDF4 1 2 -- --, xarray 1 2 9.97e+36 9.97e+36, as integers -2147483647. valid_range 0 to 10 and values 1 50 -3 4:
#           netCDF4 1 -- -- 4, xarray 1 50 -3 4.
# Matters:  a simulation or a logger that broke off leaves such files. In a mean 9.97e36 is seen, after float16, a log or a clip it is not, and
#           the values out of range look like any other. A script moved from one library to the other has other rows. Count
#           missing values with both, or set _FillValue and mask by valid_range yourself.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    xarray==2026.9.0 netCDF4==1.7.5.1.post1 h5netcdf==1.8.2 h5py==3.16.0 numpy==2.4.6 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import sys
import warnings

import netCDF4
import numpy as np
import xarray as xr

path = sys.argv[1] + "/run.nc"
with netCDF4.Dataset(path, "w") as file:
    file.createDimension("time", 4)
    file.createVariable("load", "f4", ("time",))[:2] = [1, 2]
    file.createVariable("count", "i4", ("time",))[:2] = [1, 2]
    ranged = file.createVariable("ranged", "f4", ("time",))
    ranged.valid_range = np.array([0, 10], "f4")
    ranged[:] = [1, 50, -3, 4]
    named = file.createVariable("named", "f4", ("time",), fill_value=-1)
    named[:2] = [1, 2]
names = ("load", "count", "ranged", "named")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    with netCDF4.Dataset(path) as file:
        masked = {name: file[name][:].tolist() for name in names}
    shown = {}
    for engine in ("netcdf4", "h5netcdf"):
        with xr.open_dataset(path, engine=engine) as data:
            shown[engine] = {name: data[name].values.tolist() for name in names}
print("netCDF4:         ", masked)
for engine, values in shown.items():
    print(f"xarray, {engine:9}", values)
print("warnings:", [str(one.message) for one in said])
assert masked == {"load": [1, 2, None, None], "count": [1, 2, None, None], "ranged": [1, None, None, 4], "named": [1, 2, None, None]}
for values in shown.values():
    assert min(values["load"][2:]) > 9.9e36, "an unwritten float is missing now"
    assert values["count"] == [1, 2, -2147483647, -2147483647], "an unwritten integer is missing now"
    assert values["ranged"] == [1, 50, -3, 4], "valid_range is heeded now"
    assert np.isnan(values["named"][2:]).all()
assert not said, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
