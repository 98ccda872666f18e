#!/usr/bin/env bash
# chdb 4.4.0 (ClickHouse in the process) beside duckdb 2.0.1 (pandas 3.1.1, Python 3.11)
#
# Guess:    a left join gives NULL where nothing was found, an empty field of a CSV with named types is NULL or an error, and a date that a
#           type cannot hold is an error: SQL over data frames, as in duckdb.
# Seen:     what was not found is the zero of its type: 0 for a whole number, an empty text, False; NULL only where the column came
#           with missing values or as floats. Sums over them divide by all rows. Empty fields of a CSV with named types are 0 and
#           1970-01-01. A date before 1970 is 1970-01-01, one after 2149 is 2149-06-06. No warning, no error.
# Output:   average of a joined column of 10 and 30 over three rows: duckdb 20, chdb 13.3. toDate('1950-05-05'): 1970-01-01. Typed CSV with
#           5, nothing, 7: average 4 of 3, first date 1970-01-01.
# Matters:  births become 1970 and ages at most 56; claims that were not made are claims of 0. Set join_use_nulls = 1, name types as
#           Nullable, and use Date32 for births.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    chdb==4.4.0 pandas==3.1.1 pyarrow==25.0.1 duckdb==2.0.1
cat > "$work/check.py" <<'PY'
import os
import tempfile

import chdb
import duckdb
import pandas as pd

people = pd.DataFrame({"k": [1, 2, 3]})
claims = pd.DataFrame({"k": [1, 3], "amount": [10, 30], "kind": ["p", "q"], "paid": [True, True]})
joined = "select {} from {} a left join {} b on a.k = b.k {}"


def by_chdb(wanted, rest=""):
    text = str(chdb.query(joined.format(wanted, "Python(people)", "Python(claims)", rest), "CSV"))
    return [line.split(",") for line in text.split()]


def by_duckdb(wanted, rest=""):
    return duckdb.sql(joined.format(wanted, "people", "claims", rest)).fetchall()


average = float(by_chdb("avg(amount)")[0][0]), float(by_duckdb("avg(amount)")[0][0])
mended = float(by_chdb("avg(amount)", "settings join_use_nulls = 1")[0][0])
row = by_chdb("amount, kind, paid", "order by a.k")[1], by_duckdb("amount, kind, paid", "order by a.k")[1]
print("average of what was joined: chdb", round(average[0], 2), "duckdb", average[1], "; with join_use_nulls", mended)
print("the row without a claim: chdb", row[0], "duckdb", row[1])
births = [str(chdb.query(f"select toDate('{day}')", "TSV")).strip() for day in ("1950-05-05", "1969-12-31", "2026-01-01", "2200-01-01")]
wide = str(chdb.query("select toDate32('1950-05-05')", "TSV")).strip()
print("dates:", births, "; as Date32", wide)
path = os.path.join(tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(__file__))), "rows.csv")
with open(path, "w") as file:
    file.write("k,v,day\n1,5,2026-01-01\n2,,\n3,7,2026-02-01\n")
typed = str(chdb.query(f"select avg(v), count(v), min(day) from file('{path}', CSVWithNames, 'k Int32, v Float64, day Date')", "TSV")).split()
guessed = str(chdb.query(f"select avg(v), count(v) from file('{path}', CSVWithNames)", "TSV")).split()
print("csv with types:", typed, "; without:", guessed)
assert average[1] == mended == 20 and abs(average[0] - 40 / 3) < 1e-9, "a left join gives NULL now"
assert row[1] == (None, None, None) and row[0] == ["0", '""', "false"], "the joined row is another one now"
assert births == ["1970-01-01", "1970-01-01", "2026-01-01", "2149-06-06"], "dates are treated otherwise now"
assert wide == "1950-05-05" and guessed == ["6", "2"]
assert typed == ["4", "3", "1970-01-01"], "empty fields are treated otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
