#!/usr/bin/env bash
# pyod 3.6.7 (numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, Python 3.11)
#
# Guess:    a fitted detector is a function: the same row has the same score alone and in a batch, and a thousand rows as
#           strange as a flagged one are flagged too.
# Seen:     ECOD and COPOD put the asked rows to the training rows and make the tails anew from both: a row's score is how rare
#           it is among those that came with it. What comes in numbers is rare no more, while the threshold stays that of the training.
#           In a small batch the same row is flagged. HBOS, IForest, KNN, PCA, LODA and INNE: one score, all flagged.
# Output:   1,000 training rows of N(0, 1) in 4 columns, asked about a row of fours: score alone 27.6 (ECOD), 24.2 (COPOD), among 1,000
#           good ones 30.4, among 1,000 of its kind 5.6 and 3.4, thresholds 10.4 and 8.5. Flagged of the 1,000:
#           ECOD 6 %, COPOD 0 %, the others 100 %.
# Matters:  a sensor that fails for a whole day, a supplier's file in another unit, an attack in bulk: what a night's batch
#           is made of is called normal, and one row of it tried by hand in the morning is flagged. Score row by row, or in batches
#           far smaller than the training, and try a batch of one bad row repeated.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pyod==3.6.7 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.inne import INNE
from pyod.models.knn import KNN
from pyod.models.loda import LODA
from pyod.models.pca import PCA

rng = np.random.default_rng(0)
training, good = rng.normal(size=(1000, 4)), rng.normal(size=(1000, 4))
strange = np.full((1, 4), 4.0)
kind = strange + rng.normal(scale=0.01, size=(1000, 4))
np.random.seed(0)
for Detector in (ECOD, COPOD, HBOS, IForest, KNN, PCA, LODA, INNE):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = Detector(contamination=0.05).fit(training)
        said.clear()
        alone, among_good, among_kind = (
            float(model.decision_function(np.vstack([strange, others]))[0]) for others in (strange[:0], good, kind)
        )
        flagged, one = float(model.predict(kind).mean()), int(model.predict(strange)[0])
    name = Detector.__name__
    print(f"{name:8} threshold {model.threshold_:.3g}; a strange row alone {alone:.3g}, among good ones {among_good:.3g}, "
          f"among its kind {among_kind:.3g}; flagged alone: {one}, of 1,000 of its kind {flagged:.1%}")
    assert one == 1 and alone > model.threshold_, f"{name} does not flag the strange row"
    if Detector in (ECOD, COPOD):
        assert not said, f"{name} warns now"
        assert among_kind < model.threshold_ < among_good, f"{name} scores a row by itself now"
        assert flagged < 0.2, f"{name} flags what comes in numbers now"
    else:
        assert np.isclose(alone, among_kind) and np.isclose(alone, among_good) and flagged == 1, f"{name} scores by the batch now"
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
