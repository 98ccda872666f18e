#!/usr/bin/env bash
# connectorx 0.4.6, polars 2.1.0 (pyarrow 26.0.1, Python 3.11)
#
# Guess:    partition_on reads the same rows as the query alone, in several parts; a row whose key is missing is in one
#           of them, or the column is refused.
# Seen:     the parts are ranges of the key between its smallest and its largest value, and a missing key is in no range: such rows
#           are in no part. polars.read_database_uri hands the same option on. No warning; the number of rows is nowhere
#           compared.
# Output:   100 rows, 20 of them without a key: 100 without partitions, 80 with 4, and with 1.
# Matters:  somebody makes a slow read faster and loses the customers without an account, the events without a device: a slice
#           that differs from the rest, so that training rows, rates and drift move together. Partition by a primary key alone, and
#           compare with select count(*).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    connectorx==0.4.6 polars==2.1.0 pyarrow==26.0.1
cat > "$work/check.py" <<'PY'
import sqlite3
import sys
import warnings

import connectorx
import polars as pl

path = sys.argv[1] + "/rows.db"
with sqlite3.connect(path) as connection:
    connection.execute("create table events (account integer, amount real)")
    connection.executemany("insert into events values (?, ?)", [(i if i % 5 else None, float(i)) for i in range(100)])
connection.close()
place, query = f"sqlite://{path}", "select account, amount from events"
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    rows = {
        parts: len(connectorx.read_sql(place, query, return_type="arrow", **(
            {"partition_on": "account", "partition_num": parts} if parts else {}
        )))
        for parts in (0, 1, 4)
    }
    by_polars = len(pl.read_database_uri(query, place)), len(
        pl.read_database_uri(query, place, partition_on="account", partition_num=4)
    )
    amount = pl.read_database_uri(query, place)["amount"].sum()
    part_amount = pl.read_database_uri(query, place, partition_on="account", partition_num=4)["amount"].sum()
print("connectorx, rows by partitions:", rows)
print("polars, without and with 4:", by_polars, "sums of the amount:", amount, part_amount)
print("warnings:", [str(one.message) for one in said])
assert rows[0] == by_polars[0] == 100 and amount == 4950
assert rows[4] == by_polars[1] == 80, "rows without a key are read now"
assert rows[1] == 80, "one partition reads all rows now"
assert part_amount == 4000
assert not said, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
