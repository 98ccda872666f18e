#!/usr/bin/env bash
# prophet 1.5.0 (pandas 2.3.3, numpy 2.3.5, Python 3.11)
#
# Guess:    predict(frame) answers row by row, in the order asked and with the frame's index, as every model with fit and predict does;
#           the columns of the question come back with it.
# Seen:     the question is sorted by date and numbered anew from 0; the index and all columns but the date and the regressors of the model
#           are gone. frame["yhat"] = model.predict(frame)["yhat"] gives each row the answer of another. No warning.
# Output:   a rising series, asked for day 200, day 1 and day 101: answers 0, 50, 99, in this order; correct ones are 99, 0, 50. Two
#           shops asked in one frame, one after the other, come back mixed, and which is which is not in the answer.
# Matters:  a metric by position of rows that are not sorted, a random sample of the history as one takes it for a check, is a
#           comparison of other days; sorted rows, as in all the examples, never show it. Join by the date.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    prophet==1.5.0 cmdstanpy==1.3.2 pandas==2.3.3 numpy==2.3.5
cat > "$work/check.py" <<'PY'
import logging
import warnings

import numpy as np
import pandas as pd

logging.disable(logging.INFO)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from prophet import Prophet

    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=200)
    level = np.arange(200) * 0.5
    model = Prophet(weekly_seasonality=False).fit(pd.DataFrame({"ds": days, "y": level + rng.normal(size=200)}))

warnings.simplefilter("error")
asked = pd.DataFrame({"ds": days[[199, 0, 100]], "shop": ["north", "south", "east"]}, index=[17, 18, 19])
answer = model.predict(asked)
print("asked:", asked["ds"].dt.date.astype(str).tolist(), "index", asked.index.tolist())
print("answer:", answer["ds"].dt.date.astype(str).tolist(), answer["yhat"].round(0).tolist(), "index", answer.index.tolist())
assert asked["ds"].tolist() == days[[199, 0, 100]].tolist(), "the frame that was asked is left as it was"
assert answer.index.tolist() == [0, 1, 2] and "shop" not in answer, "index and columns come back now"
assert (abs(answer["yhat"] - [0, 50, 100]) < 3).all(), "the answers stand in the order of the question now"

rows = rng.permutation(200)
sample = pd.DataFrame({"ds": days[rows], "y": level[rows]})
by_place = abs(model.predict(sample)["yhat"] - sample["y"]).mean()
by_date = abs(sample.merge(model.predict(sample), on="ds").eval("yhat - y")).mean()
print(f"mean absolute error of the history, shuffled: {by_place:.1f} by position, {by_date:.1f} joined by date")
assert by_place > 20 and by_date < 1
PY
cd "$work"
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
