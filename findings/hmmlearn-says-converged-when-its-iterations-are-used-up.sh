#!/usr/bin/env bash
# hmmlearn 0.3.3 (numpy 2.4.6, scikit-learn 1.9.1, Python 3.11)
#
# Guess:    model.monitor_.converged is False where the fit stopped at n_iter before the gain fell below tol; scikit-learn's
#           GaussianMixture, whose converged_ it resembles, warns and says False.
# Seen:     it is True when all iterations are used up, so after every fit: with one iteration as with a thousand. fit()
#           says nothing of it.
# Output:   n_iter 1, 5, 10 (the default), 1000 on the same rows: converged True each time; iterations used 1, 5, 10, 17; log-likelihood
#           -1458, -1417, -1302, -1264; the mean of the upper state 1.21, 1.25, 1.49, 1.50. GaussianMixture with one
#           iteration: False, and a warning.
# Matters:  a gate that asks for convergence lets every model through, and the default of ten iterations is soon used up. Ask whether
#           the last gain is below tol: monitor_.history[-1] - monitor_.history[-2] < monitor_.tol.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    hmmlearn==0.3.3 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from hmmlearn.hmm import GaussianHMM
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

warnings.simplefilter("error")
rng = np.random.default_rng(0)
rows = np.concatenate([rng.normal(mean, 1, (300, 1)) for mean in (0, 1.5, 0)])
seen = {}
for iterations in (1, 5, 10, 1000):
    model = GaussianHMM(2, n_iter=iterations, tol=0.01, random_state=0).fit(rows)
    monitor = model.monitor_
    gain = np.diff(monitor.history)[-1] if len(monitor.history) > 1 else np.inf
    seen[iterations] = (monitor.converged, monitor.iter, gain, model.score(rows))
    print(
        f"n_iter {iterations:4}: converged {monitor.converged}, used {monitor.iter}, last gain {gain:.3f}, "
        f"log-likelihood {seen[iterations][3]:.0f}, upper mean {model.means_.max():.2f}"
    )
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    peer = GaussianMixture(2, max_iter=1, random_state=0).fit(rows)
print("GaussianMixture with one iteration: converged", peer.converged_, [warning.category.__name__ for warning in said])
assert not peer.converged_ and said[0].category is ConvergenceWarning
assert seen[1000][1] < 1000 and 0 <= seen[1000][2] < 0.01, "a thousand iterations are not enough here"
assert seen[10][2] > 1 and seen[10][3] < seen[1000][3] - 20
assert all(seen[iterations][0] for iterations in (1, 5, 10)), "an unfinished fit is not called converged now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
