#!/usr/bin/env bash
# statsmodels 0.15.0 (scipy 1.17.1, numpy 2.4.6, Python 3.11)
#
# Guess:    multipletests(p, method="fdr_bh") of the tests of many columns, one of which has no p-value (a constant column,
#           a missing value in it), leaves that one out; or all are not a number, and none is rejected. In any case "reject"
#           and "corrected p-value below alpha" say the same.
# Seen:     the methods fall into three. Bonferroni, Sidak and Holm: the one is not a number, the rest stands (and is
#           counted as one more test). fdr_bh, fdr_by, fdr_tsbh and simes-hochberg, and fdrcorrection: every corrected
#           p-value is not a number, while "reject" of the same call is right. hommel and fdr_gbs: both are lost, nothing is
#           rejected. No warning.
# Output:   40 columns of which 2 drifted, 1 is constant. Rejected / corrected below 0.05: bonferroni 2/2, holm 2/2, fdr_bh
#           2/0, fdr_by 2/0, simes-hochberg 2/0, hommel 0/0, fdr_gbs 0/0. Without the constant column all 2/2.
# Matters:  a monitor that keeps the corrected p-values, as one does for a chart, compares not a number with 0.05 and says
#           "no drift" in all columns from the day on which one of them stands still. Take such tests out before, and show
#           them.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from scipy.stats import ttest_ind
from statsmodels.stats.multitest import fdrcorrection, multipletests

rng = np.random.default_rng(0)
reference, window = rng.normal(size=(2, 400, 40))
window[:, :2] += 0.6
reference[:, 7] = window[:, 7] = 5.0
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scipy says that a constant column has no t test; what follows says nothing
    p = ttest_ind(reference, window).pvalue
assert np.isnan(p).sum() == 1 and np.isnan(p[7])
warnings.simplefilter("error")
here = ~np.isnan(p)
seen = {}
methods = "bonferroni sidak holm holm-sidak fdr_bh fdr_by fdr_tsbh simes-hochberg hommel fdr_gbs"
for method in methods.split():
    counts = []
    for values in (p[here], p):
        rejected, corrected = multipletests(values, alpha=0.05, method=method)[:2]
        counts.append((int(rejected.sum()), int((corrected < 0.05).sum())))
    seen[method] = counts
    print(f"{method:15} rejected, corrected below 0.05: {counts[0]} without the constant column, {counts[1]} with it")
rejected, corrected = fdrcorrection(p)
assert rejected.sum() == 2 and np.isnan(corrected).all(), "fdrcorrection keeps the other tests now"
for method, (without, beside) in seen.items():
    assert without == (2, 2), f"{method} without a gap: {without}"
    if method in ("hommel", "fdr_gbs"):
        assert beside == (0, 0), f"{method} keeps the other tests now"
    elif method.startswith("fdr") or method == "simes-hochberg":
        assert beside == (2, 0), f"{method} keeps the other tests now"
    else:
        assert beside == (2, 2), f"{method} loses the other tests now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
