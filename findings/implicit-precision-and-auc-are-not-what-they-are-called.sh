#!/usr/bin/env bash
# implicit 0.7.3 (scikit-learn 1.9.1 to compare, numpy 2.4.6, scipy 1.17.1, Python 3.11)
#
# Guess:    precision at 10 is the share of the ten recommended that were liked: with one liked item a user it is at most 0.1.
#           AUC belongs to the ranking, whatever K is.
# Seen:     precision_at_k and ranking_metrics_at_k divide the hits by the number that could be hit (the smaller of K and
#           the liked of the user): with one held out item each it is recall, and it grows with K. Their AUC takes all
#           that lies beyond the K-th as one tie, so it runs from a half to the real figure as K grows.
# Output:   400 users, one held out item each, the same model: precision at 1, 10 and 50 is 0.018, 0.21, 0.73, by hand 0.018,
#           0.021, 0.014. AUC 0.51, 0.58, 0.76; of the whole ranking by scikit-learn 0.75.
# Matters:  a model that shows one right item in fifty reports a precision of 0.2, beside 0.02 from any other library; a
#           longer list always looks better; two AUCs with other K cannot be compared, and a good model with a short list looks like
#           chance. Count hits by hand for a few users before such a figure goes into a gate.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    implicit==0.7.3 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.evaluation import ranking_metrics_at_k
from scipy.sparse import csr_matrix
from sklearn.metrics import roc_auc_score

warnings.simplefilter("ignore", RuntimeWarning)  # of threads
rng = np.random.default_rng(0)
users, items = 400, 200
taste, kind = rng.integers(0, 4, users), rng.integers(0, 4, items)
liked = rng.random((users, items)) < np.where(taste[:, None] == kind, 0.25, 0.03)
held_out = np.zeros_like(liked)
for user in range(users):
    one = rng.choice(np.flatnonzero(liked[user]))
    held_out[user, one], liked[user, one] = True, False
training, test = (csr_matrix(part.astype(np.float32)) for part in (liked, held_out))
model = AlternatingLeastSquares(factors=8, iterations=5, random_state=0, num_threads=1)
model.fit(training, show_progress=False)
scores = model.user_factors @ model.item_factors.T
whole = float(np.mean([roc_auc_score(held_out[user, ~liked[user]], scores[user, ~liked[user]]) for user in range(users)]))
seen = {}
for k in (1, 5, 10, 50):
    said = ranking_metrics_at_k(model, training, test, K=k, show_progress=False, num_threads=1)
    chosen, _ = model.recommend(np.arange(users), training, N=k)
    hits = sum(held_out[user, chosen[user]].sum() for user in range(users))
    seen[k] = said["precision"], hits / users / k, hits / users, said["auc"]
    print(f"K={k:2}: precision {said['precision']:.3f}, by hand {hits / users / k:.3f}, recall by hand {hits / users:.3f}; "
          f"AUC {said['auc']:.3f}, of the whole ranking {whole:.3f}")
for k, (precision, by_hand, recall, _) in seen.items():
    assert abs(precision - recall) < 1e-9, f"precision at {k} is no longer divided by what could be hit"
    assert k == 1 or precision > 3 * by_hand
areas = [area for *_, area in seen.values()]
assert areas == sorted(areas) and areas[0] < 0.55 and areas[-1] > 0.7 and whole > 0.7, "AUC no longer goes by K"
PY
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
