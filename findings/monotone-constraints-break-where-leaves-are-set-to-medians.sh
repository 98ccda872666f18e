#!/usr/bin/env bash
# scikit-learn 1.9.1, xgboost-cpu 3.2.0, lightgbm 4.7.0, catboost 1.2.10 (numpy 2.4.6, Python 3.11)
#
# Guess:    a model that was fitted with a monotone constraint is monotone in that column, whatever it minimises and
#           however it grows; a library that cannot keep the constraint refuses it.
# Seen:     for absolute and quantile loss the splits are found under the constraint, and then each leaf is set to the
#           median or quantile of its rows, which knows nothing of it. scikit-learn's HistGradientBoosting and XGBoost's
#           "hist" do so without a word, and the answer falls where it must rise. LightGBM refuses these losses; CatBoost
#           and XGBoost's "exact" keep the constraint. LightGBM's linear_tree=True takes the constraint and breaks it
#           too, with squared loss. Squared loss keeps it elsewhere. With three classes XGBoost and LightGBM take the constraint,
#           raise each class's score by itself, and the probability of the highest class falls; CatBoost and scikit-learn refuse.
# Output:   share of 60 rows whose answer falls somewhere as the column rises: scikit-learn absolute 0.57, quantile
#           0.83; XGBoost 0.70 and 0.78; LightGBM linear_tree 1.00; the same with squared loss 0, 0 and 0;
#           three classes: XGBoost and LightGBM 1.00.
# Matters:  a price that falls with the risk, in a model whose file says that it cannot. A median or upper bound of a cost is
#           exactly where both settings meet. A gate must sweep the column and look at the answers; the parameter in the
#           record is no evidence.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    scikit-learn==1.9.1 xgboost-cpu==3.2.0 lightgbm==4.7.0 catboost==1.2.10 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from catboost import CatBoostClassifier, CatBoostError, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from lightgbm.basic import LightGBMError
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from xgboost import XGBClassifier, XGBRegressor

warnings.filterwarnings("ignore", message="X does not have valid feature names")
rng = np.random.default_rng(0)
risk, others = rng.uniform(0, 1, 1500), rng.normal(size=(1500, 2))
cost = risk + np.sin(12 * risk) * 0.6 + others[:, 0] * 0.5 + rng.standard_t(2, size=1500) * 0.5
rows = np.column_stack([risk, others])
rising = np.linspace(0, 1, 101)
grade = np.digitize(2 * risk + others[:, 0], [0.5, 1.6])  # 0, 1 or 2: the higher the risk, the more often 2


def look(name, model):
    classes = "three" in name
    answer = (lambda some: model.predict_proba(some)[:, 2]) if classes else lambda some: model.predict(some)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(rows, grade if classes else cost)
    except (LightGBMError, CatBoostError, ValueError) as error:
        print(f"{name:32} refused: {str(error)[-70:]}")
        return "refused"
    steps = np.array([np.diff(answer(np.column_stack([rising, np.tile(some, (101, 1))]))) for some in others[:60]])
    falls = float((steps < -1e-6).any(axis=1).mean())
    print(f"{name:32} answers that fall {falls:.2f}, by up to {max(0.0, -float(steps.min())):.3f} in one step")
    return "kept" if falls == 0 else "broken" if falls > 0.3 else falls


def sklearn(**settings):
    return HistGradientBoostingRegressor(monotonic_cst=[1, 0, 0], max_iter=30, random_state=0, **settings)


def xgboost(**settings):
    return XGBRegressor(monotone_constraints=(1, 0, 0), n_estimators=30, max_depth=5, n_jobs=1, **settings)


def lightgbm(**settings):
    return LGBMRegressor(monotone_constraints=[1, 0, 0], n_estimators=30, verbose=-1, n_jobs=1, **settings)


def catboost(**settings):
    return CatBoostRegressor(
        monotone_constraints=[1, 0, 0], iterations=30, verbose=0, thread_count=1, allow_writing_files=False, **settings
    )


expected = {
    "scikit-learn, squared": (sklearn(), "kept"),
    "scikit-learn, absolute": (sklearn(loss="absolute_error"), "broken"),
    "scikit-learn, quantile": (sklearn(loss="quantile", quantile=0.8), "broken"),
    "xgboost, squared": (xgboost(), "kept"),
    "xgboost, absolute": (xgboost(objective="reg:absoluteerror"), "broken"),
    "xgboost, quantile": (xgboost(objective="reg:quantileerror", quantile_alpha=0.8), "broken"),
    "xgboost, absolute, exact": (xgboost(objective="reg:absoluteerror", tree_method="exact"), "kept"),
    "lightgbm, squared": (lightgbm(), "kept"),
    "lightgbm, absolute": (lightgbm(objective="regression_l1"), "refused"),
    "lightgbm, quantile": (lightgbm(objective="quantile", alpha=0.8), "refused"),
    "lightgbm, squared, linear_tree": (lightgbm(linear_tree=True), "broken"),
    "catboost, absolute": (catboost(loss_function="MAE"), "kept"),
    "catboost, quantile": (catboost(loss_function="Quantile:alpha=0.8"), "kept"),
    "catboost, absolute, exact leaves": (catboost(loss_function="MAE", leaf_estimation_method="Exact"), "refused"),
    "xgboost, three classes": (XGBClassifier(monotone_constraints=(1, 0, 0), n_estimators=30, n_jobs=1), "broken"),
    "lightgbm, three classes": (
        LGBMClassifier(monotone_constraints=[1, 0, 0], n_estimators=30, verbose=-1, n_jobs=1), "broken"
    ),
    "catboost, three classes": (
        CatBoostClassifier(monotone_constraints=[1, 0, 0], iterations=30, verbose=0, thread_count=1, allow_writing_files=False),
        "refused",
    ),
    "scikit-learn, three classes": (HistGradientBoostingClassifier(monotonic_cst=[1, 0, 0], max_iter=30), "refused"),
}
seen = {name: look(name, model) for name, (model, _) in expected.items()}
for name, (_, answer) in expected.items():
    assert seen[name] == answer, f"{name}: {answer} before, now {seen[name]}"
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py" 2> "$work/progress" || { cat "$work/progress" >&2; exit 1; }
echo "behaviour as described"
