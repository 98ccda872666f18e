#!/usr/bin/env bash
# hyperopt 0.3.0 (numpy 2.4.6, Python 3.11)
#
# Guess:    quniform(low, high, q) draws one of low, low + q, ... up to high, each as often; uniformint(low, high, q=3) does so for whole
#           numbers, as the steps of other tuners do.
# Seen:     a draw between the bounds is rounded to a multiple of q, counted from 0: low itself is never drawn when it is no
#           multiple, and what is rounded may lie below low (0 among it) or above high. The ends come half as often.
#           uniformint reads no q at all. No warning, and the search by TPE does the same.
# Output:   quniform(2, 12, 5): 0, 5, 10 (0 in 5 % of the draws). quniform(0.01, 0.3, 0.05): 0 in 5 %. quniform(0.1, 0.95, 0.2): 0.2 to 1.0.
#           quniform(10, 100, 50): 0 in 17 %. qloguniform of 2 to 1,000 by 5: 0 in 4 %. uniformint(1, 10, q=3): all of 1 to 10.
# Matters:  a depth of 0 means "no limit" to XGBoost, a learning rate of 0 learns nothing, a dropout of 1 drops all, no trees
#           is an error late in a search: settings that the author shut out are tried, and may win. Draw quniform(0, n, 1)
#           and compute low + q times it, or refuse what is outside.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check hyperopt==0.3.0 numpy==2.4.6 setuptools==80.9.0
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    from hyperopt import Trials, fmin, hp, tpe
    from hyperopt.pyll.stochastic import sample

warnings.simplefilter("error", UserWarning)
spaces = {
    "quniform(2, 12, 5)": (hp.quniform("x", 2, 12, 5), 2, 12),
    "quniform(0.01, 0.3, 0.05)": (hp.quniform("x", 0.01, 0.3, 0.05), 0.01, 0.3),
    "quniform(0.1, 0.95, 0.2)": (hp.quniform("x", 0.1, 0.95, 0.2), 0.1, 0.95),
    "quniform(10, 100, 50)": (hp.quniform("x", 10, 100, 50), 10, 100),
    "qloguniform(log 2, log 1000, 5)": (hp.qloguniform("x", np.log(2), np.log(1000), 5), 2, 1000),
}
for name, (space, low, high) in spaces.items():
    drawn = np.array([round(float(sample(space, rng=np.random.default_rng(seed))), 9) for seed in range(2000)])
    outside = float(((drawn < low) | (drawn > high)).mean())
    print(f"{name:31} {outside:.1%} outside; from {drawn.min():g} to {drawn.max():g}, {len(np.unique(drawn))} values; low itself: {(drawn == low).mean():.1%}")
    assert outside > 0.02, f"{name} keeps its bounds now"
    assert (drawn == low).mean() == 0, f"{name} draws its low end now"
whole = np.array([int(sample(hp.uniformint("x", 1, 10, q=3), rng=np.random.default_rng(seed))) for seed in range(4000)])
shares = np.bincount(whole, minlength=11)[1:] / 4000
print(f"uniformint(1, 10, q=3): shares of 1 to 10 are {shares.round(3).tolist()}")
assert (shares > 0).all(), "uniformint reads q now"
assert max(shares[0], shares[-1]) < 0.08 < min(shares[1:-1]), "the ends come as often as the others now"
trials = Trials()
fmin(lambda depth: (depth - 1) ** 2, hp.quniform("depth", 2, 12, 5), algo=tpe.suggest, max_evals=40, trials=trials,
     rstate=np.random.default_rng(0), show_progressbar=False)
best = trials.best_trial["misc"]["vals"]["depth"][0]
print(f"a search by TPE between 2 and 12 that likes 1 best: {best:g} wins")
assert best == 0, "TPE keeps the bounds now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
