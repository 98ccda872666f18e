#!/usr/bin/env bash
# quantile-forest 1.4.2 with scikit-learn 1.8.0 and 1.9.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    fit(X, y, sample_weight=...) weighs the rows in the quantiles; a row of weight 0 has no part in any answer, as in the
#           RandomForestRegressor it is made from, and whatever the version of that.
# Seen:     the rows of a leaf count alike, whatever their weight; weights only decide where the trees split. scikit-learn 1.9 draws the rows of
#           a tree by their weights, so that the answer is right with it, but not with bootstrap=False; up to 1.8 it is of all
#           rows. No warning; the mean of the peer is right in each.
# Output:   half of the rows around 0 of weight 1, half labelled 1000 of weight 0.000001. The mean by quantiles="mean" with 1.8.0: 490
#           to 510; with 1.9.1: 0, and with bootstrap=False 500. The 90 % quantile: 1000; 1; 1000. RandomForestRegressor: 0 in all.
# Matters:  cancelled and old rows are taken out by small weights: the mean is right, and the interval around it is of the rows that were
#           taken out. An update of another package mends it, so that a reproduction differs. Drop such rows, or draw them by weight.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/check.py" <<'PY'
import sys
import warnings

import numpy as np
import sklearn
from quantile_forest import RandomForestQuantileRegressor
from sklearn.ensemble import RandomForestRegressor

warnings.simplefilter("error")
rng = np.random.default_rng(0)
x = rng.normal(size=(400, 2))
y = rng.normal(size=400)
weight = np.ones(400)
weight[200:] = 1e-6
y[200:] = 1000
shape = {"n_estimators": 50, "min_samples_leaf": 20, "random_state": 0}
for bootstrap in (True, False):
    peer = RandomForestRegressor(bootstrap=bootstrap, **shape).fit(x, y, sample_weight=weight).predict(x)
    forest = RandomForestQuantileRegressor(bootstrap=bootstrap, max_samples_leaf=None, **shape).fit(x, y, sample_weight=weight)
    mean, high = forest.predict(x, quantiles="mean"), forest.predict(x, quantiles=[0.9])
    print(
        f"scikit-learn {sklearn.__version__}, bootstrap={bootstrap}: mean of the answers {mean.mean():.0f}, 90 % quantile "
        f"{np.median(high):.0f}; RandomForestRegressor {peer.mean():.2f}"
    )
    assert abs(peer).max() < 1
    right = bootstrap and sys.argv[1] == "1.9.1"
    assert (abs(mean).max() < 1) == right, "the weights count otherwise now"
    assert (mean.mean() > 400 and np.median(high) > 900) != right
PY
for version in 1.8.0 1.9.1; do
  "$PYTHON" -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet --no-compile --disable-pip-version-check \
      quantile-forest==1.4.2 "scikit-learn==$version" scipy==1.17.1 numpy==2.4.6
  OMP_NUM_THREADS=1 nice -n 10 "$work/$version/bin/python" "$work/check.py" "$version"
done
echo "behaviour as described"
