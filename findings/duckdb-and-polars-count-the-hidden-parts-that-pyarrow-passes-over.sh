#!/usr/bin/env bash
# duckdb 2.0.1, polars 2.1.0, pyarrow 26.0.1, pandas 3.1.1 (Python 3.11)
#
# Guess:    in a folder of Parquet files a name that begins with _ or . is no data, to every reader: writers keep manifests
#           and parts that are not finished under such names.
# Seen:     pyarrow and pandas pass over them. DuckDB and polars read .part-1.parquet and _part-1.parquet as data, polars by a folder
#           and by a pattern: the same rows are counted twice, without a word. A manifest of another name ending in the folder
#           (_manifest.json) stops polars, which refuses the whole folder; an empty one (_SUCCESS) does not.
# Output:   3 rows by pyarrow and pandas, 6 by DuckDB and polars.
# Matters:  a part that a killed writer left, or a copy that somebody kept under such a name, doubles the counts of some readers and
#           not of others. Files that are being written, and manifests, must lie outside of the folder that is read.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import pathlib
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

data = pathlib.Path(sys.argv[1], "data")
day = data / "date=2026-05-01"
day.mkdir(parents=True)
rows = pa.table({"score": [0.1, 0.2, 0.3]})
pq.write_table(rows, day / "part-0.parquet")


def counts():
    pattern = f"{data}/**/*.parquet"
    return {
        "pyarrow": ds.dataset(data, format="parquet", partitioning="hive").count_rows(),
        "pandas": len(pd.read_parquet(data)),
        "duckdb": duckdb.sql(f"SELECT count(*) FROM read_parquet('{pattern}')").fetchall()[0][0],
        "polars, folder": pl.scan_parquet(data).select(pl.len()).collect().item(),
        "polars, pattern": pl.scan_parquet(pattern).select(pl.len()).collect().item(),
    }


found = counts()
print("one part:", found)
assert set(found.values()) == {3}
for name in (".part-1.parquet", "_part-1.parquet"):
    pq.write_table(rows, day / name)
    found = counts()
    print(f"beside {name}:", found)
    assert found["pyarrow"] == found["pandas"] == 3, "pyarrow reads hidden parts now"
    assert {found["duckdb"], found["polars, folder"], found["polars, pattern"]} == {6}, "one more reader passes over hidden parts"
    (day / name).unlink()
(data / "_SUCCESS").touch()
assert pl.scan_parquet(data).select(pl.len()).collect().item() == 3, "polars refuses an empty file now"
(data / "_manifest.json").write_text("{}")
try:
    pl.scan_parquet(data).select(pl.len()).collect()
    raise SystemExit("polars passes over a manifest now")
except pl.exceptions.PolarsError as error:
    print("polars, beside _manifest.json:", str(error)[:60])
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
