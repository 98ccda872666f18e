#!/usr/bin/env bash
# pydantic 2.14.4 (pandas 2.3.3 to compare, Python 3.11)
#
# Guess:    a field of the type date or datetime that is sent as milliseconds since 1970, as browsers, Java and MongoDB
#           write it, is read as such for every person's date of birth, or refused.
# Seen:     seconds or milliseconds is guessed value by value: a number up to 2e10 is taken for seconds. In milliseconds
#           that is every day from 1969-05-15 to 1970-08-20. A field of the type date refuses parts of a day, but a thousand
#           times a whole day is a whole day. The rows before and after are read rightly.
#           PastDate refuses the births of 1970, and lets those of 1969 pass as the years 1337 to 1967.
# Output:   462 of the 29,220 days from 1930 to 2009 are read wrongly: 1970-03-01 -> 2131-07-16, 1969-06-01 -> 1384-02-02.
# Matters:  one person in sixty, all in their late fifties now, has an age from -576 to 689 years; the mean of the column
#           hardly moves, and no test with today's dates shows it. Say the unit (val_temporal_unit="milliseconds"), or send
#           texts; a check of each column's range finds it.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pydantic==2.14.4 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import json
import warnings
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, PastDate, TypeAdapter, ValidationError


class Patient(BaseModel):
    born: date
    seen: datetime


class Told(BaseModel):
    model_config = ConfigDict(val_temporal_unit="milliseconds")
    born: date


DAY = 86_400_000
for text in ("1969-05-01", "1969-06-01", "1969-12-31", "1970-03-01", "1970-08-01", "1970-09-01"):
    ms = (date.fromisoformat(text) - date(1970, 1, 1)).days * DAY
    patient = Patient.model_validate_json(json.dumps({"born": ms, "seen": ms}))
    told = Told.model_validate_json(json.dumps({"born": ms})).born
    try:
        past = str(TypeAdapter(PastDate).validate_python(ms))
    except ValidationError:
        past = "refused"
    print(f"{text} as {ms:12}: date {patient.born}, datetime {patient.seen:%Y-%m-%d}, PastDate {past}, unit told {told}")
    assert str(told) == text
first, last = (str(date(1970, 1, 1) + timedelta(days=days)) for days in (-231, 231))
print("days that are taken for seconds:", first, "to", last)

days = np.arange(-14_610, 14_610)  # each day from 1930 to 2010 once
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    read = np.array(TypeAdapter(list[date]).validate_python((days * DAY).tolist()), "datetime64[D]")
true = pd.to_datetime(days * DAY, unit="ms").to_numpy().astype("datetime64[D]")
wrong = read != true
ages = (np.datetime64("2026-11-01") - read[wrong]) / np.timedelta64(1, "D") / 365.25
print(f"{wrong.sum()} of {days.size} births are wrong, {true[wrong].min()} to {true[wrong].max()}: "
      f"read as {read[wrong].min()} to {read[wrong].max()}, ages {ages.min():.0f} to {ages.max():.0f} years")
assert (str(true[wrong].min()), str(true[wrong].max())) == (first, last), "other days are taken for seconds now"
assert wrong.sum() == 462, "more or fewer days are taken for seconds now"  # the very first day of 1970 is 0 in both units
assert TypeAdapter(PastDate).validate_python(-18_489_600_000) == date(1384, 2, 2)
assert not said, "pydantic warns now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
