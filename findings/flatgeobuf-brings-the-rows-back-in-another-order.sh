#!/usr/bin/env bash
# geopandas 1.2.0, pyogrio 0.13.0 (shapely 2.2.0, pandas 3.1.1, Python 3.11)
#
# Guess:    a table of places that is written to a file and read again has its rows in the order in which they were written, and
#           its columns of text as text, in each of the formats.
# Seen:     1. FlatGeobuf comes with an index of places, and for it the rows are sorted along a curve over the map when they are written.
#              The table read has an index from 0 again. SPATIAL_INDEX="NO" keeps the order. GeoPackage, GeoJSON and
#              shapefiles keep it.
#           2. GeoJSON: a column of text of which each value looks like a date is read as times, by the values in this file.
#              One value that does not, and all of it is text.
# Output:   rows 0 to 7 in FlatGeobuf: 1 6 3 7 0 5 2 4; "2026-01-01" in GeoJSON: 2026-01-01T00:00, beside "open": text.
# Matters:  labels, embeddings and predictions are kept as arrays beside the file, in its order: every row gets another
#           place's label, and the score falls without an error. The type of a column depends on the day's rows. Join by a key,
#           never by position, and compare the key's column after reading.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
import warnings

import geopandas
import numpy as np

rng = np.random.default_rng(1)
places = geopandas.GeoDataFrame(
    {"row": np.arange(8), "closed": [f"2026-01-0{day}" for day in range(1, 9)]},
    geometry=geopandas.points_from_xy(rng.uniform(0, 10, 8), rng.uniform(0, 10, 8)), crs=4326,
)
some_open = places.assign(closed=["open", *places["closed"][1:]])


def read(table, driver, ending, **options):
    path = f"{sys.argv[1]}/places.{ending}"
    table.to_file(path, driver=driver, **options)
    return geopandas.read_file(path)


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    back = {
        "FlatGeobuf": read(places, "FlatGeobuf", "fgb"),
        "FlatGeobuf, no index": read(places, "FlatGeobuf", "fgb", SPATIAL_INDEX="NO"),
        "GeoPackage": read(places, "GPKG", "gpkg"),
        "GeoJSON": read(places, "GeoJSON", "geojson"),
        "shapefile": read(places, "ESRI Shapefile", "shp"),
        "GeoJSON, one open": read(some_open, "GeoJSON", "geojson"),
    }
orders = {name: table["row"].tolist() for name, table in back.items()}
kinds = {name: str(table["closed"].dtype) for name, table in back.items()}
for name, order in orders.items():
    print(f"{name:21} {order} index {back[name].index[:3].tolist()}..., closed: {kinds[name]}")
print("warnings:", [str(one.message) for one in said])
straight = list(range(8))
assert orders.pop("FlatGeobuf") == [1, 6, 3, 7, 0, 5, 2, 4], "FlatGeobuf keeps the order now, or has another"
assert all(order == straight for order in orders.values())
assert back["FlatGeobuf"].index.tolist() == straight
assert kinds["GeoJSON"].startswith("datetime64"), "text that looks like dates stays text now"
assert not any(kind.startswith("datetime64") for name, kind in kinds.items() if name != "GeoJSON")
assert not said, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
