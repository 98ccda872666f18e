#!/usr/bin/env bash
# xgboost-cpu 3.2.0, treelite 4.8.1 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    XGBClassifier(missing=-999).save_model writes what the model needs, and load_model gives a model that
#           answers the same; or the loaded model says that it has forgotten something.
# Seen:     the marker of missing values is a setting of the Python object and is not in the file, in JSON or UBJ. The
#           loaded model has missing=nan and takes -999 as a very small number, which the trees send the other way. The
#           classes, the type of task and the feature names do come back. Booster.inplace_predict and a treelite model
#           read the file alike. A pickle keeps the marker, and so does load_model into XGBClassifier(missing=-999).
# Output:   labels that differ after save_model and load_model: 0.26; booster 0.26; treelite 0.26; pickle 0; asked again 0.
# Matters:  a retraining notebook is right, what is served from its file is not, on exactly the rows with a missing value.
#           Score some rows before the model is written and after the file is read, and turn markers into NaN before the
#           model, not by the model.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    xgboost-cpu==3.2.0 treelite==4.8.1 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import pickle
import sys

import numpy as np
import treelite
import xgboost

rng = np.random.default_rng(0)
rows = rng.normal(size=(6000, 4))
missing = rng.random(rows.shape) < 0.2
label = np.where(missing[:, 0], 2, rows[:, 0]) + rows[:, 1] - missing[:, 2] + rng.normal(size=6000) / 2 > 0.3
rows[missing] = -999
codes = label.astype(int)
model = xgboost.XGBClassifier(n_estimators=30, missing=-999, n_jobs=1).fit(rows[:3000], codes[:3000])
new = rows[3000:]
here = model.predict_proba(new)[:, 1]
full = ~(missing[3000:].any(axis=1))


def differ(there):
    differs = (here > 0.5) != (np.ravel(there) > 0.5)
    return float(differs.mean()), float(differs[full].mean())


seen = {}
for ending in ("json", "ubj"):
    path = f"{sys.argv[1]}/model.{ending}"
    model.save_model(path)
    read, asked = xgboost.XGBClassifier(), xgboost.XGBClassifier(missing=-999)
    read.load_model(path)
    asked.load_model(path)
    print(f"{ending}: missing was {model.missing}, is {read.missing}; classes {read.classes_}")
    seen[f"{ending}, read again"] = differ(read.predict_proba(new)[:, 1])
    seen[f"{ending}, booster"] = differ(xgboost.Booster(model_file=path).inplace_predict(new))
    seen[f"{ending}, read with missing=-999"] = differ(asked.predict_proba(new)[:, 1])
    assert np.isnan(read.missing), "the marker is in the file now"
converted = treelite.frontend.from_xgboost(model.get_booster())
seen["treelite"] = differ(treelite.gtil.predict(converted, new.astype(np.float32)))
seen["pickle"] = differ(pickle.loads(pickle.dumps(model)).predict_proba(new)[:, 1])
for name, (all_rows, full_rows) in seen.items():
    print(f"{name:30} labels that differ {all_rows:.3f}, of the rows without a missing value {full_rows:.3f}")
wrong = ("json, read again", "ubj, read again", "json, booster", "ubj, booster", "treelite")
for name, (all_rows, full_rows) in seen.items():
    assert (all_rows > 0.2) == (name in wrong), f"{name} answers otherwise now"
    assert full_rows < 0.001, f"{name} differs without a missing value"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
