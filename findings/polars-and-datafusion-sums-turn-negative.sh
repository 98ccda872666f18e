#!/usr/bin/env bash
# polars 2.1.0, datafusion 55.0.0 (pandas 3.1.1, pyarrow 26.0.1, duckdb 2.0.1, Python 3.11)
#
# Guess:    a sum is wide enough for its column, as it is in pandas, Arrow and DuckDB for 32 bits, or it is refused.
# Seen:     polars widens 8 and 16 bits to 64 before it adds up, and leaves 32 bits as they are: the sum goes round at 2**31, in
#           select, in groups, over windows, running, and in its SQL. DataFusion widens 32 bits, and
#           goes round at 2**63, where DuckDB's sum is wider and its addition is refused. No warning.
# Output:   the sum of 2147483647, 1 and 1 as 32 bits: polars -2147483647, pandas, Arrow, DuckDB and DataFusion 2147483649. The sum of
#           2**63 - 1 and 1: DataFusion -9223372036854775808, DuckDB 9223372036854775808.
# Matters:  counts, cents, bytes and milliseconds come as 32 bits from Parquet, databases and sensors, and 2**31 ms are 25 days. A
#           sum that went round twice is positive again and looks like any other: features and reports are wrong without a
#           trace. Cast to 64 bits before a sum, and compare it with the sum as floats.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    polars==2.1.0 datafusion==55.0.0 pandas==3.1.1 numpy==2.4.6 pyarrow==26.0.1 duckdb==2.0.1
cat > "$work/check.py" <<'PY'
import datafusion
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

values = [2147483647, 1, 1]
true = sum(values)
arrow = pa.table({"g": ["a"] * 3, "x": pa.array(values, pa.int32())})
frame = pl.from_arrow(arrow)
session = datafusion.SessionContext()
session.from_arrow(arrow, name="narrow")
session.from_arrow(pa.table({"x": pa.array([2**63 - 1, 1])}), name="wide")
duck = duckdb.connect()
duck.register("narrow", arrow)
duck.register("wide", pa.table({"x": pa.array([2**63 - 1, 1])}))


def by_datafusion(query):
    return next(iter(session.sql(query).to_pydict().values()))[0]


x = pl.col("x")
by_polars = {
    "select": frame.select(x.sum()).item(),
    "group_by": frame.group_by("g").agg(x.sum())["x"].item(),
    "over": frame.select(x.sum().over("g"))["x"][0],
    "cum_sum": frame.select(x.cum_sum())["x"][-1],
    "SQL": pl.sql("select sum(x) as x from frame", eager=True).item(),
}
small = {name: pl.Series([100, 100], dtype=kind).sum() for name, kind in (("8", pl.Int8), ("16", pl.Int16))}
others = {
    "pandas": int(pd.Series(values, dtype="int32").sum()), "Arrow": pc.sum(arrow["x"]).as_py(),
    "DuckDB": duck.sql("select sum(x) from narrow").fetchall()[0][0], "DataFusion": by_datafusion("select sum(x) from narrow"),
}
wide = by_datafusion("select sum(x) from wide"), duck.sql("select sum(x) from wide").fetchall()[0][0]
print("polars:    ", by_polars, "8 and 16 bits:", small)
print("others:    ", others)
print("2**63 - 1 + 1: DataFusion", wide[0], "DuckDB", wide[1])
assert set(by_polars.values()) == {true - 2**32}, "polars widens 32 bits now, or refuses"
assert set(small.values()) == {200}, "8 bits are treated otherwise now"
assert set(others.values()) == {true}
assert wide == (-(2**63), 2**63), "DataFusion no longer goes round"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
