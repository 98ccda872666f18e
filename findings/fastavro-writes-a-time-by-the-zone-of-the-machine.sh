#!/usr/bin/env bash
# fastavro 1.13.1, avro 1.12.2 (Python 3.11)
#
# Guess:    a datetime without a zone in a field of timestamp-millis is refused, or taken as UTC; the same program writes the same
#           file on every machine.
# Seen:     fastavro takes it in the zone of the machine, and gives it back as UTC. The reference library refuses it. With
#           local-timestamp-millis nothing is shifted.
# Output:   12:00 on the 1st of July is read as 12:00 UTC where the writer ran with TZ=UTC, as 16:00 with America/New_York, as 10:00 with
#           Europe/Berlin, where 02:30 and 03:30 of the 29th of March become one moment.
# Matters:  times from a database come without a zone and mean UTC. A container in UTC writes them right, the laptop or the
#           server that fills a gap writes the same rows hours away, and joins by time find another row. Set a zone before
#           writing (replace(tzinfo=UTC)), or run the writer once under another TZ and compare the files.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    fastavro==1.13.1 avro==1.12.2
cat > "$work/check.py" <<'PY'
import io
import json
import os
import time
from datetime import datetime

import avro.errors
import avro.io
import avro.schema
import fastavro

noon = datetime(2026, 7, 1, 12)


def kind(name):
    return {"type": "long", "logicalType": name}


def round_trip(value, name):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, kind(name), value)
    content = buffer.getvalue()
    return content, fastavro.schemaless_reader(io.BytesIO(content), kind(name)).isoformat()


def by_reference(value):
    writer = avro.io.DatumWriter(avro.schema.parse(json.dumps(kind("timestamp-millis"))))
    try:
        writer.write(value, avro.io.BinaryEncoder(io.BytesIO()))
    except avro.errors.AvroTypeException:
        return "refused"
    return "taken"


seen, files, night = {}, set(), {}
for place in ("UTC", "America/New_York", "Europe/Berlin"):
    os.environ["TZ"] = place
    time.tzset()
    content, read = round_trip(noon, "timestamp-millis")
    files.add(content)
    seen[place] = read, round_trip(noon, "local-timestamp-millis")[1], by_reference(noon)
    night[place] = [round_trip(datetime(2026, 3, 29, hour, 30), "timestamp-millis")[1][11:16] for hour in (1, 2, 3)]
    print(f"{place:17} {seen[place]} 01:30, 02:30, 03:30 of the 29th of March: {night[place]}")
assert seen["UTC"][0] == "2026-07-01T12:00:00+00:00"
assert seen["America/New_York"][0] == "2026-07-01T16:00:00+00:00", "the zone of the machine no longer counts"
assert seen["Europe/Berlin"][0] == "2026-07-01T10:00:00+00:00"
assert len(files) == 3
assert all(row[1] == "2026-07-01T12:00:00" and row[2] == "refused" for row in seen.values())
assert len(set(night["UTC"])) == 3 and len(set(night["Europe/Berlin"])) == 2, "the skipped hour is a moment of its own now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
