#!/usr/bin/env bash
# pandas 3.1.1, pyarrow 26.0.1, polars 2.1.0 (Python 3.11)
#
# Guess:    to_parquet() to the same path puts the new table in the place of the old one, with partition_cols as without; a run that is
#           repeated leaves what one run leaves.
# Seen:     without partition_cols the file is replaced. With it pandas (by Arrow) adds files of new random names to the folder: each run adds
#           all its rows again, and read_parquet gives them all. polars names its files by number, so that they are replaced; a part
#           that the new table no longer has is left by both.
# Output:   3 rows written twice: file 3, pandas' folder 6, polars' folder 3. Then the one row of day "b": pandas 7, polars 3, of
#           which 2 are of day "a".
# Matters:  the daily job that is tried again after a fault doubles its day, and a model trained on it weighs that day twice; rows in
#           training and in hold-out are the same ones. Rows that were taken out on request stay. Take the folder away first, or
#           write with existing_data_behavior="delete_matching", and count rows by day.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pandas==3.1.1 numpy==2.4.6 pyarrow==26.0.1 polars==2.1.0
cat > "$work/check.py" <<'PY'
import sys
import warnings
from pathlib import Path

import pandas as pd
import polars as pl

work = Path(sys.argv[1])
rows = {"day": ["a", "a", "b"], "amount": [1, 2, 3]}
one_day = {"day": ["b"], "amount": [3]}


def to_file(data):
    pd.DataFrame(data).to_parquet(work / "file.parquet")
    return sorted(pd.read_parquet(work / "file.parquet")["amount"].tolist())


def by_pandas(data, **options):
    folder = work / f"pandas{len(options)}"
    pd.DataFrame(data).to_parquet(folder, partition_cols=["day"], **options)
    return sorted(pd.read_parquet(folder)["amount"].tolist())


def by_polars(data):
    pl.DataFrame(data).write_parquet(pl.PartitionBy(work / "polars", key="day"))
    return sorted(pl.read_parquet(work / "polars/**/*.parquet")["amount"].to_list())


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    seen = {
        "one file": [to_file(data) for data in (rows, rows, one_day)],
        "pandas": [by_pandas(data) for data in (rows, rows, one_day)],
        "pandas, matching deleted": [
            by_pandas(data, existing_data_behavior="delete_matching") for data in (rows, rows, one_day)
        ],
        "polars": [by_polars(data) for data in (rows, rows, one_day)],
    }
for name, amounts in seen.items():
    print(f"{name:25} three rows {amounts[0]}, once more {amounts[1]}, day b alone {amounts[2]}")
about_rows = [str(one.message) for one in said if "unstable" not in str(one.message)]
print("warnings:", about_rows)
assert seen["one file"] == [[1, 2, 3], [1, 2, 3], [3]]
assert seen["pandas"] == [[1, 2, 3], [1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3, 3]], "a second run replaces the first now"
assert seen["pandas, matching deleted"] == seen["polars"] == [[1, 2, 3]] * 3
assert not about_rows, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
