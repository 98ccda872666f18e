"""The usual request is read at once, and exactly as it is read tensor by tensor."""

import json
from random import Random
from typing import Any

import numpy as np
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.bodies import protocol
from pilothouse.serving.bodies.plain_tensors import read_plain
from pilothouse.serving.bodies.protocol import MAXIMUM_ROWS, InferRequest, decoded, read_inference
from pilothouse.serving.bodies.tensors import MAXIMUM_TEXT
from support.fuzzing import fuzz, json_of

SCHEMA = InputSchema(
    model="m",
    task="binary",
    timestamp="at",
    columns=(InputColumn("x", "number"), InputColumn("c", "category"), InputColumn("n", "number")),
    classes=("0", "1"),
    private=("secret",),
    missing=("NA", "-9"),
)


def document(*more: dict[str, Any], **changes: Any) -> dict[str, Any]:
    tensors = {
        "x": {"name": "x", "shape": [3], "datatype": "FP64", "data": [1.5, None, -9]},
        "c": {"name": "c", "shape": [3], "datatype": "BYTES", "data": ["a", "", "NA"]},
        "n": {"name": "n", "shape": [3], "datatype": "FP64", "data": [2, 2**60 + 1, -0.0]},
    }
    for name, change in changes.items():
        tensors[name] = tensors[name] | change
    return {"inputs": [*tensors.values(), *more]}


def stamped(**changes: Any) -> dict[str, Any]:
    return {"name": "at", "shape": [3], "datatype": "INT64", "data": [1, None, 3]} | changes


def as_read(body: bytes) -> Any:
    """What a request is read as, or its error."""
    try:
        read = read_inference(body, SCHEMA, ("hidden",))
    except InvalidInputError as error:
        return str(error)
    numeric = {name: (v.dtype, v.tobytes()) for name, v in read.columns.numeric.items()}
    times = None if read.event_times is None else read.event_times.tolist()
    return read.id, read.columns.rows, numeric, read.columns.categorical, times, read.outputs


def read_both_ways(body: bytes) -> None:
    at_once = as_read(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "read_plain", lambda *_: None)
        assert as_read(body) == at_once


def is_plain(plain: dict[str, Any]) -> bool:
    request = decoded(protocol._DECODER, json.dumps(plain).encode())
    assert isinstance(request, InferRequest)
    return read_plain(request.inputs, SCHEMA, MAXIMUM_ROWS) is not None


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        (document(), True),
        (document(stamped()), True),
        (document(stamped(datatype="BYTES", data=["2013-06-01T05:00:00Z", None, "nonsense"])), True),
        (document(stamped(shape=[2])), False),
        (document(stamped(name="secret")), False),
        (document(stamped(name="other")), False),
        (document(stamped(), stamped(name="secret")), False),
        (document(x={"shape": [3, 1]}), False),
        (document(x={"shape": [2]}), False),
        (document(x={"data": [1, 2]}), False),
        (document(x={"data": [1, 2, True]}), False),
        (document(x={"data": [1, 2, "3"]}), False),
        (document(x={"data": [1, 2, 10**400]}), False),
        (document(x={"datatype": "FP32"}), False),
        (document(x={"parameters": {"content_type": "np"}}), False),
        (document(x={"parameters": {}}), True),
        (document(x={"name": "n"}), False),
        (document(c={"data": ["a", "b", 3]}), False),
        (document(c={"data": ["a", "b", "x" * MAXIMUM_TEXT]}), True),
        (document(c={"data": ["a", "b", "x" * (MAXIMUM_TEXT + 1)]}), False),
        ({"inputs": []}, False),
        ({"inputs": [t | {"shape": [0], "data": []} for t in document()["inputs"]]}, False),
    ],
)
def test_what_is_read_at_once(plain: dict[str, Any], expected: bool) -> None:
    assert is_plain(plain) == expected
    read_both_ways(json.dumps(plain).encode())


def test_too_many_rows_are_refused_either_way() -> None:
    rows = MAXIMUM_ROWS + 1
    many = {
        "inputs": [
            {**tensor, "shape": [rows], "data": [tensor["data"][0]] * rows} for tensor in document()["inputs"]
        ]
    }
    assert not is_plain(many)
    read_both_ways(json.dumps(many).encode())


def test_changed_requests_are_read_the_same_either_way() -> None:
    def generated(random: Random) -> bytes:
        return json_of(random, document(stamped()) if random.random() < 0.5 else document())

    fuzz("plain", generated, read_both_ways)


def test_missing_values_are_missing() -> None:
    read = read_inference(json.dumps(document()).encode(), SCHEMA, ())
    assert np.array_equal(read.columns.numeric["x"], [1.5, np.nan, np.nan], equal_nan=True)
    assert read.columns.categorical == {"c": ["a", None, None]}
