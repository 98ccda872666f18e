#!/usr/bin/env bash
# statsmodels 0.15.0 (scipy 1.17.1, numpy 2.4.6, pandas 3.1.1, Python 3.11)
#
# Guess:    a GLM with freq_weights is the model of the rows repeated so often, in every figure; a share of explained deviance does not
#           change when every row is counted ten times.
# Seen:     coefficients, errors, log-likelihood, deviance and AIC agree with the repeated rows. pseudo_rsquared() (Cox and Snell, the one of
#           the summary) takes the weighted log-likelihoods and divides them by the number of lines: it grows with the weights, to 1.
#           pseudo_rsquared(kind="mcf") does not. DescrStatsW takes its weights as counts too, so weights of sum 1 have an error of the
#           mean in the millions and p = 1.
# Output:   every row counted 1, 10, 100 times: 0.225, 0.922, 1.000; the rows repeated: 0.225 each time. McFadden's 0.185 each time.
# Matters:  aggregated rows are how such models are fitted: "R-squared 0.98" is the size of the table. Compare models by
#           deviance, or fit on weights of mean 1.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import statsmodels.api as sm
from statsmodels.stats.weightstats import DescrStatsW

warnings.simplefilter("error")
rng = np.random.default_rng(0)
rows = 300
x = rng.normal(size=rows)
y = (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(float)
design = sm.add_constant(x)
logit = sm.families.Binomial()
seen = {}
for times in (1, 10, 100):
    weighted = sm.GLM(y, design, family=logit, freq_weights=np.full(rows, times)).fit()
    repeated = sm.GLM(np.tile(y, times), np.tile(design, (times, 1)), family=logit).fit()
    assert np.allclose(weighted.bse, repeated.bse) and np.isclose(weighted.llf, repeated.llf) and np.isclose(weighted.deviance, repeated.deviance)
    seen[times] = [float(model.pseudo_rsquared(kind)) for kind in ("cs", "mcf") for model in (weighted, repeated)]
    print(f"every row {times:3} times: Cox and Snell weighted {seen[times][0]:.3f}, repeated {seen[times][1]:.3f}; McFadden {seen[times][2]:.3f}, {seen[times][3]:.3f}")
    shown = [line for line in str(weighted.summary()).splitlines() if "Pseudo R-squ" in line]
    print("   ", " ".join(shown[0].split()) if shown else "")
shares = DescrStatsW(x + 1, np.full(rows, 1 / rows))
counts = DescrStatsW(x + 1, np.ones(rows))
print("mean against 0, weights of sum 1: error", f"{shares.std_mean:.3g}", "p", round(float(shares.ttest_mean(0)[1]), 3), "; weights 1: error",
      f"{counts.std_mean:.3g}", "p", f"{counts.ttest_mean(0)[1]:.2g}")
assert abs(seen[1][0] - seen[1][1]) < 1e-9
assert all(abs(values[1] - seen[1][1]) < 1e-9 and abs(values[2] - values[3]) < 1e-9 for values in seen.values())
assert seen[10][0] > seen[1][0] + 0.3 and seen[100][0] > 0.99, "Cox and Snell no longer follows the weights"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
