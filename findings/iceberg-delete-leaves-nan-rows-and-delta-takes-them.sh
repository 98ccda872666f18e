#!/usr/bin/env bash
# pyiceberg 0.12.0, deltalake 1.6.6 (pyarrow 25.0.1, SQLAlchemy 2.1.9, Python 3.11)
#
# Guess:    a table's delete(filter) takes away the rows that a scan with the same filter shows, in each of the two formats
#           and the same ones in both.
# Seen:     1. pyiceberg rewrites a file with the rows that the opposite of the filter keeps, and the opposite keeps not a
#              number in any case: delete("score != 0") and delete("score is not null") leave such rows, which
#              a scan with the filter shows. overwrite() with that filter has them twice afterwards. A second scan with
#              score != 0 shows none: the file's statistics, without not a number, now say that all is 0. Where a whole
#              file can go, it goes with them, so that the same row is deleted or not by its neighbours.
#           2. Delta Lake's delete takes not a number as the largest number: delete("score > 0.5") takes such rows away,
#              which neither pandas nor pyiceberg would.
# Output:   rows 1 to 5 with 1.0, 0.0, missing, NaN, inf; score != 0: a scan shows 1 4 5; after the delete 2 3 4 are left
#           (Delta: 2 3), and the scan shows none. score > 0.5: pyiceberg leaves 2 3 4, Delta 2 3.
# Matters:  an erasure on request reports success, the check by the same filter finds nothing, and the row is in the table
#           and in each training set made from it. The other way round rows are lost that no rule named. Count before and
#           after over the whole table, without a filter, and name not a number in every filter of a float column.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    "pyiceberg[sql-sqlite]==0.12.0" deltalake==1.6.6 pyarrow==25.0.1 SQLAlchemy==2.1.9
cat > "$work/check.py" <<'PY'
import sys

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

work = sys.argv[1]
catalog = SqlCatalog("local", uri=f"sqlite:///{work}/catalog.db", warehouse=f"file://{work}/iceberg")
catalog.create_namespace("n")
rows = pa.table({
    "row": pa.array([1, 2, 3, 4, 5], pa.int64()), "score": pa.array([1.0, 0.0, None, float("nan"), float("inf")])
})
made = 0


def iceberg(some=rows):
    global made
    made += 1
    table = catalog.create_table(f"n.t{made}", schema=some.schema)
    table.append(some)
    return table


def shown(table, **scan):
    return sorted(table.scan(**scan).to_arrow()["row"].to_pylist())


def after_delta(where):
    global made
    made += 1
    write_deltalake(f"{work}/delta{made}", rows)
    DeltaTable(f"{work}/delta{made}").delete(where)
    return sorted(DeltaTable(f"{work}/delta{made}").to_pyarrow_table()["row"].to_pylist())


seen = {}
for where in ("score != 0", "score is not null", "score > 0.5", "score = 0"):
    table = iceberg()
    before = shown(table, row_filter=where)
    table.delete(where)
    seen[where] = before, shown(table), shown(table, row_filter=where), after_delta(where)
    print(f"{where:18} scan {before}, pyiceberg leaves {seen[where][1]}, scan again {seen[where][2]}; "
          f"Delta leaves {seen[where][3]}")
table = iceberg()
table.overwrite(rows.filter(pc.field("row") == 4), overwrite_filter="score != 0")
twice = shown(table)
table = iceberg(rows.filter(pc.field("row").isin([1, 4, 5])))
table.delete("score is not null")
alone = shown(table)
print("overwrite with row 4 where score != 0:", twice)
print("score is not null where a file holds rows 1, 4, 5 alone:", alone)
assert seen["score = 0"][0] == [2] and seen["score = 0"][1] == seen["score = 0"][3] == [1, 3, 4, 5]
assert seen["score != 0"][:3] == ([1, 4, 5], [2, 3, 4], []), "pyiceberg's delete with != takes other rows now"
assert seen["score is not null"][:2] == ([1, 2, 4, 5], [3, 4]), "pyiceberg's delete with not null takes other rows now"
assert seen["score > 0.5"][1] == [2, 3, 4] and seen["score > 0.5"][3] == [2, 3], "Delta's delete takes other rows now"
assert seen["score != 0"][3] == [2, 3]
assert twice == [2, 3, 4, 4], "overwrite takes the row of before away now"
assert alone == [], "a row is left where its whole file could go"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
