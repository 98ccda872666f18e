#!/usr/bin/env bash
# daft 0.7.26 and duckdb 2.0.1 beside polars 2.1.0 and pandas 3.1.1 (Python 3.11)
#
# Guess:    the types of a file's columns are guessed from its beginning, and what does not fit further down is an error, as in polars,
#           or the column is read as what holds all of it, as in pandas.
# Seen:     of a CSV whose first fraction comes after 300000 rows of whole numbers duckdb rounds it (0.5 is 1, 2.4 is 2), and daft reads it
#           as missing. A time after dates is cut to its date by duckdb and missing in daft; a code with a letter is missing in daft, where
#           duckdb fails. Of JSON lines daft cuts: 2.9 is 2, and a key that first appears there is left out. No warning, no count. Both
#           read the same rows in a shorter file rightly.
# Output:   0.5 after 1000 rows: duckdb and daft 0.5. After 300000: pandas 0.5, polars an error, duckdb 1, daft None. JSON lines, 2.9
#           after 100000 rows: daft 2.
# Matters:  tests on small files say nothing: the first cents or halves of a long table are gone, and sums stay plausible. Name the types
#           (columns=..., schema=...) or let duckdb look at all rows (sample_size=-1).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    daft==0.7.26 duckdb==2.0.1 polars==2.1.0 pandas==3.1.1 pyarrow==25.0.1
cat > "$work/check.py" <<'PY'
import json
import os
import tempfile
import warnings

import daft
import duckdb
import pandas as pd
import polars as pl

warnings.filterwarnings("ignore", category=pd.errors.DtypeWarning)
folder = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(__file__)))
table, lines = os.path.join(folder, "rows.csv"), os.path.join(folder, "rows.jsonl")


def last_by_daft(frame, rows):
    found = frame.where(daft.col("id") == rows).to_pydict()
    return found["v"][0], sorted(found)


def by_duckdb(rows, options=""):
    try:
        return duckdb.sql(f"select v from read_csv('{table}'{options}) where id = {rows}").fetchall()[0][0]
    except duckdb.Error as error:
        return type(error).__name__


def by_polars():
    try:
        return pl.read_csv(table)["v"][-1]
    except pl.exceptions.PolarsError as error:
        return type(error).__name__


def readers(rows, usual, late):
    with open(table, "w") as file:
        file.write("id,v\n" + "".join(f"{row},{usual}\n" for row in range(rows)) + f"{rows},{late}\n")
    seen = {"pandas": pd.read_csv(table)["v"].iloc[-1], "polars": by_polars(), "duckdb": by_duckdb(rows)}
    seen["duckdb, all rows"] = by_duckdb(rows, ", sample_size = -1")
    seen["daft"] = last_by_daft(daft.read_csv(table), rows)[0]
    print(f"{late} after {rows} rows of {usual}:", {name: str(value) for name, value in seen.items()})
    return seen


def json_by_daft(rows):
    with open(lines, "w") as file:
        file.writelines(json.dumps({"id": row, "v": row}) + "\n" for row in range(rows))
        file.write(json.dumps({"id": rows, "v": 2.9, "w": 1}) + "\n")
    found = last_by_daft(daft.read_json(lines), rows)
    print(f"JSON lines, 2.9 after {rows} rows: daft", found)
    return found


few, half, other = readers(1000, 7, 0.5), readers(300000, 7, 0.5), readers(300000, 7, 2.4)
code, time = readers(300000, 7, "A7"), readers(300000, "2026-01-01", "2026-01-01 12:00:00")
assert few["pandas"] == few["duckdb"] == few["daft"] == 0.5
assert half["pandas"] == half["duckdb, all rows"] == 0.5 and half["polars"] == "ComputeError"
assert (half["duckdb"], other["duckdb"]) == (1, 2), "duckdb reads late fractions otherwise now"
assert str(time["duckdb"]) == "2026-01-01", "duckdb reads late times otherwise now"
assert half["daft"] is other["daft"] is code["daft"] is time["daft"] is None, "daft reads late values otherwise now"
assert json_by_daft(1000) == (2.9, ["id", "v", "w"])
assert json_by_daft(100000) == (2, ["id", "v"]), "daft reads late values of JSON otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
