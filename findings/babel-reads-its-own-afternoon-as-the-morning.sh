#!/usr/bin/env bash
# Babel 2.19.0 (Python 3.11)
#
# Guess:    parse_time reads what format_time wrote, in the same locale and form, and refuses a time whose half of the day it does not know.
# Seen:     it looks for the English letters "am" and "pm" and passes over any other word. Where a locale writes another one, or
#           points in it, the afternoon becomes the morning and the hour after midnight becomes noon: 171 locales, among
#           them English in Canada, Spanish in Mexico, Greek, Arabic and Korean. In en_US "3:30 p.m." is 03:30 as well. No error.
# Output:   15:30 in en_CA is "3:30 p.m." and read as 03:30; 00:30 is "12:30 a.m." and read as 12:30; en_US "3:30 pm" is 15:30.
# Matters:  half of the times of such a column are off by twelve hours, all within the range of a day: only the missing
#           afternoons show it. Look at the hours' histogram, or ask for times of 24 hours.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    babel==2.19.0
cat > "$work/check.py" <<'PY'
from datetime import time

from babel.dates import format_time, parse_time
from babel.localedata import locale_identifiers

TIMES = (time(15, 30), time(0, 30), time(3, 30), time(12, 30))
wrong = {}
for locale in sorted(locale_identifiers()):
    for one in TIMES:
        text = format_time(one, "short", locale=locale)
        try:
            read = parse_time(text, locale=locale, format="short")
        except ValueError:
            continue
        if read != one:
            wrong.setdefault(locale, {})[one] = (text, read)
for locale in ("en_CA", "es_MX", "el", "ar", "ko"):
    print(locale, {str(one): (text, str(read)) for one, (text, read) in wrong.get(locale, {}).items()})
print(len(wrong), "of", len(list(locale_identifiers())), "locales")
points, letters = parse_time("3:30 p.m.", locale="en_US"), parse_time("3:30 pm", locale="en_US")
print("en_US: '3:30 p.m.' is", points, "and '3:30 pm' is", letters)
for locale in ("en_CA", "es_MX", "el", "ar", "ko"):
    found = {one: read for one, (_, read) in wrong.get(locale, {}).items()}
    assert found == {time(15, 30): time(3, 30), time(0, 30): time(12, 30)}, f"{locale} is read otherwise now"
assert "en_US" not in wrong and "de" not in wrong
assert letters == time(15, 30) and points == time(3, 30), "points are read otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
