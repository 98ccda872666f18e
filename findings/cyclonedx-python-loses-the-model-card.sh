#!/usr/bin/env bash
# cyclonedx-python-lib 11.12.0 (Python 3.11)
#
# Guess:    a bill of materials that the library's own strict validator calls valid comes back whole when it is read and written: what
#           the library has no class for is carried along, or refused, or warned of.
# Seen:     Bom.from_json() drops what it does not know: the model card of a machine-learning model, the description of a data set, annotations,
#           compositions (which say what is known to be incomplete), formulation. Properties become a sorted set: one of two equal ones is
#           gone, and their order with it. No warning, no log line; the result is valid again. (That the library has no class for model cards is
#           its issue 912, open.)
# Output:   in: modelCard, data, annotations, compositions, formulation, steps "scale, impute, impute"; out: none of the five, steps
#           "impute, scale".
# Matters:  tools that merge, sign, enrich or convert a bill are written with this library. The intended use, the metrics and the limits of
#           a model are gone after one pass, and both files are valid. Change such a file as JSON, and compare the keys before and after.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    'cyclonedx-python-lib[json-validation]==11.12.0'
cat > "$work/check.py" <<'PY'
import json
import logging
import sys
import warnings

from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

warnings.simplefilter("error")
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
model = {
    "type": "machine-learning-model", "bom-ref": "model", "name": "credit", "version": "3",
    "modelCard": {
        "modelParameters": {"task": "classification", "datasets": [{"ref": "data"}]},
        "quantitativeAnalysis": {"performanceMetrics": [{"type": "auc", "value": "0.81", "slice": "age over 60"}]},
        "considerations": {"useCases": ["loans under 10,000"], "technicalLimitations": ["no data on the self-employed"]},
    },
    "properties": [{"name": "step", "value": value} for value in ("scale", "impute", "impute")],
}
data = {
    "type": "data", "bom-ref": "data", "name": "loans", "version": "1",
    "data": [{"type": "dataset", "name": "loans", "classification": "personal", "sensitiveData": ["income"]}],
}
note = {
    "bom-ref": "note", "subjects": ["model"], "annotator": {"individual": {"name": "Review"}},
    "timestamp": "2026-01-01T00:00:00Z", "text": "approved until June",
}
bill = {
    "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [model, data], "annotations": [note],
    "compositions": [{"aggregate": "incomplete", "assemblies": ["model"]}], "formulation": [{"bom-ref": "recipe"}],
}
valid = JsonStrictValidator(SchemaVersion.V1_6)
assert valid.validate_str(json.dumps(bill)) is None
text = JsonV1Dot6(Bom.from_json(bill)).output_as_string()
assert valid.validate_str(text) is None
back = json.loads(text)
after = {component["bom-ref"]: component for component in back["components"]}
lost = sorted(set(bill) - set(back)), sorted(set(model) - set(after["model"])), sorted(set(data) - set(after["data"]))
steps = [one["value"] for one in after["model"]["properties"]]
print("lost of the bill, the model and the data:", *lost)
print("steps before: scale, impute, impute; after:", ", ".join(steps))
assert lost[0] == ["annotations", "compositions", "formulation"], "other parts of the bill are kept now"
assert lost[1] == ["modelCard"], "the model card is kept now"
assert lost[2] == ["data"], "the description of the data is kept now"
assert steps == ["impute", "scale"], "properties keep their order now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
