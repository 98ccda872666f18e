#!/usr/bin/env bash
# DVC 3.67.1 (scikit-learn 1.9.1, Python 3.11; git on the path)
#
# Guess:    a stage of dvc.yaml that tracks a parameter runs again once the parameter is another one; DVC hashes or
#           compares what stands in params.yaml.
# Seen:     the values of dvc.lock and of params.yaml are compared by Python's ==, in which 1, 1.0 and true are one value,
#           and so are 0, -0.0 and false. `dvc status` says that all is up to date, `dvc repro` skips the stage, `dvc params
#           diff` is empty, and `dvc exp run --set-param` ends with "Ran experiment" without having run anything. 1 to 2 is
#           seen.
# Output:   max_features: 1 -> 1.0: skipped. The model that stands there was fitted on one feature of 20 in each split,
#           the one that was asked for takes all 20: the score is 0.49, and would be 0.97.
# Matters:  to scikit-learn 1 and 1.0 are two settings: one row or all rows, one feature or all features (max_features,
#           max_samples, min_samples_leaf, test_size, train_size). The record then says 1.0 and the model is that of 1. A
#           comparison of settings must look at the types, or at the text in which they are written down.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    dvc==3.67.1 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 PyYAML==6.0.3
mkdir "$work/project" && cd "$work/project"
cat > train.py <<'PY'
import json

import numpy as np
import yaml
from sklearn.tree import DecisionTreeClassifier

with open("params.yaml") as file:
    setting = yaml.safe_load(file)["model"]["max_features"]
rng = np.random.default_rng(0)
x = rng.normal(size=(4000, 20))
y = x[:, 0] + x[:, 1] > 0
tree = DecisionTreeClassifier(max_features=setting, max_depth=8, random_state=0).fit(x[:2000], y[:2000])
seen = {"asked": repr(setting), "features of a split": tree.max_features_, "score": tree.score(x[2000:], y[2000:])}
with open("model.json", "w") as file:
    json.dump(seen, file)
PY
cat > dvc.yaml <<'YAML'
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [model.max_features]
    outs: [model.json]
YAML
export PATH="$work/venv/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$work/site" HOME="$work" GIT_CONFIG_NOSYSTEM=1
git init -q . && git config user.name finding && git config user.email finding@example.invalid
dvc init -q
setting() { printf 'model:\n  max_features: %s\n' "$1" > params.yaml; }
says() { if grep -qF -- "$2" <<< "$1"; then :; else echo "no longer as described: expected '$2', found: $1"; exit 1; fi; }
dvc config core.check_update false

setting 1
nice -n 10 dvc repro -q
git add -A && git commit -qm "trained with 1"
echo "params.yaml 1:    $(cat model.json)"
setting 1.0
status=$(nice -n 10 dvc status 2>&1)
again=$(nice -n 10 dvc repro 2>&1)
changed=$(nice -n 10 dvc params diff 2>&1)
echo "params.yaml 1.0:  status: $status; repro: $(head -1 <<< "$again"); params diff: '$changed'"
echo "                  $(cat model.json)"
says "$status" "up to date"
says "$again" "didn't change, skipping"
[ -z "$changed" ] || { echo "params diff names the change now"; exit 1; }
says "$(cat model.json)" '"asked": "1"'
setting 1
experiment=$(nice -n 10 dvc exp run --set-param model.max_features=1.0 2>&1)
echo "exp run 1.0:      $(tr '\n' ' ' <<< "$experiment")"
says "$experiment" "didn't change, skipping"
says "$experiment" "Ran experiment"
says "$(cat model.json)" '"asked": "1"'
setting true
says "$(nice -n 10 dvc status 2>&1)" "up to date"
setting 2
seen=$(nice -n 10 dvc status 2>&1)
says "$seen" "model.max_features"
setting 1.0
nice -n 10 dvc repro -q --force
echo "forced with 1.0:  $(cat model.json)"
says "$(cat model.json)" '"asked": "1.0", "features of a split": 20'
echo "behaviour as described"
