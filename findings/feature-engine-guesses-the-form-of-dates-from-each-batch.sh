#!/usr/bin/env bash
# feature-engine 1.9.4 (scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    a transformer that is fitted on dates as text ("13/02/2024") keeps the form that it has found, and reads the same text
#           as the same date afterwards; a text in another form is refused.
# Seen:     DatetimeFeatures keeps nothing: the form is guessed anew in each transform, from the first text of the batch. The
#           2nd of January in a batch that starts with the 13th of February is of January, and by itself of February: whichever
#           text comes first decides. A batch that starts with a day above 12 is right, one that starts with a day below 13
#           reads all days as months, or fails where a later day does not fit. dayfirst=True cures it.
# Output:   the batch of training: month wrong in 0 of 24 rows; the same rows one by one: in 11; with dayfirst=True 0.
# Matters:  training and nightly files start with whatever they start with; a service asks row by row. The month of every
#           request in the first twelve days of a month is the day. Name the form, and compare a batch with its rows one by one.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    feature-engine==1.9.4 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import pandas as pd
from feature_engine.datetime import DatetimeFeatures

warnings.filterwarnings("ignore")
days = [13, 2, 20, 1, 28, 3, 15, 5, 16, 7, 17, 8, 18, 9, 19, 10, 21, 11, 22, 12, 23, 4, 24, 6]
month = 2
rows = pd.DataFrame({"booked": [f"{day:02}/{month:02}/2024" for day in days]})


def wrong(**settings):
    """Rows with a wrong month, in one batch and one by one."""
    made = DatetimeFeatures(variables="booked", features_to_extract=["month", "day_of_month"], **settings).fit(rows)
    batch = made.transform(rows)
    single = pd.concat([made.transform(rows.iloc[[place]]) for place in range(len(rows))])
    return [int((answer["booked_month"] != month).sum()) for answer in (batch, single)]


batch, single = wrong()
named = wrong(dayfirst=True)
other = sum(1 for day in days if day < 13 and day != month)
print(f"months that are wrong, of {len(days)} rows: in the batch of training {batch}, one by one {single}; with dayfirst {named}")
assert batch == 0 and single == other > 10, "the form is kept from training now"
assert named == [0, 0], "dayfirst is no cure now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
