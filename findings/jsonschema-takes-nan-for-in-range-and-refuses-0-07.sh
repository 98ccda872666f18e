#!/usr/bin/env bash
# jsonschema 4.26.0, fastjsonschema 2.22.3, jsonschema-rs 0.61.2, Cerberus 1.3.8, marshmallow 4.4.0, pydantic 2.14.4, msgspec 0.23.0
# (Python 3.11)
#
# Guess:    not a number, which Python's own json reads, lies in no range, for any validator. An amount with two decimals is
#           a multiple of 0.01, or none is, and validators of one standard agree.
# Seen:     jsonschema, fastjsonschema, Cerberus and marshmallow's Range ask "is it below the smallest?": NaN passes both bounds, exclusive
#           ones too. jsonschema-rs, pydantic and msgspec refuse it. jsonschema divides by 0.01 and looks for a whole number: one amount in nine
#           is refused; the other two take every one.
# Output:   {"minimum": 0, "maximum": 1} with NaN: passes in jsonschema, fastjsonschema, Cerberus, Range; refused in three. Of 0.00 to 999.99:
#           jsonschema refuses 11,426 of 100,000, the first 0.07, 0.14, 0.28, 0.29.
# Matters:  a probability that must lie in 0 to 1 is the check of a serving layer: the NaN of a broken model goes through it, and through one
#           language's validator and not the other's. Amounts are refused by their digits. Ask for finite numbers
#           by themselves, and give amounts as whole cents.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    jsonschema==4.26.0 fastjsonschema==2.22.3 jsonschema-rs==0.61.2 cerberus==1.3.8 marshmallow==4.4.0 pydantic==2.14.4 msgspec==0.23.0
cat > "$work/check.py" <<'PY'
import json
import typing

import cerberus
import fastjsonschema
import jsonschema
import jsonschema_rs
import marshmallow
import msgspec
import pydantic

bounds = {"type": "number", "minimum": 0, "maximum": 1}
exclusive = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}


def by(call, *refusals):
    def accepts(value):
        try:
            return call(value) is not False
        except refusals:
            return False

    return accepts


def of_a_schema(schema):
    return {
        "jsonschema": jsonschema.Draft202012Validator(schema).is_valid,
        "fastjsonschema": by(fastjsonschema.compile(schema), fastjsonschema.JsonSchemaValueException),
        "jsonschema-rs": jsonschema_rs.validator_for(schema).is_valid,
    }


class Answer(marshmallow.Schema):
    p = marshmallow.fields.Float(allow_nan=True, validate=marshmallow.validate.Range(0, 1))


by_pydantic = pydantic.TypeAdapter(typing.Annotated[float, pydantic.Field(ge=0, le=1)])
by_msgspec = typing.Annotated[float, msgspec.Meta(ge=0, le=1)]
validators = {
    **of_a_schema(bounds),
    "Cerberus": by(lambda p: cerberus.Validator({"p": {"type": "float", "min": 0, "max": 1}}).validate({"p": p})),
    "marshmallow": by(lambda p: Answer().load({"p": p}), marshmallow.ValidationError),
    "pydantic": by(by_pydantic.validate_python, pydantic.ValidationError),
    "msgspec": by(lambda p: msgspec.convert(p, by_msgspec), msgspec.ValidationError),
}
nan = json.loads('{"p": NaN}')["p"]
for name, accepts in validators.items():
    assert accepts(0.5) and not accepts(1.5) and not accepts(-0.5), name
taken = [name for name, accepts in validators.items() if accepts(nan)]
taken_exclusive = [name for name, accepts in of_a_schema(exclusive).items() if accepts(nan)]
amounts = [float(f"{cents // 100}.{cents % 100:02d}") for cents in range(100_000)]
refused = {name: [x for x in amounts if not accepts(x)] for name, accepts in of_a_schema({"multipleOf": 0.01}).items()}
print("NaN is from 0 to 1 by:", ", ".join(taken), "; strictly between by:", ", ".join(taken_exclusive))
print("amounts of 100,000 that are no multiple of 0.01:", {name: (len(them), them[:4]) for name, them in refused.items()})
assert taken == ["jsonschema", "fastjsonschema", "Cerberus", "marshmallow"], "other validators take NaN now"
assert taken_exclusive == ["jsonschema", "fastjsonschema"], "exclusive bounds are otherwise now"
assert len(refused["jsonschema"]) == 11_426 and refused["jsonschema"][:2] == [0.07, 0.14], "jsonschema counts otherwise now"
assert not refused["fastjsonschema"] and not refused["jsonschema-rs"], "the others refuse amounts now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
