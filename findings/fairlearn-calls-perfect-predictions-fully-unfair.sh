#!/usr/bin/env bash
# fairlearn 0.15.0 (scikit-learn 1.9.1, pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    equalized_odds_difference of predictions that are all right is 0 (nothing to complain of), or missing where
#           a group cannot be judged.
# Seen:     it is 1.0, the worst value there is, as soon as one group has no positive case in the window. The recall of
#           nothing is set to 0 for that group and 1 for the others; equal_opportunity_difference does the same.
#           fairlearn sets it without a warning, scikit-learn's recall_score would warn.
#           The error goes the other way too: with wrong predictions everywhere and no positive in a group, the
#           difference can be 0 (two zeros for two reasons).
# Output:   perfect predictions: 1.0 without, 0.0 with a positive case in each group; a blind model: 0.0.
# Matters:  windows are short and groups are small, so a group without a positive case is the usual day, not the
#           exception: a fairness gate on the difference fires on a perfect model, and a monitor draws spikes to 1.0.
#           A slice without positives is "not judged (no positive case)", never 0: count the cases beside each figure.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    fairlearn==0.15.0 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    count,
    equal_opportunity_difference,
    equalized_odds_difference,
    true_positive_rate,
)

group = np.array(["north"] * 6 + ["south"] * 4)
truth = np.array([1, 0, 1, 0, 1, 0] + [0, 0, 0, 0])
with_positive = np.array([1, 0, 1, 0, 1, 0] + [0, 1, 0, 0])

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    perfect = equalized_odds_difference(truth, truth, sensitive_features=group)
    opportunity = equal_opportunity_difference(truth, truth, sensitive_features=group)
    judged = equalized_odds_difference(with_positive, with_positive, sensitive_features=group)
    by_group = MetricFrame(
        metrics={"recall": true_positive_rate, "cases": count}, y_true=truth, y_pred=truth, sensitive_features=group
    ).by_group
    nothing_found = np.zeros_like(truth)
    blind = equal_opportunity_difference(truth, nothing_found, sensitive_features=group)
print("perfect predictions, south without a positive case: equalized odds", perfect, "| equal opportunity", opportunity)
print("perfect predictions, south with one positive case:  equalized odds", judged)
print("no positive found anywhere:                         equal opportunity", blind)
print(by_group.to_string())
print("warnings:", len(caught))
assert perfect == 1.0 and opportunity == 1.0, "perfect predictions are no longer called fully unfair"
assert judged == 0.0, "perfect predictions with a positive case in each group are unfair now"
assert blind == 0.0, "a model that finds nothing is no longer called fair"
assert by_group.loc["south", "recall"] == 0, "the recall of a group without positive cases is no longer 0"
assert not caught, "fairlearn warns now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
