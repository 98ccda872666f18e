#!/usr/bin/env bash
# ddsketch 3.0.1 (crick 0.0.8 and numpy 2.4.6 to compare, Python 3.11)
#
# Guess:    a quantile sketch of latencies leaves values that are not a number out (as t-digests do), or refuses them.
# Seen:     DDSketch.add(nan) counts one more zero: NaN is neither above the smallest positive number nor below the
#           smallest negative one, and what is neither is zero. Count goes up, quantiles slide down to 0, the average becomes
#           NaN, and a merge hands all of it on. A crick t-digest of the same values leaves them out.
# Output:   1,000 latencies around 100 ms, then 400 and 1,500 that are not a number: the 20th percentile goes from 91 to 0
#           with 400, the median from 99 to 0 with 1,500; the t-digest stays at 91 and 99.
# Matters:  a request that timed out and was measured as NaN makes the service look fast, and a share of missing values
#           looks like drift towards zero. Infinity raises, so nobody expects NaN to pass: take both out before a sketch and
#           count them by themselves.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check ddsketch==3.0.1 crick==0.0.8 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import math

import numpy as np
from crick import TDigest
from ddsketch import DDSketch

latencies = np.random.default_rng(0).normal(100, 10, 1000)


def look(missing):
    values = np.append(latencies, np.full(missing, np.nan))
    first, second, digest = DDSketch(0.01), DDSketch(0.01), TDigest()
    for value in values[::2].tolist():
        first.add(value)
    for value in values[1::2].tolist():
        second.add(value)
    first.merge(second)
    digest.update(values)
    seen = [first.get_quantile_value(part) for part in (0.2, 0.5)]
    other = [float(digest.quantile(part)) for part in (0.2, 0.5)]
    print(f"{missing:4} not a number: DDSketch counts {first.count:.0f}, p20 {seen[0]:.1f}, median {seen[1]:.1f}, "
          f"average {first.avg:.1f}; t-digest counts {digest.size():.0f}, p20 {other[0]:.1f}, median {other[1]:.1f}")
    return seen, other, first


whole, digest_whole, _ = look(0)
some, digest_some, _ = look(400)
many, digest_many, sketch = look(1500)
assert abs(whole[0] - 91) < 2 and abs(whole[1] - 99) < 2
assert digest_whole == digest_some == digest_many, "the t-digest counts NaN now"
assert some[0] == 0, "NaN is no longer counted as zero"
assert many[1] == 0 and sketch.count == 2500 and math.isnan(sketch.avg), "NaN is no longer counted as zero"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
