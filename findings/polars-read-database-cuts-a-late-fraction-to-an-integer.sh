#!/usr/bin/env bash
# polars reads 0.35 out of SQLite as 0, without a word, when a hundred whole numbers came first
#
# What:     polars 2.1.0, read_database() on a sqlite3 connection; for comparison pandas 3.1.1 on the same rows.
# Guess:    the type comes from the first 100 rows (that is documented); a later value that does not fit raises, as a
#           text does ("could not append value ... of type: str to the builder"), or the column becomes a float.
# Seen:     a text or the first non-null after 100 nulls raises, but a fraction after 100 whole numbers is *cut*: 0.35
#           becomes 0, 1.9 becomes 1, -0.9 becomes 0, the column is Int64, no null, no warning. With
#           infer_schema_length=None all is right. pandas gives float64 with every value. SQLite hands out whole
#           numbers for any column without REAL affinity (NUMERIC, no type, INTEGER, an expression), so that quiet
#           weeks stored as 0 come first easily.
# Why:      a drift score that lay at 0 for a hundred windows and then rose to 0.35 is read as 0: the chart is flat
#           and the alarm that is computed from it never comes. An importer must ask for the schema, and count what it
#           read.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check polars==2.1.0 pandas==3.1.1
cat > "$work/read.py" <<'PY'
import sqlite3
import sys

import pandas as pd
import polars as pl

store = sqlite3.connect(":memory:")
store.execute("CREATE TABLE window (number INTEGER PRIMARY KEY, psi NUMERIC)")
late = [0.35, 1.9, -0.9]
store.executemany("INSERT INTO window (psi) VALUES (?)", [(0,)] * 100 + [(value,) for value in late])
query = "SELECT psi FROM window ORDER BY number"
stored = store.execute("SELECT typeof(psi), psi FROM window ORDER BY number").fetchall()[-3:]
print("stored               ", stored)
read = pl.read_database(query, store)["psi"]
print("polars, default      ", read.dtype, read.to_list()[-3:], "nulls:", read.null_count())
whole = pl.read_database(query, store, infer_schema_length=None)["psi"]
print("polars, all rows     ", whole.dtype, whole.to_list()[-3:])
frame = pd.read_sql(query, store)["psi"]
print("pandas               ", frame.dtype, frame.to_list()[-3:])
refused = {}
for name, first, last in (("text", 0, "n/a"), ("null, then a number", None, 0.35)):
    store.execute("DELETE FROM window")
    store.executemany("INSERT INTO window (psi) VALUES (?)", [(first,)] * 100 + [(last,)])
    try:
        pl.read_database(query, store)
        refused[name] = "read"
    except pl.exceptions.ComputeError:
        refused[name] = "raised ComputeError"
print("polars, other kinds  ", refused)
checks = {
    "the store holds the fractions": stored == [("real", value) for value in late],
    "polars gives integers, cut": read.dtype == pl.Int64 and read.to_list()[-3:] == [0, 1, 0] and read.null_count() == 0,
    "polars is right when it looks at all rows": whole.to_list()[-3:] == late,
    "pandas is right": frame.to_list()[-3:] == late,
    "other late surprises raise": set(refused.values()) == {"raised ComputeError"},
}
if broken := [name for name, held in checks.items() if not held]:
    sys.exit("CHANGED: " + "; ".join(broken))
print("as described: the largest of the three scores, 1.9, is read as", max(read.to_list()))
PY
"$work/venv/bin/python" "$work/read.py"
