#!/usr/bin/env bash
# onnxruntime 1.32.0 (onnx 1.23.2 with its reference evaluator to compare, numpy 2.4.6, Python 3.11)
#
# Guess:    the largest of values of which one is not a number is not a number, as in NumPy and in ONNX's own evaluator; if not, it
#           is left out. Either way where it stands in the row does not matter.
# Seen:     ReduceMax, ReduceMin and ArgMax answer not a number (ArgMax its place) when it is the first of the row, and leave it
#           out at any other place. GlobalMaxPool begins anew behind it: the answer is the largest of what follows, and not a number only
#           when it is the last. In float and double. ONNX's evaluator gives not a number each time. No warning.
# Output:   20 values, one of them not a number, at places 0, 1, 10, 19: ReduceMax nan, 1.3, 1.3, 1.3; ArgMax 0, 6, 6, 6 (evaluator: 0,
#           1, 10, 19); GlobalMaxPool 1.3, 1.3, 1.04, nan (the 1.3 is at place 6).
# Matters:  a network that takes the maximum over time answers as if nothing were missing, unless the gap is in the first step (or the
#           last): the check "no answer is not a number" guards one place of twenty, and the class of a row with a broken
#           logit looks like any other. Count missing values at the entrance of the model, not at its exit.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

PLACES = (0, 1, 10, 19)


def both(kind, rows):
    """The answer of ONNX Runtime and of ONNX's evaluator for the maximum over the last axis."""
    number = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[rows.dtype.name]
    names, constants, settings = ["x"], [], {}
    if kind.startswith("Reduce"):
        names, constants, settings = ["x", "axes"], [helper.make_tensor("axes", TensorProto.INT64, [1], [-1])], {"keepdims": 0}
    elif kind == "ArgMax":
        settings = {"axis": -1, "keepdims": 0}
    graph = helper.make_graph(
        [helper.make_node(kind, names, ["y"], **settings)], "graph", [helper.make_tensor_value_info("x", number, rows.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT64 if kind == "ArgMax" else number, None)], constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return (float(np.ravel(answer)[0]) for answer in (session.run(None, {"x": rows})[0], ReferenceEvaluator(model).run(None, {"x": rows})[0]))


onnxruntime.set_default_logger_severity(3)
for kind in ("ReduceMax", "ReduceMin", "ArgMax", "GlobalMaxPool"):
    for number in (np.float32, np.float64):
        if kind == "GlobalMaxPool" and number is np.float64:
            continue
        ours, theirs = [], []
        for place in PLACES:
            rows = np.random.default_rng(0).normal(size=(1, 1, 20)).astype(number)
            rows[0, 0, place] = np.nan
            first, second = both(kind, rows)
            ours.append(first)
            theirs.append(second)
        print(f"{kind:13} {np.dtype(number)}, not a number at {PLACES}: ONNX Runtime {np.round(ours, 2).tolist()}, evaluator {np.round(theirs, 2).tolist()}")
        if kind == "ArgMax":
            assert theirs == list(PLACES) and ours[0] == 0 and ours[1:] == [6, 6, 6], "ArgMax names every place alike now"
        else:
            assert kind != "GlobalMaxPool" or ours[2] < ours[1] - 0.1, "GlobalMaxPool keeps what came before now"
            where = 3 if kind == "GlobalMaxPool" else 0
            assert np.isnan(theirs).all(), "ONNX's evaluator leaves it out now"
            assert [bool(np.isnan(answer)) for answer in ours] == [place == where for place in range(4)], f"{kind} treats every place alike now"
PY
export OMP_NUM_THREADS=1
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
