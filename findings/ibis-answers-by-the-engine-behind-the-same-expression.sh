#!/usr/bin/env bash
# ibis-framework 12.0.0 (duckdb 2.0.1, polars 2.1.0, SQLite of Python 3.11, pandas 3.1.1)
#
# Guess:    an ibis expression means the same on every engine, as it is written in Python's words (//, %, cast, round); where an
#           engine cannot do it, compiling raises.
# Seen:     four plain expressions give four kinds of answers. cast("int64") of 2.7 rounds on DuckDB and cuts on polars and SQLite; % of
#           a negative number has the sign of the number on DuckDB and SQLite, of the divisor (as in Python) on polars, while
#           // is Python's on all three, so that (n // 3) * 3 + n % 3 is not n; // of a large whole number goes through a
#           float on DuckDB and SQLite and loses its last digit, on polars it does not; round() of 2.5 is 3, 3 and 2. No warning.
# Output:   2.7 cast: 3, 2, 2 (DuckDB, SQLite, polars); -7 % 3: -1, -1, 2; 9007199254740993 // 1: ...992, ...992, ...993;
#           round(2.5): 3, 3, 2.
# Matters:  "developed on one engine, run on another" is what it is for. Buckets of customers by id // n or % n, bins by cast: a
#           row falls into another fold or another bin in training than in serving. Write floor() before a cast and
#           (n % k + k) % k, keep ids below 2**53, and run the same rows through both engines once.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    "ibis-framework[duckdb,polars,sqlite]==12.0.0" duckdb==2.0.1 polars==2.1.0 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import ibis
import pandas as pd

warnings.simplefilter("ignore")
rows = pd.DataFrame({"part": [2.7, -2.7, 2.5], "count": [-7, 7, 9007199254740993]})


def answers(connection, table):
    asked = {
        "cast to int64": table["part"].cast("int64"),
        "round": table["part"].round(),
        "% 3": table["count"] % 3,
        "// 3": table["count"] // 3,
        "// 1": table["count"] // 1,
        "// 3 * 3 + % 3": (table["count"] // 3) * 3 + table["count"] % 3,
    }
    return {name: [int(one) for one in connection.execute(expression)] for name, expression in asked.items()}


seen = {}
for engine in ("duckdb", "sqlite", "polars"):
    connection = getattr(ibis, engine).connect()
    seen[engine] = answers(connection, connection.create_table("people", rows if engine == "polars" else ibis.memtable(rows), temp=None if engine == "polars" else True))
for name in seen["duckdb"]:
    print(f"{name:15}", {engine: seen[engine][name] for engine in seen})

duck, lite, polars = (seen[engine] for engine in ("duckdb", "sqlite", "polars"))
assert duck["cast to int64"] == [3, -3, 2] and lite["cast to int64"] == polars["cast to int64"] == [2, -2, 2]
assert duck["round"] == lite["round"] == [3, -3, 3] and polars["round"] == [3, -3, 2]
assert duck["% 3"][:2] == lite["% 3"][:2] == [-1, 1] and polars["% 3"][:2] == [2, 1]
assert duck["// 3"][:2] == lite["// 3"][:2] == polars["// 3"][:2] == [-3, 2]
assert duck["// 1"][2] == lite["// 1"][2] == 2**53 and polars["// 1"][2] == 2**53 + 1
assert duck["// 3 * 3 + % 3"][0] == lite["// 3 * 3 + % 3"][0] == -10 and polars["// 3 * 3 + % 3"][0] == -7
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
