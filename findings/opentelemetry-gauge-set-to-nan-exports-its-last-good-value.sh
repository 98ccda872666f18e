#!/usr/bin/env bash
# opentelemetry-sdk 1.45.2 with its Prometheus exporter 0.66b2, and prometheus-client 0.26.0 (Python 3.11)
#
# Guess:    a figure that could not be computed is set to NaN, and both clients show NaN, the value that Prometheus has
#           for "unknown". One observation of NaN in a histogram is one more that is counted.
# Seen:     1. OpenTelemetry ignores the set (it says so in a log of its own), and goes on exporting the last value as if it
#              were new, for as long as the process lives. A gauge read by a callback vanishes instead.
#           2. prometheus-client exports NaN. But a NaN in its histogram is in no bucket, so not in the count either,
#              while the sum is NaN until the process ends; its Summary counts it. Its own OpenMetrics reader then
#              refuses the whole page that its own writer made.
# Output:   gauge after set(0.02), set(nan): OpenTelemetry 0.02, prometheus-client NaN; count of three observations
#           with one NaN: histogram 2, summary 3.
# Matters:  an alert on drift, error or freshness reads the last good figure exactly when it can no longer be computed.
#           Export the time of the last computed figure beside it and alert on its age. Never observe NaN:
#           sum / count is gone for good.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    opentelemetry-sdk==1.45.2 opentelemetry-exporter-prometheus==0.66b2 prometheus-client==0.26.0
cat > "$work/check.py" <<'PY'
import logging
import math

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, Histogram, Summary
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

logging.disable(logging.WARNING)
known = {"drift": 0.02}
meter = MeterProvider([PrometheusMetricReader()]).get_meter("monitor")
gauge = meter.create_gauge("set_drift")
meter.create_observable_gauge("read_drift", callbacks=[lambda _: [Observation(known["drift"])]])


def exported(registry):
    return {sample.name: sample.value for family in registry.collect() for sample in family.samples if "bucket" not in sample.name}


gauge.set(0.02)
before = exported(REGISTRY)
gauge.set(math.nan)
known["drift"] = math.nan
after = [exported(REGISTRY) for _ in range(3)]
print("opentelemetry, set by hand:    ", before["set_drift"], "then", [some.get("set_drift") for some in after])
print("opentelemetry, by a callback:  ", before["read_drift"], "then", [some.get("read_drift") for some in after])
assert before["set_drift"] == before["read_drift"] == 0.02
assert all(some["set_drift"] == 0.02 for some in after), "a gauge set to NaN no longer keeps its last value"
assert not any("read_drift" in some for some in after), "a callback's NaN is exported now"

registry = CollectorRegistry()
other = Gauge("set_drift", "drift", registry=registry)
histogram = Histogram("latency", "seconds", registry=registry)
summary = Summary("duration", "seconds", registry=registry)
other.set(0.02)
other.set(math.nan)
for value in (0.1, math.nan, 0.3):
    histogram.observe(value)
    summary.observe(value)
seen = exported(registry)
print("prometheus-client, set by hand:", seen["set_drift"])
print("prometheus-client, of three observations: histogram", seen["latency_count"], "summary", seen["duration_count"],
      "sums", seen["latency_sum"], seen["duration_sum"])
try:
    list(text_string_to_metric_families(generate_latest(registry).decode()))
    refused = ""
except ValueError as error:
    refused = str(error)
print("its OpenMetrics reader says:", refused)
assert math.isnan(seen["set_drift"]), "prometheus-client no longer exports NaN"
assert seen["latency_count"] == 2 and seen["duration_count"] == 3, "NaN is counted otherwise now"
assert math.isnan(seen["latency_sum"]), "the sum is no longer NaN"
assert refused, "the reader takes its writer's page now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
