#!/usr/bin/env bash
# pyogrio 0.13.0 and geopandas 1.2.0 (pyarrow 26.0.1, pandas 2.3.3, Python 3.11)
#
# Guess:    rows appended to a layer go to the columns of their names, whatever their order; a text for a column of numbers is
#           refused, or at least warned of.
# Seen:     a frame with the layer's columns in another order goes in by place: its first column to the layer's first. A frame that
#           lacks a column goes by name, and with use_arrow=True both do. A text for a column of numbers becomes 0; by Arrow it
#           is refused. No warning. GeoPackage and GeoJSON alike, GeoDataFrame.to_file(mode="a") and write_dataframe(append=True).
# Output:   layer (income, age, zone), appended (age 31, income 52000, zone 3): income 31, age 52000. With use_arrow=True: income 52000,
#           age 31. Appended to a GeoPackage, income "n/a": 0.
# Matters:  a frame that was merged or grouped before has its columns in another order, and the file stays valid: from some row on two
#           columns of one type are exchanged. Order the columns as the layer has them (pyogrio.read_info), or append by Arrow.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pyogrio==0.13.0 geopandas==1.2.0 pyarrow==26.0.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import geopandas
from pyogrio.errors import DataLayerError
from shapely import Point

warnings.simplefilter("error")


def frame(**columns):
    count = len(next(iter(columns.values())))
    return geopandas.GeoDataFrame(columns, geometry=[Point(row, row) for row in range(count)], crs=4326)


def appended(name, first, second, **options):
    first.to_file(name, **options)
    second.to_file(name, mode="a", **options)
    return geopandas.read_file(name).drop(columns="geometry").to_dict("list")


for extension in ("gpkg", "geojson"):
    first = frame(income=[48000, 51000], age=[44, 29], zone=[1, 2])
    other_order = frame(age=[31], income=[52000], zone=[3])
    fewer = frame(zone=[3], income=[52000])
    by_place = appended(f"rows.{extension}", first, other_order)
    by_name = appended(f"fewer.{extension}", first, fewer)
    by_arrow = appended(f"arrow.{extension}", first, other_order, use_arrow=True)
    print(f"{extension}: layer (income, age, zone), appended (age 31, income 52000, zone 3): {by_place}")
    print(f"    appended (zone 3, income 52000): {by_name}\n    with use_arrow=True: {by_arrow}")
    assert by_name["income"] == [48000, 51000, 52000] and by_name["zone"] == [1, 2, 3]
    assert by_arrow == {"income": [48000, 51000, 52000], "age": [44, 29, 31], "zone": [1, 2, 3]}
    assert by_place == {"income": [48000, 51000, 31], "age": [44, 29, 52000], "zone": [1, 2, 3]}, "columns go by name now"
layer = frame(income=[48000, 51000])
text = appended("text.gpkg", layer, frame(income=["n/a"]))
print("a text for a number:", text)
assert text == {"income": [48000, 51000, 0]}, "a text is no number now"
try:
    appended("text_by_arrow.gpkg", layer, frame(income=["n/a"]), use_arrow=True)
except DataLayerError as problem:
    print("    with use_arrow=True:", str(problem)[:90])
else:
    raise AssertionError("Arrow takes a text for a number now")
PY
cd "$work"
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
