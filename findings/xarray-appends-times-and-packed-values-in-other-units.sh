#!/usr/bin/env bash
# xarray 2026.9.0 (zarr 3.1.6, h5netcdf 1.8.2, h5py 3.16.0, numpy 2.4.6, pandas 3.1.1, Python 3.11)
#
# Guess:    what is appended to a Zarr store, or put together from files and written again, is read with the values that were
#           there: xarray knows the units and the scale of each, and would refuse a value that the type on disk cannot hold.
# Seen:     1. Times. A store of days has "days since" in whole numbers. Append hours, and the numbers are made in hours and the
#              store goes on calling them days: the 3rd of January, 06:00, is read as the 24th of February. A warning says
#              "serializing with units 'hours since'", which sounds as if it were taken care of.
#           2. Packed values. int16 with a scale keeps its scale: values out of its range wrap round when they are appended,
#              or changed and saved. Of files with different scales (each made for its own range) the
#              concatenation takes the first one's: 100, 200, 300 are read as 1.7, 3.4, 5.1. No warning.
# Output:   2026-01-03T06:00 -> 2026-02-24; 45 and 60 appended -> -20.536 and -5.536; 100 200 300 -> 1.696 3.392 5.088
# Matters:  weather, satellites and sensors come packed, a file a day, each with its own scale. In memory all is right, so
#           a check before the write finds nothing; the wrong values lie within the range. Drop the encoding before writing
#           (drop_encoding()), name units fine enough at the first write, and read back and compare.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 h5netcdf==1.8.2 h5py==3.16.0 numpy==2.4.6 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import sys
import warnings

import numpy as np
import pandas as pd
import xarray as xr

work = sys.argv[1]


def days(*when):
    return xr.Dataset({"load": ("time", np.arange(float(len(when))))}, coords={"time": pd.to_datetime(list(when))})


def grown(first, second, name, along, **options):
    """What is read after `second` was appended to a store made of `first`, and the warnings of the second write."""
    first.to_zarr(f"{work}/{name}", consolidated=False, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        second.to_zarr(f"{work}/{name}", append_dim=along, consolidated=False)
    return xr.open_zarr(f"{work}/{name}", consolidated=False), [str(one.message) for one in caught]


store, said = grown(days("2026-01-01", "2026-01-02"), days("2026-01-03T06:00", "2026-01-03T18:00"), "times", "time")
times = [str(one)[:13] for one in store["time"].values]
print("times:                ", times)
print("the warning:          ", said[0][:140])

packing = {"load": {"dtype": "i2", "scale_factor": 0.001, "_FillValue": -32768}}
small = xr.Dataset({"load": ("x", np.linspace(0, 30, 5))})
store, silence = grown(small, small * 2, "packed", "x", encoding=packing)
packed = store["load"].values.round(3).tolist()
print("twice, appended:      ", packed[5:], silence)

parts = []
with warnings.catch_warnings():
    warnings.simplefilter("error")
    for number, high in enumerate((30.0, 300.0)):
        part = xr.Dataset({"load": ("x", np.linspace(0, high, 4))}, coords={"x": np.arange(4) + 4 * number})
        own = {"dtype": "i2", "scale_factor": high / 60_000, "add_offset": high / 2, "_FillValue": -32768}
        part.to_netcdf(f"{work}/{number}.nc", engine="h5netcdf", encoding={"load": own})
        parts.append(xr.open_dataset(f"{work}/{number}.nc", engine="h5netcdf"))
    both = xr.concat(parts, "x").load()
    both.to_netcdf(f"{work}/both.nc", engine="h5netcdf")
    both.drop_encoding().to_netcdf(f"{work}/plain.nc", engine="h5netcdf")
memory = both["load"].values.round(3).tolist()
file = xr.open_dataset(f"{work}/both.nc", engine="h5netcdf")["load"].values.round(3).tolist()
plain = xr.open_dataset(f"{work}/plain.nc", engine="h5netcdf")["load"].values.round(3).tolist()
print("two files, in memory: ", memory)
print("two files, from file: ", file)
print("without the encoding: ", plain)

assert times == ["2026-01-01T00", "2026-01-02T00", "2026-02-24T00", "2026-03-08T00"], "appended times are kept or refused now"
assert any("units 'hours since" in one for one in said) and not silence
assert packed == [0, 7.5, 15, 22.5, 30, 0, 15, 30, -20.536, -5.536], "appended values are kept or refused now"
assert memory == plain == [0, 10, 20, 30, 0, 100, 200, 300]
assert file == [0, 10, 20, 30, 0, 1.696, 3.392, 5.088], "values of files with other scales are kept or refused now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
