#!/usr/bin/env bash
# tabulate 0.10.0 (pandas 3.1.1, Python 3.11)
#
# Guess:    texts are shown as they are; only numbers are aligned and rounded as numbers.
# Seen:     a column whose texts all read as numbers becomes one of numbers: leading and trailing zeros go, an exponent is carried
#           out. One fraction in a column makes "%g" of all its whole numbers: six figures. DataFrame.to_markdown() does the same to
#           a column of strings. No warning; one text with a letter in the column, and all of it stays.
# Output:   versions "1.10", "1.9": 1.1, 1.9. Keys "0012", "1e5": 12, 100000. 123456789 above 0.5: 1.23457e+08. "1.10", "1.9-rc": as
#           they are.
# Matters:  reports, model cards and comments on a change are made by to_markdown(): the newest version reads as an old one, a key as
#           another, a count of rows loses its digits, and which column is hit depends on its other rows. Give disable_numparse=True.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    tabulate==0.10.0 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import pandas as pd
from tabulate import tabulate


def cells(*column, **options):
    lines = tabulate([["row", value] for value in column], tablefmt="pipe", headers=["", "x"], **options).splitlines()
    return [line.split("|")[2].strip() for line in lines[2:]]


def by_pandas(*column):
    lines = pd.DataFrame({"x": list(column)}).astype({"x": "str"}).to_markdown(index=False).splitlines()
    return [line.strip("| ").strip() for line in lines[2:]]


versions, letter = cells("1.10", "1.9"), cells("1.10", "1.9-rc")
keys, counts = cells("0012", "1e5"), cells(123456789, 0.5)
kept, kept_counts = cells("1.10", "1.9", disable_numparse=True), cells(123456789, 0.5, disable_numparse=True)
frame = by_pandas("1.10", "1.9")
print("versions:", versions, "with a letter in the column:", letter, "by to_markdown():", frame)
print("keys:", keys, "counts:", counts, "with disable_numparse:", kept, kept_counts)
assert versions == frame == ["1.1", "1.9"], "versions are shown as they are now"
assert letter == ["1.10", "1.9-rc"] and kept == ["1.10", "1.9"]
assert keys == ["12", "100000"], "keys are shown as they are now"
assert counts == ["1.23457e+08", "0.5"], "counts keep their digits now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
