#!/usr/bin/env bash
# structlog 26.1.0, python-json-logger 4.2.0 (also with orjson 3.13.0), loguru 0.7.3 (numpy 2.4.6, Python 3.11)
#
# Guess:    a figure in a structured log is a number in its JSON, or an error as json.dumps gives for types of NumPy.
# Seen:     all three write what json does not know as its text: accuracy=np.float32(0.97) is "0.97" or "np.float32(0.97)", a count
#           np.int64(3) is "3" or "np.int64(3)", np.False_ is "False" or "np.False_", and an array the text of an array. np.float64 stays a
#           number, being a Python float, but not in python-json-logger's form by orjson, which makes it "0.5". No warning. NaN is
#           written as NaN, which is no JSON, and as null by orjson.
# Output:   float32 0.97: structlog "np.float32(0.97)", python-json-logger "0.97", loguru "0.97"; float64 0.5: 0.5, and "0.5" by orjson.
# Matters:  one field is a number from one code path and a text from another: a store of logs refuses the second kind or an alert
#           on "accuracy < 0.9" skips it, and a text "False" is true. Call float(), int() and bool() before logging a figure.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    structlog==26.1.0 python-json-logger==4.2.0 loguru==0.7.3 orjson==3.13.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import io
import json
import logging
import math

import loguru
import numpy as np
import structlog
from pythonjsonlogger.json import JsonFormatter
from pythonjsonlogger.orjson import OrjsonFormatter

EVENT = {"float32": np.float32(0.97), "int64": np.int64(3), "flag": np.bool_(False), "float64": np.float64(0.5), "nan": math.nan}


def by_logging(formatter):
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter)
    log = logging.Logger("figures")
    log.addHandler(handler)
    log.warning("scored", extra=EVENT)
    return json.loads(text.getvalue())


def by_loguru():
    text = io.StringIO()
    loguru.logger.remove()
    loguru.logger.add(text, serialize=True)
    loguru.logger.bind(**EVENT).info("scored")
    return json.loads(text.getvalue())["record"]["extra"]


seen = {
    "structlog": json.loads(structlog.processors.JSONRenderer()(None, "info", dict(EVENT))),
    "python-json-logger": by_logging(JsonFormatter()),
    "the same by orjson": by_logging(OrjsonFormatter()),
    "loguru": by_loguru(),
}
for name, row in seen.items():
    print(f"{name:19}", {key: row[key] for key in EVENT})
try:
    json.dumps({"float32": EVENT["float32"]})
    refused = ""
except TypeError as error:
    refused = str(error)
print("json says:", refused)
assert refused
for name, row in seen.items():
    assert all(isinstance(row[key], str) and row[key] for key in ("float32", "int64", "flag")), f"{name} writes numbers now"
assert seen["structlog"]["float32"] == "np.float32(0.97)" and seen["python-json-logger"]["flag"] == "False"
assert all(seen[name]["float64"] == 0.5 for name in ("structlog", "python-json-logger", "loguru"))
assert seen["the same by orjson"]["float64"] == "0.5" and seen["the same by orjson"]["nan"] is None
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
