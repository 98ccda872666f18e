#!/usr/bin/env bash
# dask 2026.8.0, daft 0.7.26, chdb 4.4.0 beside pandas 3.1.1, polars 2.1.0 and duckdb 2.0.1 (Python 3.11)
#
# Guess:    a standard deviation per group is computed so that a large mean does not matter, as in pandas, or as dask does it
#           for a whole column.
# Seen:     dask per group, daft and ClickHouse (chdb: stddevSamp, varSamp, covarSamp) take the mean of squares less the square of the
#           mean. Times in seconds since 1970 that spread by one second have 0, 25, 45, 56 or NaN. dask sets what became negative to 0.
#           One and the same dask column has the right figure without groupby. No warning. ClickHouse has stddevSampStable beside it.
# Output:   spread 1.0 in each of three groups: pandas, polars, duckdb 1.0; dask 0 and 25; daft NaN and 55; chdb 0 and 56.
# Matters:  positions, times, pressures and account numbers with a small spread: a column is dropped as constant, a scaled feature is
#           divided by 0 or shrunk by fifty, and a limit of three deviations never alarms. Take a constant off first.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    'dask[dataframe]==2026.8.0' daft==0.7.26 chdb==4.4.0 pandas==3.1.1 polars==2.1.0 duckdb==2.0.1 pyarrow==25.0.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import math
import warnings

import chdb
import daft
import dask.dataframe
import duckdb
import numpy as np
import pandas as pd
import polars as pl

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
rows = 20000
table = pd.DataFrame({"part": rng.integers(0, 3, rows), "time": 1.7e9 + rng.normal(0, 1, rows)})
lazy = dask.dataframe.from_pandas(table, npartitions=4)
other = daft.from_pydict({name: table[name].to_list() for name in table})
rows_of_pandas = table
asked = "select part, {}(time) from {} group by part order by part"


def by_chdb(function):
    text = str(chdb.query(asked.format(function, "Python(table)"), "CSV"))
    return [float(line.split(",")[1]) for line in text.split()]


seen = {
    "pandas": table.groupby("part").time.std().to_list(),
    "polars": pl.from_pandas(table).group_by("part").agg(pl.col("time").std()).sort("part")["time"].to_list(),
    "duckdb": [row[1] for row in duckdb.sql(asked.format("stddev_samp", "rows_of_pandas")).fetchall()],
    "dask": lazy.groupby("part").time.std().compute().sort_index().to_list(),
    "daft": other.groupby("part").agg(daft.col("time").stddev()).sort("part").to_pydict()["time"],
    "chdb": by_chdb("stddevSamp"),
    "chdb, stable": by_chdb("stddevSampStable"),
}
for name, values in seen.items():
    print(f"{name:13}", [round(value, 3) for value in values])
whole = float(lazy.time.std().compute())
print("dask, the whole column", round(whole, 3))
assert abs(whole - 1) < 0.02
for name in ("pandas", "polars", "duckdb", "chdb, stable"):
    assert all(abs(value - 1) < 0.05 for value in seen[name]), name
for name in ("dask", "daft", "chdb"):
    wrong = [value for value in seen[name] if math.isnan(value) or value == 0 or value > 5]
    assert len(wrong) == 3, f"{name} gives another spread now"
assert 0 in seen["dask"], "dask no longer gives 0"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
