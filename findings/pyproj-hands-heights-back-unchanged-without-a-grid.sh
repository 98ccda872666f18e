#!/usr/bin/env bash
# pyproj 3.7.2 with its own PROJ 9.5.1 (Python 3.11)
#
# Guess:    a transformation from heights above the ellipsoid (what satellites give) to heights above the sea needs a grid of the
#           geoid; where the grid is not installed it is refused, or inf, as a point out of bounds is. only_best=True refuses it.
# Seen:     the wheel brings no grids and the network is off, and the height comes back unchanged, with only_best=True too.
#           No warning; the only signs are accuracy -1 and "ballpark" in the description. For horizontal datums (British, German, North
#           American) the next best formula is taken, some metres away; there only_best=True gives inf.
# Output:   600 m above WGS 84 at 48 N 11 E: 600 m above the sea by EGM96, by EGM2008 and by the German height system; the
#           geoid lies about 46 m above the ellipsoid there.
# Matters:  floods, terrain, flights and radio links are learned from heights of two systems, tens of metres apart by place. The
#           same code is right on a machine with conda's grids or with the network on, and so differs between training and
#           service. Look at accuracy and description of the transformer, or ask for a point whose answer is known, at the start.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pyproj==3.7.2 certifi
cat > "$work/check.py" <<'PY'
import math
import os
import warnings

os.environ.pop("PROJ_NETWORK", None)
from pyproj import Transformer, network  # noqa: E402

assert not network.is_network_enabled()
heights = {"EGM96": "EPSG:4326+5773", "EGM2008": "EPSG:9518", "DHHN2016": "EPSG:4258+7837"}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, target in heights.items():
        source = "EPSG:4937" if name == "DHHN2016" else "EPSG:4979"
        plain = Transformer.from_crs(source, target)
        best = Transformer.from_crs(source, target, only_best=True)
        got, got_best = plain.transform(48, 11, 600), best.transform(48, 11, 600)
        print(f"{name}: {got}, only_best {got_best}; accuracy {plain.accuracy}\n    {plain.description}")
        assert got == got_best == (48, 11, 600), "a height without its grid is refused now"
        assert plain.accuracy == -1 and "ballpark" in plain.description
    outside = Transformer.from_crs("EPSG:4326", "EPSG:3857").transform(95, 0)
    for name, source, target, point in (
        ("London, OSGB36", "EPSG:27700", "EPSG:4326", (530_000, 180_000)), ("Munich, DHDN", "EPSG:4314", "EPSG:4258", (48, 11)),
    ):
        got = Transformer.from_crs(source, target).transform(*point)
        got_best = Transformer.from_crs(source, target, only_best=True).transform(*point)
        print(f"{name}: {got}, only_best {got_best}")
        assert all(map(math.isfinite, got)) and all(map(math.isinf, got_best)), "horizontal datums are treated otherwise now"
print("out of bounds:", outside)
print("warnings:", [str(one.message) for one in said])
assert math.isinf(outside[1])
assert not said, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
