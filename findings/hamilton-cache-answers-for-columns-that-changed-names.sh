#!/usr/bin/env bash
# Apache Hamilton 1.90.0 (pandas 2.3.3, polars 2.1.0, numpy 2.4.6, Python 3.11)
#
# Guess:    the cache of a driver runs a node again once the value of a node before it is another one: a data frame whose
#           columns have swapped their names, an array of another shape or type, a text instead of a number.
# Seen:     a value's fingerprint leaves out what gives the numbers their meaning. A pandas or polars data frame: the names
#           of its columns. An array: shape and type, only the bytes count, so that zeros of int64 and of float64, and 2 x 3
#           and 3 x 2, are one value. The number 1 and the text "1" are one value too. The loading node runs anew, gives the
#           right frame, and all nodes behind it answer from the frame of before.
# Output:   a file with the columns a,b and then one with b,a: the sum 1*a + 100*b is 604 both times; without the cache 406.
# Matters:  where two columns had each other's name, the corrected file changes nothing of what is computed from it,
#           features, model, score, and the record says that all was done from the new file. A key of a cache must hold
#           names, types and shapes, or the digest of the file that was written.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    apache-hamilton==1.90.0 pandas==2.3.3 polars==2.1.0 numpy==2.4.6
cat > "$work/flow.py" <<'PY'
import pandas as pd


def loaded(path: str) -> pd.DataFrame:
    return pd.read_csv(path)


def features(loaded: pd.DataFrame) -> pd.DataFrame:
    return loaded[["a", "b"]]


def score(features: pd.DataFrame) -> float:
    return float((features["a"] + 100 * features["b"]).sum())
PY
cat > "$work/check.py" <<'PY'
import sys
from pathlib import Path

import flow
import numpy as np
import pandas as pd
import polars as pl
from hamilton import driver
from hamilton.caching.fingerprinting import hash_value

work = Path(sys.argv[1])
(work / "first.csv").write_text("a,b\n1,2\n3,4\n")
(work / "second.csv").write_text("b,a\n1,2\n3,4\n")
(work / "third.csv").write_text("b,a\n1,2\n3,5\n")


def scored(name, cached):
    builder = driver.Builder().with_modules(flow)
    if cached:  # the file is read in every run
        builder = builder.with_cache(path=str(work / "cache"), recompute=["loaded"])
    return builder.build().execute(["score"], inputs={"path": str(work / name)})["score"]


kept = [scored(name, cached=True) for name in ("first.csv", "second.csv", "third.csv")]
true = [scored(name, cached=False) for name in ("first.csv", "second.csv", "third.csv")]
for name, a, b in zip(("a,b", "b,a", "b,a and a 5"), kept, true, strict=True):
    print(f"columns {name:12} with the cache {a}, without {b}")

frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
pairs = {
    "pandas, names changed": (frame, frame.set_axis(["b", "a"], axis=1)),
    "polars, names changed": (pl.from_pandas(frame), pl.DataFrame({"b": [1, 2], "a": [3, 4]})),
    "array of another shape": (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)),
    "array of another type": (np.zeros(4, np.int64), np.zeros(4)),
    "number and text": (1, "1"),
}
same = {name: hash_value(a) == hash_value(b) for name, (a, b) in pairs.items()}
for name, equal in same.items():
    print(f"{name:24} same fingerprint: {equal}")
assert true == [604.0, 406.0, 407.0]
assert kept[:2] == [604.0, 604.0], "the names of columns count now"
assert kept[2] == 407.0, "a changed number is no longer seen"
assert all(same.values()), "a fingerprint holds names, shapes or types now"
assert hash_value(frame) != hash_value(frame * 2) and hash_value(1) != hash_value(2)
PY
cd "$work" && nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
