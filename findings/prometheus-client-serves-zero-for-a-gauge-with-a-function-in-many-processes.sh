#!/usr/bin/env bash
# prometheus-client 0.26.0 (Python 3.11)
#
# Guess:    a gauge whose value is a function (set_function) shows what the function gives in multi-process mode too, or is refused
#           or left out there, as collectors of one's own are.
# Seen:     the function is never called: the gauge is there, with its name, its help and the number of the process, and is 0. The same in
#           every mode but the most recent one, which leaves it out. Exemplars of counters and histograms are taken and are gone too. No warning.
# Output:   a queue of 42: 42.0 in one process, 0.0 with PROMETHEUS_MULTIPROC_DIR; a gauge set to 7 is 7.0 in both. A counter's
#           exemplar is in the text for OpenMetrics in one process, in many it is not.
# Matters:  set_function is how lengths of queues, ages of models and free memory are shown, and the variable is set where the service goes
#           behind gunicorn: an alert on "queue over 100" or "model older than a day" is silent from then on, and 0 is a good value. Set
#           the gauge when something changes, and look at one value that is never 0.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    prometheus-client==0.26.0
cat > "$work/check.py" <<'PY'
import json
import os
import sys

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, multiprocess
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.exposition import generate_latest as plain

modes = ("all", "liveall", "livesum", "max")
for mode in modes:
    Gauge(f"queue_{mode}", "what waits", multiprocess_mode=mode).set_function(lambda: 42)
Gauge("shown", "set by hand").set(7)
Counter("done", "what is done").inc(3, exemplar={"trace": "4bf92f35"})
registry = REGISTRY
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
values = {
    sample.name: sample.value
    for family in text_string_to_metric_families(plain(registry).decode())
    for sample in family.samples
    if sample.name.startswith(("queue_", "shown", "done_total"))
}
json.dump({"values": values, "exemplar": b"4bf92f35" in generate_latest(registry)}, sys.stdout)
PY
cat > "$work/compare.py" <<'PY'
import json
import sys

one, many = (json.loads(open(name).read()) for name in sys.argv[1:])
print("in one process:", one)
print("in many:       ", many)
queues = [name for name in one["values"] if name.startswith("queue_")]
assert len(queues) == 4 and all(one["values"][name] == 42 for name in queues) and one["exemplar"]
assert one["values"]["shown"] == many["values"]["shown"] == 7 and one["values"]["done_total"] == many["values"]["done_total"] == 3
assert all(many["values"].get(name) == 0 for name in queues), "the function is called now, or the gauge is left out"
assert not many["exemplar"], "exemplars are shown in many processes now"
PY
mkdir "$work/many"
nice -n 10 "$work/venv/bin/python" "$work/check.py" > "$work/one.json"
PROMETHEUS_MULTIPROC_DIR="$work/many" nice -n 10 "$work/venv/bin/python" "$work/check.py" > "$work/many.json"
"$work/venv/bin/python" "$work/compare.py" "$work/one.json" "$work/many.json"
echo "behaviour as described"
