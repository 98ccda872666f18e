#!/usr/bin/env bash
# cfgrib 0.9.15.1 (eccodes 2.50.0, xarray 2026.9.0, Python 3.11)
#
# Guess:    the .idx file that cfgrib leaves beside a GRIB file belongs to the bytes that it was made of; another file under the
#           same name is indexed anew.
# Seen:     the index is kept when it is newer than the file. A file that was put in place with its own, earlier time (rsync -t,
#           cp -p, tar, a mirror) is read by the index before it: level, step and member come from the index, values from the
#           new bytes. Where messages have the same length, as they do on one grid with one packing, nothing fails and nothing is said.
# Output:   three levels in another order in the new file: 291 K at 500 hPa and 251 K at 1000 hPa; with indexpath="" 251 K and 291 K.
# Matters:  forecasts are rerun and mirrored under the same names. Features swap levels or lead times, each value is a likely one,
#           and only the machine that had opened the former file is wrong. Open with indexpath="" where files are replaced,
#           or let a new file have a new name.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    cfgrib==0.9.15.1 eccodes==2.50.0 xarray==2026.9.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import os
import pathlib
import sys
import warnings

import cfgrib
import eccodes
import numpy as np

warnings.simplefilter("error", UserWarning)
folder = pathlib.Path(sys.argv[1])
path = folder / "forecast.grib2"


def write(target, temperatures):
    with open(target, "wb") as file:
        for level, kelvin in temperatures.items():
            message = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
            eccodes.codes_set(message, "shortName", "t")
            eccodes.codes_set(message, "level", level)
            size = eccodes.codes_get_size(message, "values")
            eccodes.codes_set_values(message, kelvin + np.linspace(0, 0.5, size))
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)


def levels(**options):
    with cfgrib.open_dataset(str(path), **options) as data:
        means = data["t"].mean(("latitude", "longitude")).round(0).to_series()
    return {int(level): float(kelvin) for level, kelvin in means.items()}


write(path, {500: 250.0, 850: 280.0, 1000: 290.0})
first = levels()
write(folder / "arrived", {1000: 291.0, 850: 281.0, 500: 251.0})
an_hour_before = path.stat().st_mtime - 3600
os.utime(folder / "arrived", (an_hour_before, an_hour_before))  # as rsync -t and cp -p leave it
os.replace(folder / "arrived", path)
second, true = levels(), levels(indexpath="")
os.utime(path)
touched = levels()
print("the first file:               ", first)
print("the file that took its place: ", second)
print("the same without an index:    ", true)
print("the same with the time of now:", touched)
assert first == {500: 250.0, 850: 280.0, 1000: 290.0}
assert true == touched == {500: 251.0, 850: 281.0, 1000: 291.0}
assert second == {500: 291.0, 850: 281.0, 1000: 251.0}, "the index is made anew now"
PY
mkdir "$work/grib"
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work/grib"
echo "behaviour as described"
