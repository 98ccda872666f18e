#!/usr/bin/env bash
# fhir.resources 8.3.0 (pydantic 2.14.4, Python 3.11)
#
# Guess:    a measured value is a decimal.Decimal in this library, and FHIR says that a decimal's digits are part of
#           its meaning (7.00 is more exact than 7.0), so a resource that is read and written says the same number.
# Seen:     reading JSON goes through a float before the Decimal is made: 7.00 becomes Decimal("7.0"), and
#           0.1234567890123456789 ends after 17 digits. A resource made from exact Decimals holds them exactly, and they are
#           made floats when it is written, also by model_dump() as a dictionary. Whole numbers are kept. No warning.
# Output:   7.00 -> 7.0, 1.10 -> 1.1, 0.1234567890123456789 -> 0.12345678901234568, from text and from Decimals alike.
# Matters:  rows of a laboratory lose how exactly they were measured, and a resource that was only read and written
#           has another digest, so a signature over its text fails. The type Decimal in a model says nothing about the
#           way in and out: keep the text as it came, and read numbers with parse_float=Decimal.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    fhir.resources==8.3.0 fhir-core==1.1.12 pydantic==2.14.4
cat > "$work/check.py" <<'PY'
import json
from decimal import Decimal

from fhir.resources.observation import Observation

measured = ["7.00", "1.10", "0.1234567890123456789", "123456789012345678"]


def resource(value):
    return {
        "resourceType": "Observation", "status": "final", "code": {"text": "potassium"},
        "valueQuantity": {"value": value, "unit": "mmol/L"},
    }


def written(observation):
    return json.loads(observation.model_dump_json(), parse_float=str, parse_int=str)["valueQuantity"]["value"]


seen = {}
for digits in measured:
    text = json.dumps(resource(0)).replace('"value": 0', f'"value": {digits}')
    assert digits in text
    read = Observation.model_validate_json(text)
    made = Observation.model_validate(resource(Decimal(digits)))
    seen[digits] = read.valueQuantity.value, written(read), made.valueQuantity.value, written(made)
    print(f"{digits}: read {seen[digits][0]!r}, written {seen[digits][1]}; made {seen[digits][2]!r}, written {seen[digits][3]}")
    assert isinstance(read.valueQuantity.value, Decimal)
dumped = Observation.model_validate(resource(Decimal("7.00"))).model_dump()["valueQuantity"]["value"]
print("as a dictionary:", repr(dumped))
assert all(made == Decimal(digits) and str(made) == digits for digits, (_, _, made, _) in seen.items()), "made otherwise"
assert str(seen["7.00"][0]) == "7.0" and seen["7.00"][1] == seen["7.00"][3] == "7.0", "the digits of 7.00 are kept now"
assert seen["1.10"][1] == seen["1.10"][3] == "1.1", "the digits of 1.10 are kept now"
assert seen[measured[2]][1] == seen[measured[2]][3] == "0.12345678901234568", "long decimals are kept now"
assert seen[measured[3]][1] == seen[measured[3]][3] == measured[3], "whole numbers are no longer kept"
assert isinstance(dumped, float), "a dictionary keeps the Decimal now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
