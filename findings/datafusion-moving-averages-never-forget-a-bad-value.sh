#!/usr/bin/env bash
# datafusion 55.0.0 beside duckdb 2.0.1 and polars 2.1.0 (Python 3.11)
#
# Guess:    an average over the last three rows that held a NaN, an infinity or a spike is right again once that row has left the
#           window, as in duckdb and polars.
# Seen:     datafusion adds what comes and takes off what goes, and so never gets rid of it. After one NaN or infinity every further
#           average, sum, deviation and correlation is NaN (a correlation NULL) to the end of the partition. After a spike of 1e17 the
#           averages of 6, 7, 8 are 0, 1, 2 and stay six too low; the deviation is NaN. NULL does no harm, and max() recovers.
# Output:   rows 1 2 3 NaN 5 6 7 8 9, the last three averages: duckdb and polars 6, 7, 8; datafusion NaN. With 1e17: 0, 1, 2.
# Matters:  one bad reading ends every feature made of a moving window for that machine, or shifts it by an amount that looks right.
#           Make NaN, infinities and error codes NULL before the window (nullif, case).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    datafusion==55.0.0 duckdb==2.0.1 polars==2.1.0 pyarrow==25.0.1
cat > "$work/check.py" <<'PY'
import math

import datafusion
import duckdb
import polars as pl
import pyarrow as pa

ASKED = "select {}(x) over (order by i rows between 2 preceding and current row) as r from readings order by i"
KINDS = {"avg": "mean", "sum": "sum", "stddev_samp": "std", "max": "max"}
RIGHT = {"avg": [6, 7, 8], "sum": [18, 21, 24], "stddev_samp": [1, 1, 1], "max": [7, 8, 9]}


def by_datafusion(table, kind):
    context = datafusion.SessionContext()
    context.from_arrow(table, "readings")
    return context.sql(ASKED.format(kind)).to_arrow_table()["r"].to_pylist()


def by_duckdb(table, kind):
    readings = table
    assert readings.num_rows
    return [row[0] for row in duckdb.sql(ASKED.format(kind)).fetchall()]


def by_polars(table, kind):
    return getattr(pl.Series(table["x"].to_pylist()), "rolling_" + KINDS[kind])(3, min_samples=1).to_list()


def right(values, kind):
    return all(value is not None and abs(value - true) < 1e-9 for value, true in zip(values, RIGHT[kind]))


seen = {}
for name, bad in (("NaN", math.nan), ("infinity", math.inf), ("1e17", 1e17), ("NULL", None)):
    table = pa.table({"i": range(9), "x": pa.array([1.0, 2, 3, bad, 5, 6, 7, 8, 9], pa.float64(), from_pandas=False)})
    for kind in KINDS:
        assert right(by_duckdb(table, kind)[-3:], kind) and right(by_polars(table, kind)[-3:], kind), (name, kind)
        seen[name, kind] = by_datafusion(table, kind)[-3:]
        print(f"after {name:9}{kind:12} datafusion {seen[name, kind]}; duckdb and polars {RIGHT[kind]}")
for (name, kind), values in seen.items():
    if name == "NULL" or kind == "max":
        assert right(values, kind), (name, kind)
    elif name == "1e17" and kind in ("avg", "sum"):
        assert not right(values, kind) and all(math.isfinite(value) for value in values), f"{kind} recovers from a spike now"
    else:
        assert all(math.isnan(value) for value in values), f"{kind} recovers from {name} now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
