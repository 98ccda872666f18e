#!/usr/bin/env bash
# scikit-learn 1.9.1 (numpy 2.4.6, scipy 1.17.1, Python 3.11)
#
# Guess:    for a model that takes missing values, partial_dependence of a column with some of them spreads its grid over the values that
#           are there; or it refuses.
# Seen:     the grid lies between the 5 % and 95 % quantiles, missing values counted as the largest. Up to 5 % of them all is well; above, the
#           upper end is missing, and with it each point of the grid. The curve is then the answer for "missing", the same at
#           each point. No warning. Histogram boosting and forests, "brute" and "recursion" alike.
# Output:   y = x squared, x from 0 to 10. 4 % missing: grid 0.5 to 9.9, curve 0 to 97. 6 % missing: grid nan, nan, nan, nan, nan, curve
#           35 five times. With percentiles=(0.05, 0.9): a rising curve again.
# Matters:  the page that shows what a model has learned says "no effect" for its strongest column, in the week in which a source lost a
#           few rows more; a check that a curve rises reads it as flat. Give the grid (custom_values), or drop such rows.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.inspection import partial_dependence

warnings.simplefilter("error")
rng = np.random.default_rng(0)
complete = rng.uniform(0, 10, (1000, 2))
y = complete[:, 0] ** 2 + rng.normal(size=1000)


def curve(missing, model, **options):
    x = complete.copy()
    x[:missing, 0] = np.nan
    seen = partial_dependence(model.fit(x, y), x, [0], grid_resolution=5, kind="average", **options)
    grid, values = seen["grid_values"][0], seen["average"][0]
    print(f"{type(model).__name__}, {missing / 1000:.0%} missing, {options}: grid {grid.round(1)}, curve {values.round(1)}")
    return grid, values


boosting, forest = HistGradientBoostingRegressor(max_iter=50, random_state=0), RandomForestRegressor(20, random_state=0)
for model in (boosting, forest):
    for method in ("brute", "recursion"):
        grid, values = curve(40, model, method=method)
        assert np.isfinite(grid).all() and values[-1] - values[0] > 80
        grid, values = curve(60, model, method=method)
        assert np.isnan(grid).all() and np.ptp(values) == 0, "the grid is of the values that are there now"
grid, values = curve(60, boosting, percentiles=(0.05, 0.9))
assert np.isfinite(grid).all() and values[-1] - values[0] > 80
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
