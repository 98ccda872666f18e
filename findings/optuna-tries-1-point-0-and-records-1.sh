#!/usr/bin/env bash
# optuna 5.0.0 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    suggest_categorical("max_features", [1, 1.0, "sqrt"]) hands over one of three choices, which scikit-learn tells
#           apart (one feature, all features, the root), and trial.params and best_params say which one it was.
# Seen:     the trial is run with the choice that was drawn, and recorded as the first choice that is equal to it in Python:
#           1.0 is run and 1 recorded; True is run and 1 recorded where both are there. The same in memory and in SQLite,
#           with the random, TPE and grid samplers and with enqueue_trial. The study holds trials of one and the same record
#           with values that differ. No warning. scikit-learn's ParameterGrid keeps all three.
# Output:   best trial run with 1.0, its record says 1; best_value (R2) 0.99, of the same forest fitted anew from
#           best_params 0.34.
# Matters:  the search's winner is not what is trained from its record, and the record is what is kept as the version's
#           settings. Fit once from best_params and compare with best_value, or give the choices as words and look them up.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    optuna==5.0.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 SQLAlchemy==2.1.9
cat > "$work/check.py" <<'PY'
import sys
import warnings

import numpy as np
import optuna
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import ParameterGrid, cross_val_score

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.simplefilter("error", UserWarning)
choices = [1, 1.0, "sqrt"]
rng = np.random.default_rng(0)
rows = rng.normal(size=(600, 12))
cost = 3 * rows[:, 0] + rng.normal(size=600) * 0.3


def spelled(value):
    return f"{type(value).__name__} {value}"


def score(max_features):
    forest = RandomForestRegressor(20, max_features=max_features, max_depth=6, random_state=0)
    return cross_val_score(forest, rows, cost, cv=3).mean()


scores = {spelled(choice): score(choice) for choice in choices}
print({name: round(float(value), 2) for name, value in scores.items()})


def search(storage, sampler, asked=None):
    ran = []

    def objective(trial):
        ran.append(trial.suggest_categorical("max_features", choices))
        return scores[spelled(ran[-1])]

    study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")
    if asked is not None:
        study.enqueue_trial({"max_features": asked})
    study.optimize(objective, n_trials=1 if asked is not None else 12)
    return study, [spelled(value) for value in ran], [spelled(trial.params["max_features"]) for trial in study.trials]


for storage in (None, f"sqlite:///{sys.argv[1]}/study.db"):
    for sampler in (
        optuna.samplers.RandomSampler(seed=0),
        optuna.samplers.TPESampler(seed=0),
        optuna.samplers.GridSampler({"max_features": choices}, seed=0),
    ):
        study, ran, recorded = search(storage, sampler)
        best = ran[study.best_trial.number]
        again = score(study.best_params["max_features"])
        kinds = sorted(set(ran)), sorted(set(recorded))
        print(f"{type(sampler).__name__:14} run {kinds[0]}, recorded {kinds[1]}; best run {best}, "
              f"recorded {spelled(study.best_params['max_features'])}: {study.best_value:.2f}, fitted anew {again:.2f}")
        assert best == "float 1.0" and spelled(study.best_params["max_features"]) == "int 1", "the record is right now"
        assert "float 1.0" not in recorded
        assert study.best_value - again > 0.1
    study, ran, recorded = search(storage, None, asked=1.0)
    print(f"enqueued 1.0: run {ran}, recorded {recorded}")
    assert (ran, recorded) == (["float 1.0"], ["int 1"])

flags = optuna.create_study(sampler=optuna.samplers.GridSampler({"verbose": [1, True]}, seed=0))
ran = []
flags.optimize(lambda trial: float(ran.append(trial.suggest_categorical("verbose", [1, True])) or 0))
print("1 and True: run", sorted(map(spelled, ran)), "recorded", [spelled(trial.params["verbose"]) for trial in flags.trials])
assert {spelled(value) for value in ran} == {"int 1", "bool True"}
assert {spelled(trial.params["verbose"]) for trial in flags.trials} == {"int 1"}
assert len({spelled(point["m"]) for point in ParameterGrid({"m": choices})}) == 3
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
