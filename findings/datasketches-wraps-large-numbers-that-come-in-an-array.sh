#!/usr/bin/env bash
# datasketches 5.2.0 (numpy 2.4.6, Python 3.11)
#
# Guess:    update(value) and update(array) say the same: a number that a sketch of ints cannot hold is refused by
#           both. Distinct ids of two days are counted once by a union, as long as the ids are equal.
# Seen:     1. Sketches of ints hold 32 bits. A single 3,000,000,000 raises TypeError; the same number in numpy's own
#              int64 array goes in as -1,294,967,296, and 2.7 in an array as 2. All three families do it, silently.
#           2. A distinct count (HLL, theta) hashes 7 and 7.0 differently. A column of ids with one missing value is
#              floats in pandas: the union with the complete day counts each id twice; the overlap is nearly none.
# Output:   median of [3e9] in three sketches -1294967296; union of 1,000 equal ids 2,001, Jaccard 0.0005.
# Matters:  amounts in cents, bytes and milliseconds since 1970 exceed 32 bits: the reference of a monitor is then
#           negative and its own tests, made with single values, never saw it. New customers seem to arrive on the day of a
#           gap. Check a sketch's minimum and maximum against the column's; make ids one type first.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    datasketches==5.2.0 numpy==2.4.6 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import numpy as np
import pandas as pd
from datasketches import (
    hll_sketch, hll_union, kll_ints_sketch, quantiles_ints_sketch, req_ints_sketch, theta_jaccard_similarity, update_theta_sketch,
)

amounts = np.full(10, 3_000_000_000)
for kind, size in ((kll_ints_sketch, 200), (quantiles_ints_sketch, 128), (req_ints_sketch, 12)):
    refused = []
    for value in (3_000_000_000, 2.7):
        try:
            kind(size).update(value)
        except TypeError:
            refused.append(value)
    large, parts = kind(size), kind(size)
    large.update(amounts)
    parts.update(np.array([2.7]))
    print(f"{kind.__name__:22} refuses {refused}; of an array it holds {large.get_quantile(0.5)} and {parts.get_max_value()}")
    assert refused == [3_000_000_000, 2.7], "single values are no longer refused"
    assert large.get_quantile(0.5) == large.get_min_value() == 3_000_000_000 - 2**32, "large numbers no longer wrap"
    assert parts.get_max_value() == 2, "fractions are no longer cut"

monday = pd.DataFrame({"customer": range(1000)})
tuesday = pd.DataFrame({"customer": [*range(1000), None]})
hll, theta = [], []
for day in (monday, tuesday):
    hll.append(hll_sketch(12))
    theta.append(update_theta_sketch(12))
    for customer in day["customer"].dropna().tolist():
        hll[-1].update(customer)
        theta[-1].update(customer)
union = hll_union(12)
for sketch in hll:
    union.update(sketch)
overlap = theta_jaccard_similarity.jaccard(*theta)[1]
print(f"equal customers on both days: {[round(sketch.get_estimate()) for sketch in hll]}, "
      f"union {union.get_estimate():.0f}, Jaccard {overlap:.4f}")
assert abs(union.get_estimate() - 2000) < 100, "7 and 7.0 are one id now"
assert overlap < 0.01, "7 and 7.0 are one id now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
