#!/usr/bin/env bash
# sqlglot 30.30.0, duckdb 2.0.1 (sqlite of Python 3.11)
#
# Guess:    what transpile() turns from one dialect into another gives the same answer there where it can be said, and an error or a warning
#           where it cannot: it knows that a division by zero is NULL in SQLite, and writes NULLIF.
# Seen:     beside that NULLIF the division of whole numbers becomes one of fractions; cut-off whole numbers become rounded ones; LIKE
#           begins to tell capitals apart; the months between two dates become days over 30. The same from PostgreSQL. No warning, with
#           unsupported_level=RAISE neither.
# Output:   SQLite to DuckDB: 7/2 is 3, then 3.5; cast(2.7 as integer) 2, then 3; 'A' like 'a' true, then false. DuckDB to SQLite: months
#           from the 31st of January to the 1st of February 1, then 0. PostgreSQL's "7 / 2" stays "7 / 2".
# Matters:  features written for the warehouse are transpiled for the local engine, where the model is trained or tested: ages, buckets
#           and shares of whole numbers differ by up to one, and both queries run. Run both on the same rows; write floor(),
#           lower() and a cast to double into the original.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    sqlglot==30.30.0 duckdb==2.0.1
cat > "$work/check.py" <<'PY'
import logging
import sqlite3
import sys

import duckdb
import sqlglot

logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
engines = {
    "sqlite": lambda query: sqlite3.connect(":memory:").execute(query).fetchall()[0][0],
    "duckdb": lambda query: duckdb.sql(query).fetchall()[0][0],
}


def both(query, source, target):
    carried = sqlglot.transpile(query, read=source, write=target, unsupported_level=sqlglot.ErrorLevel.RAISE)[0]
    answers = engines[source](query), engines[target](carried)
    print(f"{source} to {target}: {query}\n    {carried}\n    {answers[0]} -> {answers[1]}")
    return answers


zero = both("SELECT 7 / 0", "sqlite", "duckdb")
division = both("SELECT a / b FROM (SELECT 7 AS a, 2 AS b)", "sqlite", "duckdb")
cut = both("SELECT CAST(2.7 AS INTEGER)", "sqlite", "duckdb")
like = both("SELECT 'A' LIKE 'a'", "sqlite", "duckdb")
months = both("SELECT DATE_DIFF('month', DATE '2026-01-31', DATE '2026-02-01')", "duckdb", "sqlite")
from_postgres = sqlglot.transpile("SELECT 7 / 2", read="postgres", write="duckdb")[0]
answer = engines["duckdb"](from_postgres)
print("PostgreSQL to duckdb:", from_postgres, "->", answer)
assert zero == (None, None), "the division by zero is not carried over"
assert division == (3, 3.5), "the division of whole numbers is carried over now"
assert cut == (2, 3), "the cast is carried over now"
assert tuple(map(bool, like)) == (True, False), "LIKE is carried over now"
assert months == (1, 0), "months are counted alike now"
assert answer == 3.5, "the division of PostgreSQL is carried over now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
