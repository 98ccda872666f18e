#!/usr/bin/env bash
# statsforecast 2.1.1, statsmodels 0.15.0 (pandas 2.3.3, numpy 2.3.5, Python 3.11)
#
# Guess:    a port of R's auto.arima takes one missing value in its stride (a Kalman filter skips it), as statsmodels does; or it
#           refuses it, as the library's AutoETS does.
# Seen:     every candidate that has a coefficient fails inside and is passed over. What is left is white noise around zero: the
#           forecast of a series around 50 is 0. With the first value missing it is right. A fixed order raises from inside
#           (ARIMA). No warning.
# Output:   200 days of an autoregression around 50. Complete: 48.9, 49.1, 49.3 (bounds 47 to 52). Day 61 missing: 0, 0, 0 (bounds
#           -82 to 82); the last day missing, the same; the first missing: 48.9. statsmodels with day 61 missing: 48.9, 49.1, 49.3.
# Matters:  among ten thousand series those with a hole get a forecast of zero that looks like one, and whose interval covers every value,
#           so that a check of coverage is content. Count missing values before, and look at the order that was chosen.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    statsforecast==2.1.1 statsmodels==0.15.0 coreforecast==0.0.20 utilsforecast==0.2.17 scipy==1.17.1 pandas==2.3.3 numpy==2.3.5
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd
from statsmodels.tsa.arima.model import ARIMA as Peer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsforecast import StatsForecast
    from statsforecast.models import ARIMA, AutoARIMA, AutoETS

warnings.simplefilter("error")
rng = np.random.default_rng(0)
y = np.zeros(200)
for day in range(1, 200):
    y[day] = 0.8 * y[day - 1] + rng.normal()
y += 50


def forecast(values, model):
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=200), "y": values})
    forecaster = StatsForecast([model], freq="D").fit(df=frame)
    low_and_high = forecaster.predict(h=3, level=[90]).iloc[:, 2:].to_numpy()
    print("    coefficients:", {name: float(value) for name, value in forecaster.fitted_[0, 0].model_["coef"].items()})
    return low_and_high


def without(day):
    return np.where(np.arange(200) == day, np.nan, y)


seen = {}
for name, day in (("complete", -1), ("first missing", 0), ("day 61 missing", 60), ("last missing", 199)):
    seen[name] = forecast(without(day), AutoARIMA())
    print(f"{name}: {seen[name].round(1).tolist()}")
peer = Peer(without(60), order=(1, 0, 0)).fit().forecast(3)
print("statsmodels, day 61 missing:", peer.round(1))
for right in (seen["complete"][:, 0], seen["first missing"][:, 0], peer):
    assert abs(right - 50).max() < 2
for name in ("day 61 missing", "last missing"):
    assert (seen[name][:, 0] == 0).all() and (seen[name][:, 2] > 80).all(), f"{name}: the forecast is another one now"
for model in (ARIMA(order=(1, 0, 0)), AutoETS()):
    try:
        forecast(without(60), model)
    except Exception as problem:
        print(f"{model}: {problem}")
    else:
        raise AssertionError(f"{model} takes a missing value now")
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
