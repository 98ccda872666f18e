#!/usr/bin/env bash
# hdrhistogram 0.10.8 (Python 3.11)
#
# Guess:    a latency above the highest trackable value is refused, or counted in the last bucket; the total is the number of
#           calls that were recorded. A fraction is refused, or the histogram keeps it to its digits.
# Seen:     record_value() returns False and counts nothing, neither the value nor the total (the Java original throws). All figures
#           are those of the calls below the ceiling. add() of such a histogram does raise. A fraction is cut
#           down to a whole number: latencies in seconds are 0.
# Output:   10,000 calls, 2 % of them of 90 s, under a ceiling of 60 s: total 9,800, p99 20 ms, largest 20 ms; with a ceiling
#           of 1 h: 10,000, p99 90 s. 0.2 s and 0.9 s recorded in seconds: largest 0.
# Matters:  when a model hangs, p99 gets no worse and the count goes down: the report of a load test and the gate upon it pass
#           because of the calls that failed them. Put the ceiling above the time-out, look at what record_value() returns, and compare
#           the total with the calls.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    hdrhistogram==0.10.8
cat > "$work/check.py" <<'PY'
from hdrh.histogram import HdrHistogram

calls = [20_000] * 9_800 + [90_000_000] * 200  # microseconds


def figures(ceiling):
    histogram = HdrHistogram(1, ceiling, 3)
    answers = [histogram.record_value(call) for call in calls]
    return histogram, {
        "refused": answers.count(False), "total": histogram.get_total_count(),
        "p99": histogram.get_value_at_percentile(99), "largest": histogram.get_max_value(),
    }


low, under_a_minute = figures(60_000_000)
high, under_an_hour = figures(3_600_000_000)
seconds = HdrHistogram(1, 3_600, 3)
for latency in (0.2, 0.9):
    assert seconds.record_value(latency)
cut = seconds.get_total_count(), seconds.get_max_value()
try:
    low.add(high)
    added = "taken"
except IndexError as error:
    added = str(error)
print("ceiling of 1 minute:", under_a_minute)
print("ceiling of 1 hour:  ", under_an_hour)
print("one added to the other:", added)
print("0.2 and 0.9 recorded in seconds: total and largest", cut)
assert under_an_hour["total"] == 10_000 and under_an_hour["p99"] > 89_000_000
assert under_a_minute["refused"] == 200 and under_a_minute["total"] == 9_800, "what is above the ceiling is counted now"
assert under_a_minute["p99"] < 20_100 and under_a_minute["largest"] < 20_100, "the figures show the slow calls now"
assert "do not fit" in added, "add() takes them now"
assert cut == (2, 0), "fractions are kept or refused now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
