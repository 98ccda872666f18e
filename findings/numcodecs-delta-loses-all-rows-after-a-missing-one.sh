#!/usr/bin/env bash
# numcodecs 0.16.6 by itself and as a filter of zarr 3.1.6 (numpy 2.4.6, Python 3.11)
#
# Guess:    a delta filter keeps differences of neighbours to compress better, and gives the values back: exactly, as a filter of
#           an archive must, or it refuses floats. One missing value is one missing value.
# Seen:     decoding adds the differences up. After one NaN every value to the end of the chunk is NaN, in every chunk that has one.
#           Floats do not come back either: rounding piles up along the chunk, and after one large value the small ones are gone. Nothing
#           is said; a column of integers is exact.
# Output:   [1.5, 2.5, NaN, 3.5, 4.5, 5.5] is read as [1.5, 2.5, NaN, NaN, NaN, NaN]; [1e16, 1, 2, 3] as [1e16, 0, 1, 2]; 100000
#           values of float32 around 0, the first one 1e6, are off by up to 0.007, over 1e4 times what rounding each would do.
# Matters:  one gap of a sensor removes the rest of its chunk for good, and the loss looks like more gaps. The filter is for
#           integers only: scale first, or use another one for floats.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    numcodecs==0.16.6 zarr==3.1.6 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import zarr
from numcodecs import Delta
from zarr.codecs.numcodecs import Delta as DeltaFilter

series = np.array([1.5, 2.5, np.nan, 3.5, 4.5, 5.5])
alone = Delta("f8").decode(Delta("f8").encode(series))
array = zarr.create_array({}, shape=(12,), chunks=(6,), dtype="f8", filters=[DeltaFilter(dtype="<f8")])
array[:6] = series
array[6:] = [1, 2, 3, 4, 5, 6]
print("written ", series)
print("numcodecs", alone)
print("zarr    ", array[:])
large = np.array([1e16, 1, 2, 3])
behind = Delta("f8").decode(Delta("f8").encode(large))
print("written ", large, "read", behind)
values = np.random.default_rng(0).normal(size=100_000).astype("f4")
values[0] = 1e6
off = float(np.abs(Delta("f4").decode(Delta("f4").encode(values)) - values).max())
print(f"float32: off by up to {off:.4f}")
whole = np.array([5, -3, 2**40, 7])
assert np.array_equal(Delta("i8").decode(Delta("i8").encode(whole)), whole)
assert np.isnan(alone).tolist() == [False, False, True, True, True, True], "the values after a NaN come back now"
assert np.isnan(array[:6]).sum() == 4 and not np.isnan(array[6:]).any(), "zarr gives them back now"
assert behind.tolist() == [1e16, 0, 1, 2], "floats come back exactly now"
assert off > 0.001, "rounding no longer piles up"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
