#!/usr/bin/env bash
# deltalake 1.6.6 (pyarrow 26.0.1, Python 3.11)
#
# Guess:    a Delta table holds its schema: appending a column of doubles, or of text, to a table whose column is int64
#           raises, as appending a table with a column too few does.
# Seen:     write_deltalake(mode="append") casts what it is given to the table's type. 2.7 is stored as 2, -0.9 as 0,
#           the text "7" as 7; NaN raises. A table with a column too few is refused
#           with SchemaMismatchError, so the check is there: it looks at the number of columns, not at whether the
#           values fit. In the other direction an int64 above 2**53 appended to a double column is rounded.
#           An empty text in a partition column comes back as missing.
# Output:   2.7, -0.9, 1000.0 -> 2, 0, 1000; '7', '-3' -> 7, -3; a column too few -> SchemaMismatchError.
# Matters:  a feature that was a count and becomes a mean is cut to whole numbers from that day on, in the very table
#           from which drift is judged: the drift shows as a loss of variance, the cause nowhere. A snapshot that goes
#           through such a table must be compared with what was sent (read back, same hash), or its schema compared
#           first and refused on any difference.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1 arro3-core==0.9.1
cat > "$work/check.py" <<'PY'
import sys

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

folder = sys.argv[1]


def appended(name, first, second):
    """The column as it is read back after `second` was appended to a table made of `first`, or the error."""
    path = f"{folder}/{name}"
    write_deltalake(path, pa.table({"n": [0] * len(first), "v": first}))
    try:
        write_deltalake(path, pa.table({"n": [1] * len(second), "v": second}), mode="append")
    except Exception as error:
        return type(error).__name__
    table = DeltaTable(path).to_pyarrow_table()
    return str(table.schema.field("v").type), [row["v"] for row in table.to_pylist() if row["n"] == 1]


cut = appended("doubles", pa.array([1, 2], pa.int64()), pa.array([2.7, -0.9, 1e3]))
text = appended("text", pa.array([1, 2], pa.int64()), pa.array(["7", "-3"]))
nan = appended("nan", pa.array([1, 2], pa.int64()), pa.array([float("nan")]))
wide = appended("wide", pa.array([1.0]), pa.array([2**53 + 1], pa.int64()))
print("doubles 2.7, -0.9, 1000.0 to int64:", cut)
print("text '7', '-3' to int64:           ", text)
print("NaN to int64:                      ", nan)
print("2**53 + 1 to double:               ", wide)

path = f"{folder}/short"
write_deltalake(path, pa.table({"n": [1], "v": [1]}))
try:
    write_deltalake(path, pa.table({"n": [2]}), mode="append")
    short = "accepted"
except Exception as error:
    short = type(error).__name__
print("a column too few:                  ", short)

path = f"{folder}/parts"
write_deltalake(path, pa.table({"region": ["", "ewr", None], "v": [1, 2, 3]}), partition_by=["region"])
regions = {row["v"]: row["region"] for row in DeltaTable(path).to_pyarrow_table().to_pylist()}
print("partition '', 'ewr', missing:      ", [regions[1], regions[2], regions[3]])

assert cut == ("int64", [2, 0, 1000]), "doubles are no longer cut into an integer column"
assert text == ("int64", [7, -3]), "text is no longer cast into an integer column"
assert nan == "Exception", "NaN is no longer refused by an integer column"
assert wide == ("double", [float(2**53)]), "a large integer is no longer rounded into a double column"
assert short == "SchemaMismatchError", "a table with a column too few is treated otherwise now"
assert regions == {1: None, 2: "ewr", 3: None}, "an empty text in a partition column is kept now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
