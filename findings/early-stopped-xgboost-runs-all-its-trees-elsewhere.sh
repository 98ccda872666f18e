#!/usr/bin/env bash
# xgboost-cpu 3.2.0, treelite 4.8.1 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a model file answers the same whoever reads it: XGBClassifier that wrote it, xgboost.Booster, and treelite.
# Seen:     where early stopping was used, the file keeps all trees up to the stop, the ones after the best round too.
#           XGBClassifier and XGBClassifier.load_model use the trees up to the best round; Booster.predict uses all of
#           them, although Booster.best_iteration is read from the file; treelite, like every converter that walks the
#           trees, agrees with the Booster. Without early stopping all agree to 1e-6.
# Output:   best round 1 of 7; wrapper against booster and against treelite 0.26, booster against treelite 6e-8.
# Matters:  the version that passed the gates through the scikit-learn wrapper is not the one that a server or a
#           compiled form answers with, and the difference is no rounding. Slice the booster to the best round before it
#           is stored (booster[: best + 1]) and compare the stored form on the hold-out; that is tried below and agrees.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    xgboost-cpu==3.2.0 treelite==4.8.1 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import sys

import numpy as np
import treelite
import xgboost as xgb

folder = sys.argv[1]
rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 2)).astype(np.float32)
y = ((X[:, 0] < -1) | (X[:, 1] > 1)).astype(int)
noisy = y[1000:] ^ (rng.random(1000) < 0.2)


def answers(path):
    """Probabilities of the file by the wrapper, the booster and treelite."""
    wrapper, booster = xgb.XGBClassifier(), xgb.Booster()
    wrapper.load_model(path)
    booster.load_model(path)
    converted = treelite.frontend.load_xgboost_model(path)
    return (
        wrapper.predict_proba(X)[:, 1],
        booster.predict(xgb.DMatrix(X)),
        np.asarray(treelite.gtil.predict(converted, X)).ravel(),
    )


def distance(one, other):
    return float(np.abs(one - other).max())


model = xgb.XGBClassifier(n_estimators=300, early_stopping_rounds=5, learning_rate=0.3, n_jobs=1, random_state=0)
model.fit(X[:1000], y[:1000], eval_set=[(X[1000:], noisy)], verbose=False)
stored = f"{folder}/stopped.json"
model.save_model(stored)
wrapper, booster, converted = answers(stored)
original = model.predict_proba(X)[:, 1]
reread = xgb.Booster(model_file=stored)
print("best round", model.best_iteration, "of", reread.num_boosted_rounds(), "| the booster knows:", reread.best_iteration)
print("original and wrapper from the file:", distance(original, wrapper))
print("wrapper and booster:               ", distance(wrapper, booster))
print("wrapper and treelite:              ", distance(wrapper, converted))
print("booster and treelite:              ", distance(booster, converted))
flipped = int(((wrapper > 0.5) != (booster > 0.5)).sum())
print("decisions that differ:             ", flipped, "of", len(X))
assert distance(original, wrapper) == 0, "the wrapper no longer reads back what it wrote"
assert reread.num_boosted_rounds() > model.best_iteration + 1, "the file holds only the trees of the best round now"
assert reread.best_iteration == model.best_iteration, "the booster no longer knows the best round"
assert distance(wrapper, booster) > 0.05, "the booster stops at the best round now"
assert distance(wrapper, converted) > 0.05, "treelite stops at the best round now"
assert distance(booster, converted) < 1e-5, "booster and treelite no longer agree"

cut = f"{folder}/cut.json"
model.get_booster()[: model.best_iteration + 1].save_model(cut)
_, booster, converted = answers(cut)
print("cut to the best round, booster and treelite against the original:",
      distance(original, booster), distance(original, converted))
assert distance(original, booster) < 1e-5 and distance(original, converted) < 1e-5, "the cut model differs"

plain = xgb.XGBClassifier(n_estimators=20, n_jobs=1, random_state=0).fit(X, y)
plain.save_model(f"{folder}/plain.json")
wrapper, booster, converted = answers(f"{folder}/plain.json")
print("without early stopping:", distance(wrapper, booster), distance(wrapper, converted))
assert distance(wrapper, booster) < 1e-5 and distance(wrapper, converted) < 1e-5, "readers differ without early stopping"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
