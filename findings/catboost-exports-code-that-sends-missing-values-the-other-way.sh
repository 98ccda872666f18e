#!/usr/bin/env bash
# catboost 1.2.10 (onnxruntime 1.32.0, numpy 2.4.6, Python 3.11)
#
# Guess:    save_model writes one model in several formats, and each gives the same answer, or refuses what it cannot say
#           (as ONNX refuses a scale).
# Seen:     1. With nan_mode="Max" a missing value is larger than all numbers. JSON, CatBoost's own format and ONNX keep
#              to that; the exported Python (and C++) code compares NaN > border, which is never true, and sends it
#              the other way. With the default, "Min", all agree.
#           2. ONNX of a classifier answers probabilities, but of a Poisson or Tweedie regressor the logarithm of what
#              predict() answers, so that counts can be negative. The mean of squares is right.
#           3. A threshold set for the labels (set_probability_threshold) is kept in JSON and left out of ONNX.
# Output:   nan_mode Max: labels that differ JSON 0, ONNX 0, Python code 0.28; Poisson: mean 1.12, in ONNX 0.05;
#           threshold 0.9: labels that differ 0 and 0.2.
# Matters:  the code without dependencies is what goes to a small device or into a database, where nobody has the library
#           to compare. Compare each exported form by itself on rows with missing values, and the mean of its answers
#           with the mean of the target.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    catboost==1.2.10 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import runpy
import sys

import numpy as np
import onnxruntime
from catboost import CatBoostClassifier, CatBoostRegressor

onnxruntime.set_default_logger_severity(3)
folder = sys.argv[1]
rng = np.random.default_rng(0)
rows = rng.normal(size=(4000, 4)).round(2).astype(np.float32).astype(float)
missing = rng.random(rows.shape) < 0.2
label = (np.where(missing[:, 0], 2, rows[:, 0]) + rows[:, 1] - missing[:, 2] + rng.normal(size=4000) / 2 > 0.3).astype(int)
count = rng.poisson(np.exp(rows[:, 1] / 2)).astype(float)
complete, rows = rows.copy(), np.where(missing, np.nan, rows)
old, new = slice(0, 3000), slice(3000, None)
settings = {"iterations": 60, "depth": 4, "verbose": 0, "thread_count": 1, "random_seed": 0, "allow_writing_files": False}


def onnx(model, some):
    model.save_model(f"{folder}/model.onnx", format="onnx")
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: some.astype(np.float32)})[-1]


def json_(model, some):
    model.save_model(f"{folder}/model.json", format="json")
    return CatBoostClassifier().load_model(f"{folder}/model.json", format="json").predict_proba(some)[:, 1]


def python(model, some):
    model.save_model(f"{folder}/model.py", format="python")
    apply = runpy.run_path(f"{folder}/model.py")["apply_catboost_model"]
    return 1 / (1 + np.exp(-np.array([apply(row) for row in some.tolist()])))


differ = {}
for mode in ("Min", "Max"):
    model = CatBoostClassifier(nan_mode=mode, **settings).fit(rows[old], label[old])
    here = model.predict_proba(rows[new])[:, 1]
    for name, there in (
        ("JSON", json_(model, rows[new])),
        ("ONNX", np.array([answer[1] for answer in onnx(model, rows[new])])),
        ("Python code", python(model, rows[new])),
    ):
        differ[mode, name] = float(np.mean((here > 0.5) != (there > 0.5)))
        print(f"nan_mode {mode}, {name:11} labels that differ {differ[mode, name]:.3f}, "
              f"probability by up to {np.abs(here - there).max():.2g}")
means = {}
for loss in ("RMSE", "Poisson", "Tweedie:variance_power=1.5"):
    model = CatBoostRegressor(loss_function=loss, **settings).fit(complete[old], count[old])
    here, there = model.predict(complete[new]), np.ravel(onnx(model, complete[new]))
    means[loss] = float(here.mean()), float(there.mean())
    print(f"{loss:27} mean here {here.mean():.3f}, in ONNX {there.mean():.3f}, its exponential {np.exp(there).mean():.3f}")
    assert np.allclose(here, there if loss == "RMSE" else np.exp(there), rtol=1e-4), f"{loss}: otherwise now"
model = CatBoostClassifier(**settings).fit(rows[old], label[old])
model.set_probability_threshold(0.9)
labels = np.ravel(model.predict(rows[new]))
model.save_model(f"{folder}/threshold.json", format="json")
read = np.ravel(CatBoostClassifier().load_model(f"{folder}/threshold.json", format="json").predict(rows[new]))
model.save_model(f"{folder}/threshold.onnx", format="onnx")
session = onnxruntime.InferenceSession(f"{folder}/threshold.onnx", providers=["CPUExecutionProvider"])
there = np.ravel(session.run(None, {session.get_inputs()[0].name: rows[new].astype(np.float32)})[0])
threshold = float(np.mean(labels != read)), float(np.mean(labels != there))
print(f"threshold 0.9: labels that differ in JSON {threshold[0]:.3f}, in ONNX {threshold[1]:.3f}")
assert threshold[0] == 0 and threshold[1] > 0.1, "the threshold goes otherwise now"
assert differ["Max", "Python code"] > 0.1, "exported code knows nan_mode Max now"
assert all(share < 0.001 for what, share in differ.items() if what != ("Max", "Python code")), "another form differs"
assert means["Poisson"][1] < 0.2 < 0.9 < means["Poisson"][0], "ONNX of a Poisson model answers counts now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
