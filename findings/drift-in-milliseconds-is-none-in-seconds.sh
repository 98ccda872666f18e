#!/usr/bin/env bash
# river 0.26.1, evidently 0.7.23 (pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    whether a column drifted does not depend on its unit. ADWIN of river sets its bound by the variance it sees;
#           evidently's default for many rows, the Wasserstein distance, is divided by the standard deviation.
# Seen:     both have a part that does not scale. ADWIN's bound has a second term for values within 0 to 1, which stands
#           alone once the spread is small: where the standard deviation is 0.001, a shift by five of them is not found
#           in 2,000 rows, and a doubled rare rate only after 4,000. evidently divides by 0.001 at least: at a spread of
#           1e-5 a shift by three of them is 0.03, under its threshold of 0.1. In a larger unit the same shift is found.
# Output:   ADWIN, a shift by one standard deviation: found after 47 rows in milliseconds, in 0 of 10 streams in seconds. A
#           score whose mean goes from 0.002 to 0.004: after 4,127 rows; times 1000, after 63. evidently: 3.08 and drift,
#           0.03 and none.
# Matters:  latencies in seconds, rates, and probabilities of rare events lie just there; the same monitor is set up, runs,
#           and is blind. Try a detector on the column's own values with a shift made by hand, or scale each column by its
#           reference first.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    river==0.26.1 evidently==0.7.23 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
from river import drift


def delays(before, after, scale, streams):
    """Rows after the change until ADWIN says so, sorted, and the number of streams in which it never does."""
    found = []
    for seed in range(streams):
        rng = np.random.default_rng(seed)
        first, second = before(rng) * scale, after(rng) * scale
        detector, at = drift.ADWIN(), None
        for i, value in enumerate([*first.tolist(), *second.tolist()]):
            detector.update(value)
            if detector.drift_detected and i >= len(first):
                at = i - len(first)
                break
        found.append(at)
    return sorted(at for at in found if at is not None), found.count(None)


def latency(mean):
    return lambda rng: rng.normal(mean, 1, 2000)  # ms


def score(mean):
    return lambda rng: rng.beta(400 * mean, 400 * (1 - mean), 20_000)


adwin = {
    "one deviation, ms": delays(latency(5), latency(6), 1, 10),
    "one deviation, s": delays(latency(5), latency(6), 1e-3, 10),
    "five deviations, s": delays(latency(5), latency(10), 1e-3, 10),
    "rare score doubled": delays(score(0.002), score(0.004), 1, 3),
    "the same, times 1000": delays(score(0.002), score(0.004), 1e3, 3),
}
for name, (found, missed) in adwin.items():
    print(f"ADWIN {name:21} found after {found[len(found) // 2] if found else '-':>5} rows, never in {missed} streams")


def distance(scale):
    rng = np.random.default_rng(0)
    definition = DataDefinition(numerical_columns=["x"])
    reference, current = (
        Dataset.from_pandas(pd.DataFrame({"x": values * scale}), data_definition=definition)
        for values in (rng.normal(5, 1, 3000), rng.normal(8, 1, 3000))
    )
    result = Report([ValueDrift(column="x")], include_tests=True).run(current, reference).dict()
    return float(result["metrics"][0]["value"]), str(result["tests"][0]["status"]).rpartition(".")[2]


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    evidently = {scale: distance(scale) for scale in (1.0, 1e-3, 1e-5)}
for scale, (value, status) in evidently.items():
    print(f"evidently, shift of three deviations, times {scale:g}: {value:.3f} {status}")
assert not adwin["one deviation, ms"][1] and adwin["one deviation, ms"][0][-1] < 200
assert adwin["one deviation, s"][1] == adwin["five deviations, s"][1] == 10, "ADWIN finds a small shift in seconds now"
assert min(adwin["rare score doubled"][0]) > 1000 and max(adwin["the same, times 1000"][0]) < 200, "ADWIN's bound scales now"
assert evidently[1.0][0] > 2 and evidently[1.0][1] == "FAIL"
assert evidently[1e-5][0] < 0.1 and evidently[1e-5][1] == "SUCCESS", "evidently's distance scales now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
