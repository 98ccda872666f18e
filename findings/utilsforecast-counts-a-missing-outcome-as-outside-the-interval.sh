#!/usr/bin/env bash
# utilsforecast 0.2.17 (pandas 2.3.3, numpy 2.3.5, Python 3.11)
#
# Guess:    evaluate() treats a day without an outcome alike in all its metrics: it is left out, or makes the figure missing.
# Seen:     the errors (mae, rmse, mape, smape, mase, bias) and the quantile losses leave it out. coverage and calibration count it as a day
#           on which the outcome was outside, and scaled_crps divides by the outcomes alone and so grows. No warning.
# Output:   ten days, the outcome within the bounds each time, five of them unknown: mae 0.5 as without these days; coverage of the
#           90 % interval 0.5, without them 1.0; calibration 0.5 and 1.0; scaled_crps 0.30 and 0.15.
# Matters:  outcomes that come late are the rule: with a tenth of them open an interval of 90 % covers 81, the model is widened or an alert
#           opens, and the errors in the table beside it are fine. Drop rows without an outcome before.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    utilsforecast==0.2.17 pandas==2.3.3 numpy==2.3.5
cat > "$work/check.py" <<'PY'
import warnings
from functools import partial

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from utilsforecast import losses
    from utilsforecast.evaluation import evaluate

warnings.simplefilter("error")
days = np.arange(10)
frame = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.where(days % 2, np.nan, 1.0), "model": 1.5, "model-lo-90": 0.0})
frame["model-hi-90"] = 3.0
before = pd.DataFrame({"unique_id": "a", "ds": days - 10, "y": days % 3.0})


def figure(metric, rows):
    return round(float(evaluate(rows, [metric], models=["model"], level=[90], train_df=before)["model"].iloc[-1]), 4)


errors = ("mae", "mse", "rmse", "mape", "smape", "bias", "mqloss")
others = ("coverage", "calibration", "scaled_crps")
metrics = {name: getattr(losses, name) for name in errors + others} | {"mase": partial(losses.mase, seasonality=1)}
seen = {name: (figure(metric, frame), figure(metric, frame.dropna())) for name, metric in metrics.items()}
for name, (with_unknown, known) in seen.items():
    print(f"{name:12} five of ten outcomes unknown: {with_unknown}, without these days: {known}")
for name in (*errors, "mase"):
    assert seen[name][0] == seen[name][1]
assert seen["coverage"] == seen["calibration"] == (0.5, 1.0), "an unknown outcome is left out of the coverage now"
assert seen["scaled_crps"][0] == 2 * seen["scaled_crps"][1], "an unknown outcome is left out of the score now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
