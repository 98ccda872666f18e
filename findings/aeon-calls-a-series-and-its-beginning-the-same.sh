#!/usr/bin/env bash
# aeon 1.6.0 (numba 0.63.1, scikit-learn 1.9.1, numpy 2.3.5, Python 3.11)
#
# Guess:    the Euclidean distance of two series of unequal length is refused, as NumPy does; only the elastic distances (dtw, msm) take
#           them, and count the rest.
# Seen:     the point by point distances (euclidean, squared, manhattan, minkowski) go to the end of the shorter one and leave the rest out.
#           A series and its beginning are at 0, whatever follows. No warning. The classifier by neighbours takes lists of series of
#           unequal length with them, and finds the shortest.
# Output:   1, 2, 3, 4 and 1, 2, 3, 4, 500, 600: 0 by all four; dtw 601,232 (squared), msm over 500. A run of 60 points that goes wild at
#           the end, known as "wild" in training: "normal" by euclidean, from a run of 20 points; "wild" by dtw.
# Matters:  runs, beats and visits have lengths of their own, and short ones are the nearest to all others: a cut recording becomes the
#           model of everything. Look at the lengths first, or pad with a reason.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    aeon==1.6.0 numba==0.63.1 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.3.5
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from aeon import distances
    from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier

warnings.simplefilter("error", UserWarning)
warnings.filterwarnings("ignore", message="unsafe cast")  # by numba, while it compiles
short, long = np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 4, 500, 600])
names = ("euclidean", "squared", "manhattan", "minkowski", "dtw", "msm")
seen = {name: float(getattr(distances, f"{name}_distance")(short, long)) for name in names}
print("a series and its beginning:", seen)
time = np.arange(60)
wave = np.sin(time / 2)
wild = wave + np.where(time < 20, 0, (time - 20) * 5)
runs, kinds = [wave[None, :20], wild[None]], np.array(["normal", "wild"])
asked = [wild[None] + 0.01]
found = {
    name: str(KNeighborsTimeSeriesClassifier(n_neighbors=1, distance=name).fit(runs, kinds).predict(asked)[0]) for name in ("euclidean", "dtw")
}
print("a run as in training, 0.01 higher:", found)
for name in names[:4]:
    assert seen[name] == 0, f"{name} refuses series of unequal length now"
assert seen["dtw"] > 500 and seen["msm"] > 500
assert found["dtw"] == "wild"
assert found["euclidean"] == "normal", "the nearest run is the same length now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
