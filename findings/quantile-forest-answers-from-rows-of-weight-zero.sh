#!/usr/bin/env bash
# quantile-forest 1.4.2 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    fit(X, y, sample_weight=...) weighs the rows in the quantiles too; a row of weight 0 has no part in any answer, as in the
#           RandomForestRegressor it is made from.
# Seen:     the weights decide where the trees split. The quantiles, and the mean by quantiles="mean", are of all rows of a leaf alike, those
#           of weight 0 included. weighted_quantile=True means the sizes of leaves. No warning.
# Output:   200 rows around 0 of weight 1, 200 labelled 1000 of weight 0: the median 1000, the mean 490 to 510, the 90 % quantile 1000.
#           RandomForestRegressor with the same weights: 0.0.
# Matters:  cancelled rows, rows outside the period and old rows by decay are taken out by weights of 0 or near it: the mean of the peer is
#           right, and the interval around it is of the rows that were taken out. Drop rows instead, or draw them by weight.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    quantile-forest==1.4.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from quantile_forest import RandomForestQuantileRegressor
from sklearn.ensemble import RandomForestRegressor

warnings.simplefilter("error")
rng = np.random.default_rng(0)
x = rng.normal(size=(400, 2))
y = rng.normal(size=400)
weight = np.ones(400)
weight[200:] = 0
y[200:] = 1000
shape = {"n_estimators": 50, "min_samples_leaf": 20, "random_state": 0}
peer = RandomForestRegressor(**shape).fit(x, y, sample_weight=weight).predict(x)
print(f"RandomForestRegressor: answers from {peer.min():.2f} to {peer.max():.2f}")
assert abs(peer).max() < 1
for options in ({}, {"max_samples_leaf": None}, {"max_samples_leaf": None, "bootstrap": False}):
    forest = RandomForestQuantileRegressor(**shape, **options).fit(x, y, sample_weight=weight)
    for weighted in (True, False):
        low, median, high = forest.predict(x, quantiles=[0.1, 0.5, 0.9], weighted_quantile=weighted).T
        mean = forest.predict(x, quantiles="mean", weighted_quantile=weighted)
        beyond = (high > 100).mean()
        print(options, f"weighted_quantile={weighted}: mean of rows {mean.mean():.0f}, 90 % quantile above 100 in {beyond:.0%} of the rows")
        assert mean.mean() > 100 and beyond > 0.9, "rows of weight 0 have no part in the answers now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
