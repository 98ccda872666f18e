#!/usr/bin/env bash
# adbc-driver-sqlite 1.13.0 (adbc-driver-manager 1.13.0, pyarrow 26.0.1, pandas 3.1.1, Python 3.11)
#
# Guess:    a column of a SQLite table that holds numbers and a few texts comes as texts, each number with the digits that SQLite
#           itself gives it as text, or it is refused.
# Seen:     a column that has a text in the first batch (1,024 rows) is text, and every fraction of that batch is printed with "%e", seven
#           figures; so are the whole numbers before the text, if there is a fraction above them. In later batches all have their digits:
#           the same number is two texts in one column. When the first text comes later, the query is refused. No warning.
# Output:   37.123456789, 12345678, '<0.5', 37.123456789, 12345678: '3.712346e+01', '1.234568e+07', '<0.5', '3.712346e+01',
#           '12345678'. '<0.5' and 1,500 times 37.123456789: the first '3.712346e+01', the last '37.123456789'.
# Matters:  SQLite columns without a strict type are laboratory values with "<0.5", prices with "n/a", keys with "A-17". Keys of eight
#           digits become one another's and join nothing, or the wrong row; values lose digits. pandas and polars read through this driver.
#           Write "cast(x as text)" or "typeof(x)" into the query.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    adbc-driver-sqlite==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sqlite3
import sys

import adbc_driver_sqlite.dbapi
import pandas as pd

tables = {
    "mixed": [37.123456789, 12345678, "<0.5", 37.123456789, 12345678],
    "keys": [12345671, 12345672, 0.5, "A-17"],
    "whole": [12345671, 12345672, "A-17"],
    "long": ["<0.5"] + [37.123456789] * 1_500,
    "late": [37.5] * 1_500 + ["<0.5"],
}
with sqlite3.connect(sys.argv[1]) as database:
    for name, values in tables.items():
        database.execute(f"create table {name} (x)")
        database.executemany(f"insert into {name} values (?)", [(value,) for value in values])
    as_text = [value for (value,) in database.execute("select cast(x as text) from mixed")]
database.close()
seen = {}
with adbc_driver_sqlite.dbapi.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    for name in tables:
        try:
            cursor.execute(f"select x from {name}")
            seen[name] = cursor.fetch_arrow_table()["x"].to_pylist()
        except Exception as error:
            seen[name] = f"{type(error).__name__}: {error}"
    cursor.execute("select cast(x as text) as x from mixed")
    cast = cursor.fetch_arrow_table()["x"].to_pylist()
    by_pandas = pd.read_sql("select x from mixed", connection)["x"].tolist()
long = sorted(set(seen.pop("long")))
for name, values in seen.items():
    print(f"{name:6}", values)
print("one number in 1,500 rows:", long)
print("mixed by pandas:", by_pandas)
print("mixed as text by SQLite:", as_text)
assert as_text == cast == ["37.123456789", "12345678", "<0.5", "37.123456789", "12345678"]
assert seen["mixed"] == ["3.712346e+01", "1.234568e+07", "<0.5", "3.712346e+01", "12345678"], "the digits stay now"
assert long == ["3.712346e+01", "37.123456789", "<0.5"], "one number is one text now"
assert by_pandas == seen["mixed"]
assert seen["keys"][0] == seen["keys"][1] == "1.234567e+07", "keys stay apart now"
assert seen["whole"] == ["12345671", "12345672", "A-17"], "whole numbers are treated otherwise now"
assert "Type mismatch" in seen["late"], "a late text is taken now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work/source.db"
echo "behaviour as described"
