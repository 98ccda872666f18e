#!/usr/bin/env bash
# fastavro 1.13.1 and avro 1.12.2 (Apache's own package for Python; Python 3.11)
#
# Guess:    in a union of numbers a value takes the branch that holds it exactly, in both packages: a Python float is "double", a whole
#           number is "long", wherever they stand. 3.7 for "int" is an error in both.
# Seen:     fastavro takes the first branch that fits, avro the last. Of ["null", "double", "float"] avro writes 0.1 as a float of 32
#           bits; of ["long", "double"] it writes every whole number as a double, so keys above 2**53 lose their end; of ["double",
#           "long"] it is fastavro that does. No order of the branches is right for both. And fastavro cuts 3.7 to 3 for "int", which
#           avro refuses; validator=True refuses it in fastavro too, and leaves the unions as they are.
# Output:   ["null", "double", "float"] 0.1: fastavro 0.1, avro 0.10000000149; ["long", "double"] 2**60 + 1: fastavro exact, avro
#           1.152921504606847e+18; ["double", "long"]: the other way round; "int" 3.7: fastavro 3, avro an error.
# Matters:  nullable columns of mixed numbers are such unions, and a schema made by another tool has them in its own order. A test by one
#           package says nothing about the other. One kind of number in a union, and keys as text.
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

import avro.errors
import avro.io
import avro.schema
import fastavro

LONG = 2**60 + 1


def by_avro(kind, value):
    schema, raw = avro.schema.parse(json.dumps(kind)), io.BytesIO()
    try:
        avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(raw))
    except avro.errors.AvroTypeException:
        return "refused"
    return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(raw.getvalue())))


def by_fastavro(kind, value, checked=False):
    record, raw = {"type": "record", "name": "row", "fields": [{"name": "x", "type": kind}]}, io.BytesIO()
    try:
        fastavro.writer(raw, record, [{"x": value}], validator=checked)
    except fastavro.validation.ValidationError:
        return "refused"
    raw.seek(0)
    return next(fastavro.reader(raw))["x"]


def seen(kind, value):
    answers = by_fastavro(kind, value), by_fastavro(kind, value, True), by_avro(kind, value)
    print(f"{json.dumps(kind):27} {value!r:20} fastavro {answers[0]!r}, with validator {answers[1]!r}, avro {answers[2]!r}")
    return answers


first, checked, last = seen(["null", "double", "float"], 0.1)
assert first == checked == 0.1 != last and abs(last - 0.1) < 1e-7, "double before float is treated otherwise now"
assert [seen(["null", "float", "double"], 0.1)[place] == 0.1 for place in (0, 2)] == [True, True]
first, checked, last = seen(["long", "double"], LONG)
assert first == checked == LONG != last, "long before double is treated otherwise now"
first, checked, last = seen(["double", "long"], LONG)
assert first == checked != LONG and last == LONG, "double before long is treated otherwise now"
assert seen("int", 3.7) == (3, "refused", "refused"), "fractions are treated otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
