#!/usr/bin/env bash
# scikit-uplift 0.5.1 (scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    uplift_at_k of rows with equal scores takes a part of them that is like the whole, or counts them by their share; the
#           order of the rows has no influence, as it has none on the Qini and the uplift curve of the same library.
# Seen:     it takes the first rows of the file among those of one score at the edge. Sorted by the outcome or by the group, as rows come
#           from a database, the figure is another. No warning. strategy "overall" and "by_group" alike.
# Output:   2000 rows, effect 0.1, scores of three values, k=0.3, shuffled a hundred times: 0.09 to 0.14. Treated buyers first or
#           last: -0.04 and 0.14 ("overall"), 0.05 and 0.14 ("by_group"). The Qini area is the same in all.
# Matters:  trees and rules give few different scores, and rows out of a join are seldom shuffled: the better campaign is the one whose file
#           was sorted otherwise. Ask for a k at which no score is cut, or add noise with a seed.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    scikit-uplift==0.5.1 scikit-learn==1.9.1 scipy==1.17.1 pandas==2.3.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sklift.metrics import qini_auc_score, uplift_at_k

warnings.simplefilter("error")
warnings.simplefilter("ignore", FutureWarning)  # of scikit-learn, about a function that the Qini curve uses
rng = np.random.default_rng(0)
count = 2000
treated = rng.integers(0, 2, count)
bought = (rng.random(count) < 0.1 + 0.1 * treated).astype(int)
score = rng.choice([0.1, 0.2, 0.3], count)
orders = {
    "as drawn": np.arange(count),
    "treated buyers first": np.argsort(-bought * treated, kind="stable"),
    "treated buyers last": np.argsort(bought * treated, kind="stable"),
}
for strategy in ("overall", "by_group"):
    seen, areas = {}, []
    for name, rows in orders.items():
        seen[name] = uplift_at_k(bought[rows], score[rows], treated[rows], strategy=strategy, k=0.3)
        areas.append(qini_auc_score(bought[rows], score[rows], treated[rows]))
    shuffled = [
        uplift_at_k(bought[rows], score[rows], treated[rows], strategy=strategy, k=0.3)
        for rows in (rng.permutation(count) for _ in range(100))
    ]
    print(
        f"{strategy:8}", {name: round(float(value), 3) for name, value in seen.items()},
        f"shuffled: {min(shuffled):.3f} to {max(shuffled):.3f}; Qini area {min(areas):.6f} to {max(areas):.6f}",
    )
    assert max(areas) - min(areas) < 1e-9
    assert max(seen.values()) - min(seen.values()) > 0.05, f"{strategy}: the order of rows makes no difference now"
    assert max(shuffled) - min(shuffled) > 0.02
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
