#!/usr/bin/env bash
# daft 0.7.26 beside duckdb 2.0.1 (Python 3.11)
#
# Guess:    the types of a file's columns are guessed from its beginning, and what does not fit further down is an error, as in polars
#           and pyarrow, or the guess is made anew.
# Seen:     beyond the first mebibyte daft reads what does not fit as missing where the file is CSV (0.5 and "A7" in a column of whole
#           numbers, a time in a column of dates), and cuts it where it is JSON lines: 2.9 is 2. A key that first appears there is left
#           out. No warning and no count. The same rows in a shorter file are read rightly.
# Output:   a last row of 0.5 after 20000 rows of whole numbers: 0.5; after 300000: None. JSON lines, 2.9 after 20000: 2.9; after 100000: 2.
# Matters:  tests on small files say nothing: the first fraction, a code with a letter or an amount in cents of a long table is gone or
#           cut. Name the schema (schema=..., infer_schema=False), and count missing values.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    daft==0.7.26 pyarrow==25.0.1 duckdb==2.0.1
cat > "$work/check.py" <<'PY'
import json
import os
import tempfile

import daft
import duckdb

folder = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(__file__)))


def last(frame, rows):
    found = frame.where(daft.col("id") == rows).to_pydict()
    return found["v"][0], sorted(found)


def csv(rows, usual, late):
    path = os.path.join(folder, "rows.csv")
    with open(path, "w") as file:
        file.write("id,v\n" + "".join(f"{row},{usual}\n" for row in range(rows)) + f"{rows},{late}\n")
    return last(daft.read_csv(path), rows)[0], path


def lines(rows):
    path = os.path.join(folder, "rows.jsonl")
    with open(path, "w") as file:
        file.writelines(json.dumps({"id": row, "v": row}) + "\n" for row in range(rows))
        file.write(json.dumps({"id": rows, "v": 2.9, "w": 1}) + "\n")
    return last(daft.read_json(path), rows)


few, many = csv(20000, 7, 0.5)[0], csv(300000, 7, 0.5)
code, time = csv(300000, "07", "A7")[0], csv(300000, "2026-01-01", "2026-01-01 12:00:00")[0]
other = duckdb.sql(f"select v from read_csv('{csv(300000, 7, 0.5)[1]}') where id = 300000").fetchall()[0][0]
short, long = lines(20000), lines(100000)
print("csv, 0.5 after 20000 rows:", few, "; after 300000:", many[0], "; duckdb reads", other)
print("csv, A7 after 07:", code, "; a time after dates:", time)
print("json, 2.9 after 20000 rows:", short, "; after 100000:", long)
assert few == 0.5 and other == 0.5
assert many[0] is None and code is None and time is None, "late values are read otherwise now"
assert short == (2.9, ["id", "v", "w"])
assert long == (2, ["id", "v"]), "late values in JSON are read otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
