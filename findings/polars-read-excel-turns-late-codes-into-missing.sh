#!/usr/bin/env bash
# polars 2.1.0, fastexcel 0.21.0 (XlsxWriter 3.3.1, pandas 3.1.1, openpyxl 3.1.5, Python 3.11)
#
# Guess:    read_excel finds the type of a column by looking at all of it, since a sheet is in memory anyway; or a value that does not
#           fit the type is an error, as in read_csv.
# Seen:     with the default engine the types are those of the first 1,000 rows, and a text further down in a column of numbers
#           is missing: no error, no warning. Fractions are kept, since a cell's number is a float. infer_schema_length=None
#           reads all rows first; the engine openpyxl gives text; pandas keeps both kinds.
# Output:   1,500 rows of account numbers, from row 1,400 on with a letter ("A1400"): 101 missing with the default, 0 with
#           infer_schema_length=None, with openpyxl and in pandas.
# Matters:  codes and labels change their form at the end of a file, where the newest rows are: these lose their key or their
#           label, as if they had none, and an imputer fills them in. Pass infer_schema_length=None or schema_overrides, and compare
#           the count of missing values with the sheet's empty cells.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    polars==2.1.0 fastexcel==0.21.0 pyarrow==26.0.1 XlsxWriter==3.3.1 pandas==3.1.1 numpy==2.4.6 openpyxl==3.1.5
cat > "$work/check.py" <<'PY'
import sys
import warnings

import pandas as pd
import polars as pl
import xlsxwriter

path = sys.argv[1] + "/accounts.xlsx"
with xlsxwriter.Workbook(path) as book:
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["account", "amount"])
    for row in range(1, 1_501):
        sheet.write_row(row, 0, [row if row < 1_400 else f"A{row}", row if row < 1_400 else row + 0.5])

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    tables = {
        "default": pl.read_excel(path),
        "all rows first": pl.read_excel(path, infer_schema_length=None),
        "openpyxl": pl.read_excel(path, engine="openpyxl"),
    }
    by_pandas = pd.read_excel(path, engine="openpyxl")
missing = {name: table["account"].null_count() for name, table in tables.items()} | {"pandas": int(by_pandas["account"].isna().sum())}
for name, table in tables.items():
    print(f"{name:15} {table['account'].dtype}: {table['account'][1398:1401].to_list()}, {missing[name]} missing; "
          f"amounts {table['amount'][1398:1401].to_list()}")
print(f"{'pandas':15} {by_pandas['account'].iloc[1398:1401].tolist()}, {missing['pandas']} missing")
print("warnings:", [str(one.message) for one in said])
assert missing == {"default": 101, "all rows first": 0, "openpyxl": 0, "pandas": 0}, "texts after the first 1,000 rows are kept now"
assert all(table["amount"].sum() == sum(range(1, 1_501)) + 50.5 for table in tables.values())
assert not said, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
