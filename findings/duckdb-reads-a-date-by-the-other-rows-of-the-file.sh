#!/usr/bin/env bash
# duckdb 2.0.1 (Python 3.11)
#
# Guess:    read_csv makes dates of 2026-02-01 and leaves 01/02/2026 and 01.02.26, which can be read in more than one way, as text
#           until a format is named.
# Seen:     it takes the first of its formats that fits the rows it looks at: day first, unless some row shows that it cannot be. So
#           the same text is another day by what else is in the file. Two digits of the year are tried as the year first: 01.02.26
#           is the 26th of February 2001. No warning, and no column says which format it was (sniff_csv does).
# Output:   01/02/2026 beside 03/04/2026: 2026-02-01; beside 03/14/2026: 2026-01-02. 01.02.26 and 31.12.26: 2001-02-26 and
#           2031-12-26. 1/2/2026 10:00 stays text.
# Matters:  a feed of dates with the month first, a file a day: in the first twelve days of each month the files are read with day and
#           month changed, the rest right. Late outcomes, ages and windows are months away and all are real dates. Name
#           dateformat, or read as text (all_varchar) and parse.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    duckdb==2.0.1
cat > "$work/check.py" <<'PY'
import sys

import duckdb


def read(*texts):
    path = sys.argv[1] + "/feed.csv"
    with open(path, "w") as file:
        file.write("day,amount\n" + "".join(f"{text},1\n" for text in texts))
    rows = duckdb.sql(f"select day from read_csv('{path}')").fetchall()
    kind = duckdb.sql(f"select dateformat from sniff_csv('{path}')").fetchall()[0][0]
    print(f"{texts} by {kind}: {[str(row[0]) for row in rows]}")
    return [str(row[0]) for row in rows]


assert read("2026-02-01") == ["2026-02-01"]
alone = read("01/02/2026", "03/04/2026")
with_14 = read("01/02/2026", "03/14/2026")
short = read("01.02.26", "03.02.26")
years = read("01.02.26", "31.12.26")
clock = read("1/2/2026 10:00")
assert alone == ["2026-02-01", "2026-04-03"], "a date that can be read in two ways is left as text now"
assert with_14 == ["2026-01-02", "2026-03-14"], "the rest of the file no longer counts"
assert short == ["2001-02-26", "2003-02-26"] and years == ["2001-02-26", "2031-12-26"], "two digits of the year are read otherwise now"
assert clock == ["1/2/2026 10:00"]
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
