#!/usr/bin/env bash
# scipy 1.17.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    a test or measure of association over values with NaN is NaN, as its nan_policy="propagate" says of most of scipy.stats, or an
#           error; Kendall's tau and Somers' D behave alike.
# Seen:     somersd and anderson_ksamp have no nan_policy and give a figure: NaN takes part in the ranks, in anderson_ksamp above the
#           largest value. kendalltau, spearmanr, ks_2samp and mannwhitneyu give NaN on the same rows. No warning.
# Output:   a fifth of the scores missing: Somers' D 0.39, of the rows that have one 0.67. Two samples of one distribution, the fifth of one
#           missing: anderson_ksamp 65.9, without those rows 1.1.
# Matters:  Somers' D is the Gini of a credit score: with some scores missing it falls by two fifths although the model ranks as
#           before, and anderson_ksamp finds a difference that is only a share of missing values. Drop them in pairs, and count them.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import math
import warnings

import numpy as np
import scipy.stats

warnings.simplefilter("error")
rng = np.random.default_rng(0)
score = rng.normal(size=1000)
paid = (score + rng.normal(size=1000) > 0).astype(float)
gaps = np.where(rng.random(1000) < 0.2, np.nan, score)
there = ~np.isnan(gaps)
pairs = {
    "somersd": lambda x, y: scipy.stats.somersd(y, x).statistic,
    "kendalltau": lambda x, y: scipy.stats.kendalltau(x, y).statistic,
    "spearmanr": lambda x, y: scipy.stats.spearmanr(x, y).statistic,
}
seen = {name: (float(f(gaps, paid)), float(f(gaps[there], paid[there]))) for name, f in pairs.items()}
same = rng.normal(size=1000)


def anderson(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return scipy.stats.anderson_ksamp([x, y]).statistic


samples = {
    "anderson_ksamp": anderson,
    "ks_2samp": lambda x, y: scipy.stats.ks_2samp(x, y).statistic,
    "mannwhitneyu": lambda x, y: scipy.stats.mannwhitneyu(x, y).statistic,
}
seen |= {name: (float(f(gaps, same)), float(f(gaps[there], same))) for name, f in samples.items()}
for name, (with_gaps, without) in seen.items():
    print(f"{name:15} with NaN {with_gaps:8.3f}   without those rows {without:8.3f}")
for name in ("somersd", "anderson_ksamp"):
    with_gaps, without = seen[name]
    assert math.isfinite(with_gaps) and abs(with_gaps - without) > 0.05, f"{name} treats NaN otherwise now"
for name in ("kendalltau", "spearmanr", "ks_2samp", "mannwhitneyu"):
    assert math.isnan(seen[name][0]), name
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
