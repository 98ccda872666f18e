#!/usr/bin/env bash
# tritonclient 2.73.0 (numpy 2.4.6, pandas 3.1.1, Python 3.11)
#
# Guess:    an object array with None or NaN in a BYTES input is refused, as a wrong type is (an array of floats for BYTES
#           raises InferenceServerException), or sent as JSON null where the input goes as JSON.
# Seen:     each element goes through str(): None is sent as the text "None", NaN as "nan", pandas' NA as "<NA>", in the
#           binary form and as JSON alike, without a word. The same missing cell so becomes another category for each dtype of
#           the pandas column that it came from. A missing number is sent as such in the binary form; with binary_data=False
#           the body holds a bare NaN, which is no JSON.
# Output:   ["a", None, nan] → "a", "None", "nan"; columns of dtype object "None", str and category "nan", string "<NA>";
#           numbers [1.5,NaN]
# Matters:  to a model with categories these are new categories or, worse, a category that somebody is called. A server cannot
#           tell: the client has to send the model's own word for missing (here the empty text), and to count what it replaces.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    "tritonclient[http]==2.73.0" numpy==2.4.6 pandas==3.1.1
cat > "$work/check.py" <<'PY'
import json
import struct

import numpy as np
import pandas as pd
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def sent(values, datatype, binary):
    tensor = triton.InferInput("carrier", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return triton.InferenceServerClient.generate_request_body([tensor])


def texts(values):
    body, length = sent(values, "BYTES", True)
    packed, read = body[length:], []
    while packed:
        (size,) = struct.unpack_from("<I", packed)
        read.append(packed[4 : 4 + size].decode())
        packed = packed[4 + size :]
    body, _ = sent(values, "BYTES", False)
    assert json.loads(body)["inputs"][0]["data"] == read, "both forms send the same"
    return read


mixed = np.array(["a", None, float("nan")], dtype=object)
columns = {kind: pd.Series(["a", None], dtype=kind).to_numpy(dtype=object) for kind in ("object", "str", "string", "category")}
print("object array:", texts(mixed), {kind: texts(column)[1] for kind, column in columns.items()})
assert texts(mixed) == ["a", "None", "nan"]
assert {kind: texts(column)[1] for kind, column in columns.items()} == {"object": "None", "str": "nan", "string": "<NA>", "category": "nan"}

body, _ = sent(np.array([1.5, np.nan]), "FP64", False)
print("numbers as JSON:", body.decode())
assert b'"data":[1.5,NaN]' in body

try:
    sent(np.array([1.5]), "BYTES", True)
except InferenceServerException as error:
    print("a float array as BYTES:", str(error)[:60])
else:
    raise SystemExit("an array of floats was taken as BYTES")
PY
"$work/venv/bin/python" "$work/check.py"
