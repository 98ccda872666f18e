"""Binary tensor data, byte for byte as ``tritonclient`` 2.73.0 makes and reads it."""

import contextlib
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_kit import CATEGORIES, NUMBERS, schema

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.bodies.forms import TENSORS
from pilothouse.serving.bodies.protocol import Inference
from pilothouse.serving.web.compression import Headers

SCHEMA = schema("flight-delay")
PLAIN = InputSchema(
    "plain", "binary", ("no", "yes"), "at", tuple(InputColumn(name, "number") for name in NUMBERS)
)
FIRST = PredictionId("p", 4, 17)
PREDICTION = Prediction(
    np.array([0.25, 0.75, 0.5]), ["0", "1", "0"], np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]])
)


def texts(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def tensor(name: str, datatype: str, raw: bytes, shape: list[int] | None = None) -> tuple[Any, bytes]:
    """A tensor as ``InferInput`` writes it, and its bytes."""
    parameters = {"binary_data_size": len(raw)}
    return {"name": name, "shape": shape or [3], "datatype": datatype, "parameters": parameters}, raw


def tensors(**changes: tuple[Any, bytes] | None) -> list[tuple[Any, bytes]]:
    found: dict[str, Any] = {
        name: tensor(name, "FP64", np.array([0.0, 1.0, 2.0]).tobytes()) for name in NUMBERS
    }
    found |= {name: tensor(name, "BYTES", texts(b"AA", b"UA", b"DL")) for name in CATEGORIES}
    found |= changes
    return [one for one in found.values() if one is not None]


def packed(parts: list[tuple[Any, bytes]], **document: Any) -> tuple[bytes, Headers]:
    """Body and headers of a request."""
    head = json.dumps({"inputs": [description for description, _ in parts], **document}).encode()
    body = head + b"".join(raw for _, raw in parts)
    return body, [(b"host", b"a"), (b"inference-header-content-length", str(len(head)).encode())]


def read(
    parts: list[tuple[Any, bytes]] | None = None, schema: InputSchema = SCHEMA, **document: Any
) -> Inference:
    body, headers = packed(tensors() if parts is None else parts, **document)
    return TENSORS.read(body, headers, schema, ())


def refused(body: bytes, headers: Headers) -> str:
    with pytest.raises(PilothouseError) as error:
        TENSORS.read(body, headers, SCHEMA, ())
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


def test_a_request_as_tritonclient_sends_it_is_read_to_the_bit() -> None:
    # set_data_from_numpy of float32, of an object array of bytes and of int64, request_id="7", no outputs: its defaults
    head = (
        b'{"id":"7","inputs":[{"name":"temp","shape":[2,1],"datatype":"FP32","parameters":{"binary_data_size":8}},'
        b'{"name":"carrier","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":13}}],'
        b'"parameters":{"binary_data_output":true}}'
    )
    body = head + b"\x00\x00\xc0\x3f\x00\x00\x20\xc0" + b"\x03\x00\x00\x00\xc3\x86r\x02\x00\x00\x00UA"
    two = InputSchema(
        "m", "binary", ("0", "1"), "at", (InputColumn("temp", "number"), InputColumn("carrier", "category"))
    )
    found = TENSORS.read(
        body, [(b"inference-header-content-length", str(len(head)).encode())], two, ("secret",)
    )
    assert found.id == "7"
    assert found.columns.numeric["temp"].tolist() == [1.5, -2.5]
    assert found.columns.categorical["carrier"] == ["Ær", "UA"]
    assert found.binary == {"predict", "score", "label", "prediction_id"}


def test_an_answer_is_written_as_tritonclient_reads_it() -> None:
    request = read(id="7", parameters={"binary_data_output": True})
    body, headers = TENSORS.write(SCHEMA, 3, request, PREDICTION, FIRST, None)
    length = int(headers["inference-header-content-length"])
    assert headers["content-type"] == "application/octet-stream"
    assert json.loads(body[:length]) == {
        "model_name": "flight-delay",
        "model_version": "3",
        "id": "7",
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": 15}},
            {
                "name": "score",
                "datatype": "FP64",
                "shape": [3],
                "parameters": {"positive_class": "1", "binary_data_size": 24},
            },
            {"name": "label", "datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": 15}},
            {
                "name": "prediction_id",
                "datatype": "BYTES",
                "shape": [3],
                "parameters": {"binary_data_size": 30},
            },
        ],
    }
    labels = texts(b"0", b"1", b"0")
    scores = np.array([0.25, 0.75, 0.5]).tobytes()
    assert body[length:] == labels + scores + labels + texts(b"p.4.17", b"p.4.18", b"p.4.19")


def test_each_output_is_binary_as_it_says_itself_else_as_the_request_says() -> None:
    outputs = [
        {"name": "score", "parameters": {"binary_data": True}},
        {"name": "label", "parameters": {"binary_data": False}},
        {"name": "predict_proba"},
    ]
    request = read(outputs=outputs)
    body, headers = TENSORS.write(SCHEMA, 3, request, PREDICTION, FIRST, None)
    length = int(headers["inference-header-content-length"])
    score, label, probabilities = json.loads(body[:length])["outputs"]
    assert "data" not in score
    assert label["data"] == ["0", "1", "0"]
    assert probabilities["data"] == [0.75, 0.25, 0.25, 0.75, 0.5, 0.5]
    assert body[length:] == PREDICTION.scores.tobytes()
    assert read(outputs=outputs, parameters={"binary_data_output": True}).binary == {"score", "predict_proba"}


def test_json_inputs_may_ask_for_a_binary_answer_and_the_other_way_round() -> None:
    assert read().binary == set()
    _, headers = TENSORS.write(SCHEMA, 3, read(), PREDICTION, FIRST, None)
    assert headers == {}
    body = json.dumps(
        {
            "inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [1]} for n in NUMBERS],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    assert TENSORS.read(body, (), PLAIN, ()).binary


@pytest.mark.parametrize(
    "datatype",
    ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64"],
)
def test_numbers_come_in_every_numeric_datatype(datatype: str) -> None:
    code = datatype.replace("UINT", "u").replace("INT", "i").replace("FP", "f")
    code = f"<{code[0]}{int(code[1:]) // 8}"
    values = np.array([1, 2, 100], dtype=code)
    found = read(tensors(temp=tensor("temp", datatype, values.tobytes())))
    assert found.columns.numeric["temp"].tolist() == [1.0, 2.0, 100.0]
    assert found.columns.numeric["temp"].dtype == np.float64


def test_brain_floats_and_booleans_are_read() -> None:
    brain = (np.array([1.5, np.nan, -3.0], dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()
    found = read(tensors(temp=tensor("temp", "BF16", brain), hour=tensor("hour", "BOOL", b"\x01\x00\x01")))
    np.testing.assert_array_equal(found.columns.numeric["temp"], [1.5, np.nan, -3.0])
    assert found.columns.numeric["hour"].tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("code", ["<f2", "<f4", "<f8"])
def test_nan_is_missing_in_a_binary_float(code: str) -> None:
    raw = np.array([1.0, np.nan, 3.0], dtype=code).tobytes()
    found = read(tensors(temp=tensor("temp", f"FP{int(code[2]) * 8}", raw)))
    np.testing.assert_array_equal(found.columns.numeric["temp"], [1.0, np.nan, 3.0])


@pytest.mark.parametrize("nested", [False, True])
def test_a_matrix_holds_the_features_in_their_order(nested: bool) -> None:
    values = np.arange(12.0).reshape(3, 4)
    binary = read([tensor("input-0", "FP64", values.tobytes(), [3, 4])], PLAIN)
    data = values.tolist() if nested else values.ravel().tolist()
    document = {"inputs": [{"name": "x", "shape": [3, 4], "datatype": "FP64", "data": data}]}
    plain = TENSORS.read(json.dumps(document).encode(), (), PLAIN, ())
    for found in (binary, plain):
        for i, name in enumerate(NUMBERS):
            assert found.columns.numeric[name].tolist() == values[:, i].tolist()


@pytest.mark.parametrize(
    ("shape", "data", "words"),
    [
        ([3, 3], [0.0] * 9, "found 3 columns; expected 4, in this order: distance, hour, seats, temp"),
        ([3, 4], [0.0] * 11, "found 11 values; expected 3 rows of 4"),
        ([2**60, 4], [0.0] * 8, "found 8 values"),
        ([2, 4], [[0, 0, 0, 0], [0, 0, 0]], "row 1: found [0, 0, 0]; expected 4 values"),
        ([2, 4], [0, 0, 0, 0, 0, "x", 0, 0], "input 'hour', row 1: found 'x'"),
        ([8], [0.0] * 8, "unknown input 'x'"),
        ([8, 1], [0.0] * 8, "unknown input 'x'"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(shape: list[int], data: list[Any], words: str) -> None:
    document = {"inputs": [{"name": "x", "shape": shape, "datatype": "FP64", "data": data}]}
    with pytest.raises(PilothouseError) as error:
        TENSORS.read(json.dumps(document).encode(), (), PLAIN, ())
    assert words in str(error.value)


def test_a_matrix_is_refused_where_features_are_categories() -> None:
    body, headers = packed([tensor("x", "FP64", bytes(8 * 18), [3, 6])])
    assert "and these are categories: carrier, dest" in refused(body, headers)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temp": tensor("temp", "FP64", bytes(23))}, "binary_data_size is 23; expected 24 for shape [3]"),
        ({"temp": tensor("temp", "FP64", bytes(24), [3, 1, 1])}, "found shape [3, 1, 1]"),
        ({"temp": tensor("temp", "FP64", bytes(24), [10**15])}, "found shape"),
        ({"temp": tensor("temp", "FP64", bytes(24), [3, 10**15])}, "the model has 6 features"),
        ({"temp": tensor("temp", "FP64", bytes(24), [-3])}, "found shape"),
        ({"temp": tensor("temp", "FP8", bytes(24))}, "found datatype 'FP8'"),
        (
            {"temp": tensor("temp", "FP64", np.array([1.0, 2.0, np.inf]).tobytes())},
            "input 'temp', row 2: found inf; expected a finite number, or NaN where missing",
        ),
        ({"temp": tensor("temp", "BOOL", b"\x00\x02\x00")}, "row 1: found 2; expected the byte 0 or 1"),
        (
            {"carrier": tensor("carrier", "BYTES", b"\xff\xff\xff\xffAA")},
            "row 0: found 4294967295; expected a length of at most the 2 bytes left",
        ),
        (
            {"carrier": tensor("carrier", "BYTES", texts(b"AA", b"UA"))},
            "found 2 texts in 12 bytes; expected 3",
        ),
        ({"carrier": tensor("carrier", "BYTES", texts(b"a", b"b", b"c", b"d"))}, "expected 3"),
        ({"carrier": tensor("carrier", "BYTES", texts(b"a", b"\xff", b"c"))}, "row 1: found b'\\xff'"),
        ({"carrier": tensor("carrier", "BYTES", texts(b"a", b"b", b"x" * 1_025))}, "longer than"),
        ({"carrier": tensor("carrier", "FP64", bytes(24))}, "expected BYTES"),
        ({"temp": ({"name": "temp", "shape": [3], "datatype": "FP64"}, b"")}, "has no data"),
        ({"temp": None}, "missing input temp"),
    ],
)
def test_a_wrong_binary_tensor_is_refused_with_its_name(changes: dict[str, Any], words: str) -> None:
    assert words in refused(*packed(tensors(**changes)))


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"99999999", b"9" * 400, "٣".encode(), b"", b"2"])
def test_a_length_that_is_none_of_the_json_is_refused(length: bytes) -> None:
    body, _ = packed(tensors())
    refused(body, [(b"inference-header-content-length", length)])


def test_bytes_that_belong_to_no_tensor_are_refused() -> None:
    body, headers = packed(tensors())
    assert "1 bytes of binary data belong to no tensor" in refused(body + b"x", headers)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"classification": 2}, "ask for predict_proba"),
        ({"shared_memory_region": "x"}, "shared memory is not written to here"),
        ({"binary_data": "yes"}, "expected true or false"),
    ],
)
def test_wishes_that_are_not_fulfilled_are_named(parameters: dict[str, Any], words: str) -> None:
    assert words in refused(*packed(tensors(), outputs=[{"name": "score", "parameters": parameters}]))


@pytest.mark.parametrize("binary", [True, False])
def test_shared_memory_is_refused_in_one_line(binary: bool) -> None:
    region = {"shared_memory_region": "x", "shared_memory_byte_size": 24}
    parts = tensors(temp=({"name": "temp", "shape": [3], "datatype": "FP64", "parameters": region}, b""))
    body, headers = packed(parts)
    assert "shared memory is not read here" in refused(body, headers if binary else ())


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_but_a_refusal(data: st.DataObject) -> None:
    body, headers = packed(tensors())
    at, bad = data.draw(st.integers(0, len(body) - 1)), data.draw(st.binary(max_size=5))
    with contextlib.suppress(PilothouseError):
        TENSORS.read(body[:at] + bad + body[at + 1 :], headers, SCHEMA, ())
