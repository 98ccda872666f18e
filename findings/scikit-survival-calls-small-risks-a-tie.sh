#!/usr/bin/env bash
# scikit-survival 0.28.0 (lifelines 0.30.3 to compare, scikit-learn 1.9.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a concordance index looks at the order of the predicted risks alone: hazards per second and hazards per year
#           give the same figure, as they do in lifelines.
# Seen:     two risks that differ by 1e-8 or less count as a tie, whatever their size. Hazards of a long-lived thing in
#           seconds are that small, and nine pairs of ten become ties: half a point each. The same in
#           concordance_index_ipcw, and cumulative_dynamic_auc gives 0.5 to any model. No warning.
# Output:   hazards per second: 0.544, by IPCW 0.528, AUC 0.5; the same per year: 0.736, 0.722, 0.781; lifelines 0.736
#           both times. A wholly reversed model gets 0.456 per second, 0.264 per year.
# Matters:  a model of failures of disks, machines or loans with times in seconds, or whose answers are small
#           probabilities, is judged worthless, a good and a bad one look alike, and a gate on the difference of two models
#           finds none. Hand over ranks of the risks, or their logarithms.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    scikit-survival==0.28.0 lifelines==0.30.3 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from lifelines.utils import concordance_index
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw, cumulative_dynamic_auc
from sksurv.util import Surv

YEAR = 31_557_600
rng = np.random.default_rng(0)
hazard = rng.lognormal(-20, 1, 2000)  # per second: once in fifteen years
fails, leaves = rng.exponential(1 / hazard), rng.exponential(5e8, 2000)
failed, seconds = fails <= leaves, np.minimum(fails, leaves)
outcome = Surv.from_arrays(failed, seconds)
middle = [float(np.median(seconds))]
seen = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, risk in {
        "per second": hazard,
        "per year": hazard * YEAR,
        "logarithm": np.log(hazard),
        "rank": hazard.argsort().argsort().astype(float),
        "reversed, per second": -hazard,
        "reversed, per year": -hazard * YEAR,
    }.items():
        index, right, wrong, tied, _ = concordance_index_censored(failed, seconds, risk)
        weighted = concordance_index_ipcw(outcome, outcome, risk)[0]
        area = float(cumulative_dynamic_auc(outcome, outcome, risk, middle)[1])
        other = concordance_index(seconds, -risk, failed)
        seen[name] = float(index), float(weighted), area, float(other)
        print(f"{name:21} scikit-survival {index:.3f} ({tied / (right + wrong + tied):.0%} of the pairs are ties), "
              f"by IPCW {weighted:.3f}, AUC {area:.3f}; lifelines {other:.3f}")
print(f"{len(np.unique(hazard))} different hazards from {hazard.min():.1e} to {hazard.max():.1e} per second")
good = seen["per year"]
assert np.allclose(seen["logarithm"], good) and np.allclose(seen["rank"], good)
assert np.isclose(good[0], good[3]) and np.isclose(seen["per second"][3], good[3])
assert good[0] > 0.7 and good[1] > 0.7 and good[2] > 0.75
assert seen["per second"][0] < 0.56 and seen["per second"][1] < 0.56, "small risks are told apart now"
assert seen["per second"][2] == 0.5, "the area tells small risks apart now"
assert seen["reversed, per second"][0] > 0.44 and seen["reversed, per year"][0] < 0.3
assert not said, "scikit-survival warns now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
