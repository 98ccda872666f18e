#!/usr/bin/env bash
# avro 1.12.2 (Apache's own package for Python) and fastavro 1.13.1 (Python 3.11)
#
# Guess:    decimal(6, 2) holds what has at most two places: Decimal("1.5") is written as 150 hundredths and read as 1.50, and
#           what has more places is refused. Both packages give the same bytes.
# Seen:     avro refuses a third place, and writes fewer places without moving the point: the digits 15 of 1.5 become 15 hundredths.
#           1.5 is read as 0.15 by every reader, 100 as 1, Decimal("1E+3") as 0.01. The same sum as 1.50 is right. No error, none of
#           the checks of the type objects. bytes and fixed alike. fastavro moves the point.
# Output:   1.50 -> 1.50, 1.5 -> 0.15, 100 -> 1.00; by fastavro all equal.
# Matters:  Decimal("1.5") and Decimal("1.50") are equal and one program makes both: a sum, a round figure, normalize(). Amounts are
#           off by ten or a hundred in some rows only. Quantize to the scale before writing, and read back.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    avro==1.12.2 fastavro==1.13.1
cat > "$work/check.py" <<'PY'
import io
import json
from decimal import Decimal

import avro.errors
import avro.io
import avro.schema
import fastavro

KINDS = ({"type": "bytes"}, {"type": "fixed", "name": "amount", "size": 8})
VALUES = ("1.50", "1.5", "100", "1E+3")


def by_avro(kind, value):
    schema, raw = avro.schema.parse(json.dumps(kind)), io.BytesIO()
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(raw))
    return raw.getvalue()


def by_fastavro(kind, value):
    raw = io.BytesIO()
    fastavro.schemaless_writer(raw, kind, value)
    return raw.getvalue()


def read(kind, raw):
    schema = avro.schema.parse(json.dumps(kind))
    one = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(raw)))
    assert one == fastavro.schemaless_reader(io.BytesIO(raw), kind), "the two readers differ"
    return one


for base in KINDS:
    kind = {**base, "logicalType": "decimal", "precision": 6, "scale": 2}
    seen = {name: {text: read(kind, write(kind, Decimal(text))) for text in VALUES} for name, write in (("avro", by_avro), ("fastavro", by_fastavro))}
    for name, values in seen.items():
        print(f"{base['type']:5} by {name:8}", {text: str(value) for text, value in values.items()})
    assert all(value == Decimal(text) for text, value in seen["fastavro"].items())
    assert seen["avro"]["1.50"] == Decimal("1.50")
    wrong = {"1.5": Decimal("0.15"), "100": Decimal("1.00"), "1E+3": Decimal("0.01")}
    assert {text: seen["avro"][text] for text in wrong} == wrong, "avro moves the point now"
    try:
        by_avro(kind, Decimal("1.505"))
    except avro.errors.AvroException as error:
        print("      a third place:", error)
    else:
        raise AssertionError("a third place is written now")
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
