#!/usr/bin/env bash
# holidays 0.109 (pandas 3.1.1, Python 3.11)
#
# Guess:    holidays.US() is a dictionary of the country's holidays; a column of days tested against it by isin() says what
#           `day in holidays.US()` says of each day, or both say that no year was named.
# Seen:     without years= the dictionary is empty, and a year is filled in when `in` first asks for one of its days. isin() takes
#           the keys that are there: none at first, then those of the years that somebody happened to ask for. Nor does a
#           column of timestamps ever match, years named or not: the keys are dates. No warning.
# Output:   Christmas 2025 and New Year's Day 2026 in ten days: by `in` 2, by isin() on dates 0, after one unrelated question
#           about 2025 1, with years= 2; by isin() on timestamps 0 each time.
# Matters:  the feature "is a holiday" is no for every row in a training that asks by column, and right in a service that asks
#           row by row; in a notebook it depends on which cell ran before. Name the years, compare dates with dates, and look at
#           the feature's sum.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    holidays==0.109 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import holidays
import pandas as pd

days = pd.Series(pd.date_range("2025-12-24", "2026-01-02"))
dates = days.dt.date


def by_column(calendar):
    return int(dates.isin(calendar).sum()), int(days.isin(calendar).sum())


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    row_by_row = sum(day in holidays.US() for day in dates)
    calendar = holidays.US()
    fresh = by_column(calendar), len(calendar)
    assert "2025-07-05" not in calendar
    asked = by_column(calendar), len(calendar)
    named = by_column(holidays.US(years=(2025, 2026)))
print("row by row:                     ", row_by_row)
print("a fresh calendar:               ", fresh[0], "on dates and on timestamps;", fresh[1], "days in it")
print("after a question about July 2025:", asked[0], ";", asked[1], "days in it")
print("years named:                    ", named)
print("warnings:", [str(one.message) for one in said])
assert row_by_row == 2
assert fresh == ((0, 0), 0), "a calendar without years is filled before isin() now"
assert asked[0] == (1, 0), "a question no longer changes what isin() says"
assert named == (2, 0), "timestamps match now"
assert not said, "there is a warning now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
