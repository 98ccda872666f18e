#!/usr/bin/env bash
# lifelines 0.30.3, scikit-survival 0.28.0 (pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    1. a status of 1 (censored) and 2 (event), as R's own tables have it and R reads it, is read so or refused.
#           2. the expected time of a Cox model, whose curve has not come down to 0 when the observation ends, is
#              infinite or missing, as the median is.
# Seen:     1. every number but 0 is an event: with 1 and 2 nobody is censored, and nothing is said. scikit-survival refuses.
#           2. predict_expectation is the area up to the last time of the training rows. It is a plain number and the smaller,
#              the sooner the study ended, most for those who live longest; predict_median answers inf for the same row.
# Output:   1. events 1000 of 1000 where 524 are true; median 4.5 in place of 7.2. 2. expectation 17.6 where the true mean is 88.7
#              (median inf), and 9.3 where it is 12.0.
# Matters:  times to churn, failure or default become short by a half with the codes of a table from R or SAS, and the value of the
#           best customers is cut to the length of the study while the order of customers stays right. Count the events, and
#           show an expectation beside the share that is still there at the end.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    lifelines==0.30.3 scikit-survival==0.28.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from sksurv.util import Surv

warnings.simplefilter("error", UserWarning)
rng = np.random.default_rng(0)
size = 1000
risk = rng.normal(size=size)
died, left = rng.exponential(np.exp(-risk)) * 12, rng.uniform(0, 20, size)
time, event = np.minimum(died, left), died <= left
codes = np.where(event, 2, 1)

right = KaplanMeierFitter().fit(time, event)
coded = KaplanMeierFitter().fit(time, codes)
counted = int(coded.event_table.observed.sum())
print(f"events: {event.sum()} true, {counted} by codes 1 and 2; median {right.median_survival_time_:.1f} and {coded.median_survival_time_:.1f}")
assert counted == size > event.sum() + 300, "codes 1 and 2 are told apart or refused now"
assert coded.median_survival_time_ < 0.7 * right.median_survival_time_
try:
    Surv.from_arrays(codes, time)
    raise AssertionError("scikit-survival takes the codes 1 and 2 now")
except ValueError as error:
    print("scikit-survival refuses:", str(error).splitlines()[0][:80])

model = CoxPHFitter().fit(pd.DataFrame({"risk": risk, "time": time, "event": event}), "time", "event")
new = pd.DataFrame({"risk": [-2.0, 0.0, 2.0]})
true = np.exp(-new.risk.to_numpy()) * 12
expected, median = model.predict_expectation(new).to_numpy(), model.predict_median(new).to_numpy()
for row, *values in zip(new.risk, true, expected, median, strict=True):
    print("risk {:4.1f}: true mean {:5.1f}, expectation {:5.1f}, median {:.1f}".format(row, *values))
assert np.isinf(median[0]) and expected[0] < time.max() and expected[0] < true[0] / 3, "the expectation is not cut now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
