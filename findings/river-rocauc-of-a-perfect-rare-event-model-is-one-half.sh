#!/usr/bin/env bash
# river 0.26.1 (scikit-learn 1.9.1 to compare, numpy 2.4.6, Python 3.11)
#
# Guess:    river.metrics.ROCAUC over 20,000 scored events is the area that scikit-learn gives, to a per cent or two.
# Seen:     it counts at ten thresholds spread evenly over 0 to 1. Where an event is rare and all scores lie under the
#           first inner threshold (0.11), every event counts as the same: a model that puts each positive above each
#           negative gets 0.5, exactly that of a coin, and a model that puts them the wrong way round gets 0.5 too.
#           The same scores times ten: nearly 1. n_thresholds=1000 helps only as far as scores differ by a thousandth.
# Output:   perfect: river 0.5, scikit-learn 1.0; the wrong way round: river 0.5, scikit-learn 0.0.
# Matters:  fraud, default and failure have base rates of a per cent, and calibrated scores lie there. A streaming
#           monitor built on the default neither sees that such a model is good nor that it broke. An area that is
#           summed from bins needs bins where the scores are (quantiles of the reference, not of the interval).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    river==0.26.1 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import numpy as np
from river import metrics
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(0)
happened = rng.random(20_000) < 0.02
perfect = np.where(happened, rng.uniform(0.05, 0.09, happened.size), rng.uniform(0.001, 0.04, happened.size))
reversed_scores = 0.1 - perfect


def area(scores, **settings):
    metric = metrics.ROCAUC(**settings)
    for truth, score in zip(happened.tolist(), scores.tolist(), strict=True):
        metric.update(truth, {True: score, False: 1 - score})
    return float(metric.get())


print(f"events that happened: {happened.mean():.3f}, scores from {perfect.min():.3f} to {perfect.max():.3f}")
seen = {
    "perfect": (area(perfect), roc_auc_score(happened, perfect)),
    "the wrong way round": (area(reversed_scores), roc_auc_score(happened, reversed_scores)),
    "perfect, times ten": (area(perfect * 10), roc_auc_score(happened, perfect * 10)),
    "perfect, n_thresholds=1000": (area(perfect, n_thresholds=1000), roc_auc_score(happened, perfect)),
}
for name, (river, exact) in seen.items():
    print(f"{name:28} river {river:.4f}  scikit-learn {exact:.4f}")
assert seen["perfect"] == (0.5, 1.0), "river sees the perfect model now"
assert seen["the wrong way round"] == (0.5, 0.0), "river sees the reversed model now"
assert seen["perfect, times ten"][0] > 0.95, "river no longer sees the model with spread scores"
assert seen["perfect, n_thresholds=1000"][0] > 0.95, "more thresholds no longer help"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
