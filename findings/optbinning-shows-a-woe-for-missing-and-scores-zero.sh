#!/usr/bin/env bash
# optbinning 1.0.0 (scikit-learn 1.9.1, pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    the binning table of a credit scorecard has a row "Missing" with its own count, event rate and weight of
#           evidence; transform() gives a missing value that weight, and the scorecard gives it points that fit its risk.
# Seen:     transform(metric="woe") gives 0 for missing, which means "neither good nor bad"; transform(metric=
#           "event_rate") gives 0.0 for a bin of which the table says 94 % defaulted. Scorecard is fitted on those zeros
#           and hands the riskiest group of all the points of an average customer. metric_missing="empirical" is needed
#           in each call, and in the scorecard per variable in binning_transform_params.
# Output:   table: event rate 0.94, WoE -2.58; transform: WoE 0, event rate 0; scorecard: 0.62 (0.94 if asked rightly).
# Matters:  the table that a validator signs shows one weight, the deployed score uses another. Missing
#           values are scored 0.62 where 0.94 defaulted: look at performance by slice "value missing", which averages do
#           not show. In an import, compare the table's points with the scored points, bin by bin.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    optbinning==1.0.0 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1 ortools==9.15.6755
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd
from optbinning import BinningProcess, OptimalBinning, Scorecard
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=3000)
default = (rng.random(3000) < 1 / (1 + np.exp(-x))).astype(int)
x[:400], default[:400] = np.nan, rng.random(400) < 0.95

binning = OptimalBinning(name="income", solver="cp").fit(x, default)
table = binning.binning_table.build()
row = table[table["Bin"] == "Missing"].iloc[0]
woe = float(binning.transform([np.nan], metric="woe")[0])
rate = float(binning.transform([np.nan], metric="event_rate")[0])
asked = float(binning.transform([np.nan], metric="woe", metric_missing="empirical")[0])
print(f"table, row Missing: count {row['Count']}, event rate {row['Event rate']:.4f}, WoE {row['WoE']:.4f}")
print(f"transform: WoE {woe}, event rate {rate}; with metric_missing='empirical' WoE {asked:.4f}")

frame = pd.DataFrame({"income": x})


def scored(**settings):
    card = Scorecard(
        binning_process=BinningProcess(["income"], **settings), estimator=LogisticRegression(),
        scaling_method="min_max", scaling_method_params={"min": 300, "max": 850},
    ).fit(frame, default)
    some = pd.DataFrame({"income": [np.nan, 3.0]})
    return card.predict_proba(some)[:, 1], card.score(some)


probability, points = scored()
better, better_points = scored(binning_transform_params={"income": {"metric_missing": "empirical"}})
print(f"missing defaulted: {default[:400].mean():.3f}; all: {default.mean():.3f}")
print(f"scorecard, default settings:  P(missing) {probability[0]:.3f}, points {points[0]:.0f} (worst bin {points[1]:.0f})")
print(f"scorecard, empirical missing: P(missing) {better[0]:.3f}, points {better_points[0]:.0f} (worst bin {better_points[1]:.0f})")
assert row["Event rate"] > 0.9 and row["WoE"] < -2, "the table no longer shows the risk of missing values"
assert woe == 0 and rate == 0, "transform uses the table's row for missing now"
assert abs(asked - row["WoE"]) < 1e-9, "metric_missing='empirical' no longer gives the table's weight"
assert probability[0] < 0.7 < 0.9 < better[0], "the scorecard now gives missing values their own risk"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
