#!/usr/bin/env bash
# treelite 4.8.1 (scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a converted HistGradientBoostingClassifier that equals the model to 1e-15 on the test rows, known categories and
#           missing values alike, equals it on whatever comes.
# Seen:     scikit-learn takes a category that it never saw for missing and sends it where missing values go; treelite
#           sends it where categories go that are not in the list of the split, at each split anew. So it does with a number
#           between two categories: scikit-learn takes it for new, treelite for the lower one. No warning.
# Output:   known and missing: 0 labels differ; a new category: labels 0.10, probability by up to 0.87; known plus a
#           half: labels 0.47.
# Matters:  the test set has no new categories, the first new shop has nothing else. Compare a converted model on rows
#           with categories that did not exist, and map new ones to missing before either sees them.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    treelite==4.8.1 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import treelite
from sklearn.ensemble import HistGradientBoostingClassifier

rng = np.random.default_rng(0)
shop, amount = rng.integers(0, 12, 3000).astype(float), rng.normal(size=3000)
effect = rng.normal(size=12) * 2
label = (effect[shop.astype(int)] + amount + rng.normal(size=3000) / 2 > 0).astype(int)
missing = rng.random(3000) < 0.2
label = np.where(missing, rng.random(3000) < 0.9, label).astype(int)
shop[missing] = np.nan
rows = np.column_stack([shop, amount])
model = HistGradientBoostingClassifier(categorical_features=[0], max_iter=50, random_state=0).fit(rows[:2000], label[:2000])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a cast of NaN, in each conversion of categories
    converted = treelite.sklearn.import_model(model)
amount = rows[2000:, 1]
seen = {}
for name, shops in (
    ("known and missing", rows[2000:, 0]),
    ("all missing", np.full(1000, np.nan)),
    ("new: 12, the next", np.full(1000, 12.0)),
    ("new: 100", np.full(1000, 100.0)),
    ("new: -1", np.full(1000, -1.0)),
    ("known plus a half", np.nan_to_num(rows[2000:, 0]) + 0.5),
):
    some = np.column_stack([shops, amount])
    here, there = model.predict_proba(some)[:, 1], treelite.gtil.predict(converted, some).reshape(1000, -1)[:, -1]
    seen[name] = float(np.mean((here > 0.5) != (there > 0.5))), float(np.abs(here - there).max())
    print(f"{name:18} labels that differ {seen[name][0]:.3f}, probability by up to {seen[name][1]:.2g}")
    if name.startswith("new"):
        as_missing = model.predict_proba(np.column_stack([np.full(1000, np.nan), amount]))[:, 1]
        assert np.array_equal(here, as_missing), "scikit-learn no longer takes new for missing"
for name, (labels, most) in seen.items():
    if name in ("known and missing", "all missing"):
        assert most < 1e-12, f"{name}: treelite differs now"
    else:
        assert labels > 0.02 and most > 0.3, f"{name}: treelite agrees now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
