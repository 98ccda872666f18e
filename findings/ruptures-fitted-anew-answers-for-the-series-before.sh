#!/usr/bin/env bash
# ruptures 1.1.10 (numpy 2.4.6, scipy 1.17.1, Python 3.11)
#
# Guess:    fit() takes a series and predict() answers for the last one that was fitted, as an estimator does: one detector
#           serves a loop over series.
# Seen:     with model="rbf" and "cosine" the matrix of likeness is made once, from the first series, and a second fit() keeps it:
#           Pelt, Binseg, BottomUp, Window and Dynp give the second series the breaks of the first. A longer one gets its
#           breaks from the first's rows, without an error. KernelCPD reads each series, but its width "rbf" is
#           the first's too: after a series in thousands it finds nothing in one of units. l1, l2, normal and others: right.
# Output:   a series that breaks at 150 of 600, then one that breaks at 450, by one detector: rbf and cosine say 150 both times, by all
#           five searches; a new detector 450 (cosine within 10 of it, Window's elsewhere). 300 rows that break at 200: 150.
#           KernelCPD after a series in thousands: no break, anew 449.
# Matters:  a report on fifty sensors has one answer fifty times, and fifty sensors that broke together look like a cause
#           in common. A window that moves on hears of no new break. Make the detector inside the loop; a test: fit two series
#           by one, in both orders.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    ruptures==1.1.10 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import ruptures as rpt


def series(at, rows=600, seed=0, unit=1.0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 1, at), rng.normal(4, 1, rows - at)]) * unit


def breaks(detector, rows, **settings):
    return [int(place) for place in detector.fit(rows).predict(**settings)][:-1]


early, late, short = series(150), series(450, seed=1), series(200, rows=300, seed=2)
searches = {
    "Pelt": (rpt.Pelt, {}, {"pen": 20}),
    "Binseg": (rpt.Binseg, {}, {"n_bkps": 1}),
    "BottomUp": (rpt.BottomUp, {}, {"n_bkps": 1}),
    "Window": (rpt.Window, {}, {"n_bkps": 1}),
    "Dynp": (rpt.Dynp, {"min_size": 10, "jump": 10}, {"n_bkps": 1}),
}
with warnings.catch_warnings():
    warnings.simplefilter("error")
    for name, (search, settings, stop) in searches.items():
        for cost in ("rbf", "cosine", "l2", "l1", "rank"):
            one = search(model=cost, **settings)
            first, second = breaks(one, early, **stop), breaks(one, late, **stop)
            anew = breaks(search(model=cost, **settings), late, **stop)
            print(f"{name:8} {cost:6} breaks of the first {first}, of the second {second}, of the second by a new detector {anew}")
            if cost in ("rbf", "cosine"):
                assert second == first != anew, f"{name} with {cost} reads the second series now"
            else:
                assert second == anew, f"{name} with {cost} keeps the first series now"
    one = rpt.Pelt(model="rbf")
    breaks(one, early, pen=20)
    shorter, anew = breaks(one, short, pen=20), breaks(rpt.Pelt(model="rbf"), short, pen=20)
    print(f"then 300 rows that break at 200: {shorter}, by a new detector {anew}")
    assert shorter == [150] and anew == [200], "a series of another length is read now"
    one = rpt.KernelCPD(kernel="rbf")
    breaks(one, series(150, unit=1000), pen=5)
    kept, anew = breaks(one, late, pen=5), breaks(rpt.KernelCPD(kernel="rbf"), late, pen=5)
    print(f"KernelCPD after a series in thousands: {kept}, a new one {anew}")
    assert kept == [] and len(anew) == 1 and abs(anew[0] - 450) < 5, "KernelCPD takes the width of each series now"
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
