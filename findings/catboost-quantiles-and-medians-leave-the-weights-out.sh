#!/usr/bin/env bash
# catboost 1.2.10, scikit-learn 1.9.1 to compare (numpy 2.4.6, Python 3.11)
#
# Guess:    sample_weight counts in whatever a booster minimises: a row of weight 0 is as if it were not there, and an old
#           row of weight 0.1 counts a tenth.
# Seen:     for absolute error and quantiles CatBoost sets its leaves by the method "Exact" (its default for them), and
#           that takes the plain quantile of the rows in the leaf: the first guess is weighted, the answers are not. The label of
#           a row of weight 0 moves the answers. Squared, Huber and Poisson loss, and
#           leaf_estimation_method="Gradient", keep to the weights, and so does scikit-learn's boosting. A column in
#           cat_features is replaced by figures of the target, and those too count every row as one, in a classifier too.
# Output:   half the rows new at 10 (weight 1), half old at 20 (weight 0.1), asked for the 80 % quantile: CatBoost 20.2,
#           with "Gradient" 11.2, scikit-learn 11.3; weighing 0: 20.2 against 10.9 and 10.6.
#           A classifier with a category: probabilities moved by labels of weight 0 by up to 0.6; without it 0.
# Matters:  to weight by age, exposure or sampling is how such a model is kept to the present, and here it does nothing: a
#           reserve or a delivery time is answered for the old world. The training says nothing and the model's record
#           says weighted. A test: change the labels of rows of weight 0, the answers must stay.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    catboost==1.2.10 scikit-learn==1.9.1 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.ensemble import HistGradientBoostingRegressor

rng = np.random.default_rng(0)
rows = rng.normal(size=(2000, 3))
old = np.arange(2000) % 2 == 1
spread = rng.normal(size=2000)
target = np.where(old, 20, 10) + spread
moved = np.where(old, target + 30, target)


def catboost(loss, **settings):
    return CatBoostRegressor(
        loss_function=loss, iterations=200, depth=4, verbose=0, thread_count=1, random_seed=0, allow_writing_files=False, **settings
    )


def sklearn(**settings):
    return HistGradientBoostingRegressor(max_iter=200, early_stopping=False, random_state=0, **settings)


makers = {
    "catboost, quantile": lambda: catboost("Quantile:alpha=0.8"),
    "catboost, quantile, Gradient": lambda: catboost("Quantile:alpha=0.8", leaf_estimation_method="Gradient"),
    "scikit-learn, quantile": lambda: sklearn(loss="quantile", quantile=0.8),
    "catboost, absolute": lambda: catboost("MAE"),
    "catboost, absolute, Gradient": lambda: catboost("MAE", leaf_estimation_method="Gradient"),
    "scikit-learn, absolute": lambda: sklearn(loss="absolute_error"),
    "catboost, squared": lambda: catboost("RMSE"),
}
seen = {}
for name, make in makers.items():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tenth, none, other = (
            make().fit(rows, labels, sample_weight=np.where(old, weight, 1.0)).predict(rows)
            for labels, weight in ((target, 0.1), (target, 0.0), (moved, 0.0))
        )
    seen[name] = float(tenth.mean()), float(none.mean()), float(np.abs(other - none).mean())
    print(f"{name:29} mean answer, old rows weigh 0.1: {seen[name][0]:6.2f}, weigh 0: {seen[name][1]:6.2f}; "
          f"moved by labels of weight 0: {seen[name][2]:.2f}")
shops = pd.DataFrame({"shop": rng.choice(list("uvwxyz"), 2000), "amount": rows[:, 0]})
yes = (shops["shop"].isin(["u", "v", "w"]) ^ (rng.random(2000) < 0.2)).astype(int).to_numpy()
moves = {}
for columns in (["shop", "amount"], ["amount"]):
    first, second = (
        CatBoostClassifier(
            iterations=40, verbose=0, thread_count=1, random_seed=0, allow_writing_files=False,
            cat_features=[name for name in columns if name == "shop"],
        ).fit(shops[columns], labels, sample_weight=np.where(old, 0.0, 1.0)).predict_proba(shops[columns])[:, 1]
        for labels in (yes, np.where(old, 1 - yes, yes))
    )
    moves[len(columns)] = float(np.abs(first - second).max())
    print(f"classifier of {' and '.join(columns)}: probability moved by labels of weight 0 by up to {moves[len(columns)]:.2g}")
assert moves[2] > 0.05 and moves[1] == 0, "figures of the target count weights otherwise now"
wrong = ("catboost, quantile", "catboost, absolute")
for name, (tenth, none, change) in seen.items():
    if name in wrong:
        assert change > 1, f"{name}: labels of weight 0 no longer matter"
    else:
        assert change < 1e-6 and none < 11.5, f"{name}: labels of weight 0 matter now"
assert seen["catboost, quantile"][0] > 18 and seen["catboost, quantile"][1] > 18, "weights count for quantiles now"
assert seen["catboost, quantile, Gradient"][0] < 13 and seen["scikit-learn, quantile"][0] < 13, "the others differ now"
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
