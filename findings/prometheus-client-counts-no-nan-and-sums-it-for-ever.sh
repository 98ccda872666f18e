#!/usr/bin/env bash
# prometheus_client 0.26.0, opentelemetry-sdk 1.45.2 (Python 3.11)
#
# Guess:    a histogram that observes not a number refuses it or counts it in the last bucket (as the client for Go does), so that
#           its count is that of the observations, as a summary's is; and a counter refuses it, as it refuses -1.
# Seen:     the histogram adds it to no bucket, so that count leaves it out, and to the sum, which is not a number from then on; so is
#           a counter after inc(nan), while inc(-1) raises. Summary counts it. No word of it. OpenTelemetry's SDK leaves such a
#           value out with a line in the log.
# Output:   0.1, NaN, 0.9 and 97 times 0.5: histogram 99 and NaN (count and sum), summary 100 and NaN, OpenTelemetry 99 and 49.5.
# Matters:  one bad row, and the mean that a dashboard draws (rate of the sum by rate of the count) is empty until the process is
#           started again; an alert on it never fires, since NaN > x is false. The count hides how many there were, and
#           histogram and summary of the same calls differ. Look before observe(), and count what was left out by itself.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    prometheus_client==0.26.0 opentelemetry-sdk==1.45.2
cat > "$work/check.py" <<'PY'
import logging
import math

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, generate_latest

scores = [0.1, float("nan"), 0.9] + [0.5] * 97
logged = []
logging.getLogger().addHandler(type("Kept", (logging.Handler,), {"emit": lambda self, record: logged.append(record.getMessage())})())

registry = CollectorRegistry()
histogram = Histogram("h", "scores", buckets=(0.25, 0.75), registry=registry)
summary = Summary("s", "scores", registry=registry)
counter = Counter("c", "cost", registry=registry)
for score in scores:
    histogram.observe(score)
    summary.observe(score)
for cost in (1.0, float("nan"), 1.0):
    counter.inc(cost)
try:
    counter.inc(-1)
    negative = "taken"
except ValueError as error:
    negative = str(error)
read = registry.get_sample_value
said_by_prometheus = list(logged)

reader = InMemoryMetricReader()
other = MeterProvider([reader]).get_meter("scores").create_histogram("h")
for score in scores:
    other.record(score)
point = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]
said_by_opentelemetry = logged[len(said_by_prometheus):]

print(generate_latest(registry).decode())
print("histogram:", read("h_count"), read("h_sum"), "summary:", read("s_count"), read("s_sum"), "counter:", read("c_total"))
print("a negative increment:", negative)
print("OpenTelemetry:", point.count, point.sum, said_by_opentelemetry)
assert read("h_count") == read("h_bucket", {"le": "+Inf"}) == 99, "the histogram counts not a number now, or refuses it"
assert math.isnan(read("h_sum")), "the histogram's sum stays a number now"
assert read("s_count") == 100 and math.isnan(read("s_sum")), "the summary leaves it out now"
assert math.isnan(read("c_total")) and "taken" not in negative, "the counter refuses it now"
assert not said_by_prometheus, "there is a word of it now"
assert point.count == 99 and abs(point.sum - 49.5) < 1e-9 and len(said_by_opentelemetry) == 1
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
