"""Requests of the Open Inference Protocol: what is taken, what is refused, and that nothing else happens."""

import contextlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_kit import body_of, schema

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.serving.bodies.protocol import (
    MAXIMUM_ROWS,
    Inference,
    infer_answer,
    model_metadata,
    read_inference,
)
from pilothouse.serving.bodies.tensors import NO_TIME

SCHEMA = schema("flight-delay")
BASE64 = {"content_type": "base64"}


def read(**changes: Any) -> Inference:
    return read_inference(body_of(3, **changes), SCHEMA, ())


def refused(body: bytes) -> str:
    with pytest.raises(InvalidInputError) as error:
        read_inference(body, SCHEMA, ())
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 500
    return message


def test_flat_and_nested_data_say_the_same() -> None:
    flat = read(temp={"datatype": "FP64", "data": [1.5, None, -2.0]})
    nested = read(temp={"datatype": "FP64", "data": [[1.5], [None], [-2.0]], "shape": [3, 1]})
    column = read(temp={"datatype": "FP64", "data": [1.5, None, -2.0], "shape": [3, 1]})
    for found in (flat, nested, column):
        assert found.columns.rows == 3
        np.testing.assert_array_equal(found.columns.numeric["temp"], [1.5, np.nan, -2.0])


@pytest.mark.parametrize(
    "datatype",
    [
        f"{kind}{bits}"
        for kind in ("INT", "UINT", "FP")
        for bits in (8, 16, 32, 64)
        if (kind, bits) != ("FP", 8)
    ],
)
def test_numbers_come_in_every_numeric_datatype(datatype: str) -> None:
    found = read(temp={"datatype": datatype, "data": [1, 2, 100]})
    np.testing.assert_array_equal(found.columns.numeric["temp"], [1.0, 2.0, 100.0])
    assert found.columns.numeric["temp"].dtype == np.float64


def test_booleans_are_numbers_and_categories() -> None:
    found = read(
        temp={"datatype": "BOOL", "data": [True, False, True]},
        carrier={"datatype": "BOOL", "data": [True, False, True]},
    )
    assert found.columns.numeric["temp"].tolist() == [1.0, 0.0, 1.0]
    assert found.columns.categorical["carrier"] == ["1", "0", "1"]


def test_categories_are_text_null_or_whole_numbers() -> None:
    found = read(
        carrier={"datatype": "BYTES", "data": ["UA", None, "Ærø"]},
        dest={"datatype": "INT32", "data": [1, 2, 3]},
    )
    assert found.columns.categorical == {"carrier": ["UA", None, "Ærø"], "dest": ["1", "2", "3"]}


def test_null_is_missing_in_every_datatype_and_so_is_the_empty_category() -> None:
    found = read(
        temp={"datatype": "INT32", "data": [1, None, 3]},
        hour={"datatype": "BOOL", "data": [True, None, False]},
        carrier={"datatype": "BYTES", "data": ["UA", "", None]},
        dest={"datatype": "INT64", "data": [1, None, 3]},
    )
    np.testing.assert_array_equal(found.columns.numeric["temp"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(found.columns.numeric["hour"], [1.0, np.nan, 0.0])
    assert found.columns.categorical == {"carrier": ["UA", None, None], "dest": ["1", None, "3"]}


def test_base64_is_decoded_and_never_taken_as_text() -> None:
    found = read(
        carrier={"datatype": "BYTES", "data": ["VUE=", None, "w4ZyP8O4"], "parameters": BASE64},
        dest={"datatype": "BYTES", "data": ["VUE="] * 3, "parameters": {"content_type": "str"}},
    )
    assert found.columns.categorical == {"carrier": ["UA", None, "Ær?ø"], "dest": ["VUE="] * 3}


def test_a_content_type_of_the_whole_request_is_named_where_it_is_not_read() -> None:
    document = json.loads(body_of(1)) | {"parameters": BASE64}
    assert "content_type 'base64' of a request" in refused(json.dumps(document).encode())


def test_a_row_without_a_time_has_none() -> None:
    found = read(scheduled_at={"datatype": "BYTES", "data": ["1970-01-01T00:00:01Z", None, ""]})
    assert found.event_times is not None
    assert found.event_times.tolist() == [1_000_000, NO_TIME, NO_TIME]


def test_the_timestamp_is_optional_and_comes_as_text_or_microseconds() -> None:
    assert read().event_times is None
    text = read(
        scheduled_at={
            "datatype": "BYTES",
            "data": ["1970-01-01T00:00:01Z", "1970-01-01T02:00:00+01:00", "1970-01-02 00:00:00.5+00:00"],
        }
    )
    assert text.event_times is not None
    assert text.event_times.tolist() == [1_000_000, 3_600_000_000, 86_400_500_000]
    whole = read(scheduled_at={"datatype": "INT64", "data": [5, 6, 7]})
    assert whole.event_times is not None
    assert whole.event_times.tolist() == [5, 6, 7]


def test_private_columns_are_taken_and_forgotten() -> None:
    found = read(passenger={"datatype": "BYTES", "data": ["Ada", "Ben", "Cleo"]})
    assert "passenger" not in found.columns.categorical
    extra = read_inference(body_of(3, seat={"datatype": "BYTES", "data": ["1A"]}), SCHEMA, ("seat",))
    assert "seat" not in extra.columns.categorical


def test_one_row_and_the_most_rows_are_taken_and_no_more() -> None:
    assert read_inference(body_of(1), SCHEMA, ()).columns.rows == 1
    assert read_inference(body_of(MAXIMUM_ROWS), SCHEMA, ()).columns.rows == MAXIMUM_ROWS
    assert "rows" in refused(body_of(0))
    assert "rows" in refused(body_of(MAXIMUM_ROWS + 1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temp": None}, "missing input temp"),
        ({"mystery": {"datatype": "FP64", "data": [1, 2, 3]}}, "unknown input 'mystery'"),
        ({"temp": {"datatype": "FP64", "data": [1, "warm", 3]}}, "row 1: found 'warm'"),
        ({"temp": {"datatype": "FP64", "data": [1, True, 3]}}, "row 1: found True"),
        ({"temp": {"datatype": "INT32", "data": [1, 2.5, 3]}}, "row 1: found 2.5"),
        ({"temp": {"datatype": "INT8", "data": [1, 128, 3]}}, "outside INT8"),
        ({"temp": {"datatype": "UINT16", "data": [1, -1, 3]}}, "outside UINT16"),
        ({"temp": {"datatype": "FP16", "data": [1, 70_000, 3]}}, "outside FP16"),
        ({"temp": {"datatype": "FP64", "data": [1, 10**400, 3]}}, "outside FP64"),
        ({"temp": {"datatype": "BYTES", "data": ["1", "2", "3"]}}, "expected FP64"),
        ({"temp": {"datatype": "FP128", "data": [1, 2, 3]}}, "'FP128'"),
        ({"temp": {"datatype": "FP64", "data": [1, 2]}}, "found 2 values; expected 3"),
        ({"temp": {"datatype": "FP64", "data": [[1], [2], [3]]}}, "nested"),
        ({"temp": {"datatype": "FP64", "data": [[1], [2, 3], []], "shape": [3, 1]}}, "hold one value"),
        ({"temp": {"datatype": "FP64", "data": [[1], 2, 3], "shape": [3, 1]}}, "hold one value"),
        ({"temp": {"datatype": "FP64", "data": [1, [2], 3]}}, "row 1: found [2]"),
        ({"temp": {"datatype": "FP64", "data": [1, 2], "shape": [2]}}, "2 rows; expected 3"),
        ({"temp": {"datatype": "FP64", "data": [1, 2, 3], "shape": [3, 2]}}, "expected [n] or [n, 1]"),
        ({"temp": {"datatype": "FP64", "data": [1, 2, 3], "shape": [-3]}}, "expected [n] or [n, 1]"),
        ({"temp": {"datatype": "FP64", "data": [1, 2, 3], "shape": []}}, "expected [n] or [n, 1]"),
        ({"temp": {"datatype": "FP64", "data": [1, 2, 3], "shape": [10**40]}}, "rows"),
        ({"carrier": {"datatype": "BYTES", "data": ["UA", 5, "AA"]}}, "row 1: found 5"),
        ({"carrier": {"datatype": "BYTES", "data": ["UA", "x" * 1_025, "AA"]}}, "longer than"),
        ({"carrier": {"datatype": "FP64", "data": [1, 2, 3]}}, "expected BYTES"),
        ({"scheduled_at": {"datatype": "BYTES", "data": ["now"] * 3}}, "ISO 8601"),
        ({"scheduled_at": {"datatype": "BYTES", "data": ["2013-06-01T05:00:00"] * 3}}, "no offset"),
        (
            {"carrier": {"datatype": "BYTES", "data": ["VUE=", "UA!", "QUE="], "parameters": BASE64}},
            "row 1: found 'UA!'; expected base64",
        ),
        ({"carrier": {"datatype": "BYTES", "data": ["/w==", "VUE=", "QUE="], "parameters": BASE64}}, "row 0"),
        ({"carrier": {"datatype": "BYTES", "data": [5, "VUE=", "QUE="], "parameters": BASE64}}, "found 5"),
        ({"temp": {"datatype": "FP64", "data": [1, 2, 3], "parameters": BASE64}}, "content_type 'base64'"),
        (
            {"carrier": {"datatype": "BYTES", "data": ["a"] * 3, "parameters": {"content_type": "gzip"}}},
            "content_type 'gzip' of 'BYTES' is not read here",
        ),
        ({"scheduled_at": {"datatype": "INT64", "data": [2**62] * 3}}, "outside the years"),
        ({"scheduled_at": {"datatype": "FP64", "data": [1.0] * 3}}, "expected BYTES"),
        ({"\x1b[2J": {"datatype": "FP64", "data": [1, 2, 3]}}, "unknown input"),
    ],
)
def test_a_wrong_tensor_is_refused_with_its_name(changes: dict[str, Any], words: str) -> None:
    assert words in refused(body_of(3, **changes))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b'{"inputs": [' + b"[" * 50_000, "inference request"),
        (b'{"inputs": [], "x": ' + b"[" * 50_000, "not JSON"),
        (b"[]", "not an inference request"),
        (b'{"inputs": 5}', "not an inference request"),
        (b'{"inputs": []}', "missing input"),
        (b'{"inputs": [{"name": "temp"}]}', "not an inference request"),
        (b'{"inputs": [], "id": 7}', "not an inference request"),
        (b'{"inputs": [], "id": "' + b"x" * 300 + b'"}', "id is longer"),
        (
            b'{"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [NaN]}]}',
            "input 'temp', row 0: found NaN, which JSON does not have; send null where a value is missing",
        ),
        (
            b'{"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [1e999]}]}',
            "out of range",
        ),
        (b'{"inputs": [{"name": "\\ud800", "shape": [1], "datatype": "FP64", "data": [1]}]}', "not JSON"),
        (b'{"inputs": [{"name": "temp", "shape": [true], "datatype": "FP64", "data": [1]}]}', "$.inputs"),
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, words: str) -> None:
    assert words in refused(body)


def test_a_tensor_that_comes_twice_is_refused() -> None:
    document = json.loads(body_of(1))
    document["inputs"].append(document["inputs"][0])
    assert "there twice" in refused(json.dumps(document).encode())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=8,
)


@given(
    key=st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
    value=_JSON,
    tensor=st.integers(0, 6),
)
@settings(max_examples=150, deadline=None)
def test_no_value_anywhere_in_a_tensor_raises_anything_but_a_refusal(
    key: str, value: Any, tensor: int
) -> None:
    document = json.loads(
        body_of(2, scheduled_at={"datatype": "BYTES", "data": ["2013-06-01T05:00:00Z"] * 2})
    )
    document["inputs"][tensor][key] = value
    with contextlib.suppress(InvalidInputError):
        assert read_inference(json.dumps(document).encode(), SCHEMA, ()).columns.rows == 2


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_inference(body, SCHEMA, ())


def answer_of(task: str, prediction: Prediction, outputs: list[str] | None = None) -> dict[str, Any]:
    document = json.loads(body_of(2))
    document["id"] = "request-7"
    if outputs is not None:
        document["outputs"] = [{"name": name} for name in outputs]
    request = read_inference(json.dumps(document).encode(), schema("flight-delay", task), ())
    found: dict[str, Any] = json.loads(
        infer_answer(schema("flight-delay", task), 3, request, prediction, PredictionId("p", 4, 17))
    )
    return found


BINARY = Prediction(np.array([0.25, 0.75]), ["0", "1"], np.array([[0.75, 0.25], [0.25, 0.75]]))


SCORE = {
    "name": "score",
    "datatype": "FP64",
    "shape": [2],
    "data": [0.25, 0.75],
    "parameters": {"positive_class": "1"},
}


def test_an_answer_echoes_the_id_and_numbers_its_predictions() -> None:
    answer = answer_of("binary", BINARY)
    assert {key: answer[key] for key in ("model_name", "model_version", "id")} == {
        "model_name": "flight-delay",
        "model_version": "3",
        "id": "request-7",
    }
    assert answer["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["0", "1"]},
        SCORE,
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["0", "1"]},
        {"name": "prediction_id", "datatype": "BYTES", "shape": [2], "data": ["p.4.17", "p.4.18"]},
    ]


def test_only_the_outputs_asked_for_are_given_in_their_order() -> None:
    answer = answer_of("binary", BINARY, ["predict_proba", "score", "score"])
    assert answer["outputs"] == [
        {
            "name": "predict_proba",
            "datatype": "FP64",
            "shape": [2, 2],
            "data": [0.75, 0.25, 0.25, 0.75],
            "parameters": {"classes": ["0", "1"]},
        },
        SCORE,
    ]


def test_a_regression_answers_with_values_and_has_no_labels() -> None:
    answer = answer_of("regression", Prediction(np.array([1.5, math.pi]), [], None))
    assert [(t["name"], t["datatype"]) for t in answer["outputs"]] == [
        ("predict", "FP64"),
        ("score", "FP64"),
        ("prediction_id", "BYTES"),
    ]
    assert answer["outputs"][0]["data"] == [1.5, math.pi]
    with pytest.raises(InvalidInputError, match="unknown output 'label'"):
        answer_of("regression", Prediction(np.array([1.5, 2.0]), [], None), ["label"])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_metadata_names_every_input_and_output(task: str) -> None:
    found = model_metadata(schema("flight-delay", task), [3], portable=True)
    assert found["platform"] == "pilothouse_portable"
    assert model_metadata(schema("flight-delay", task), [3], portable=False)["platform"] == "sklearn_skops"
    assert found["versions"] == ["3"]
    inputs = {tensor["name"]: tensor["datatype"] for tensor in found["inputs"]}
    assert inputs == {
        **dict.fromkeys(("distance", "hour", "seats", "temp"), "FP64"),
        **dict.fromkeys(("carrier", "dest", "scheduled_at"), "BYTES"),
    }
    outputs = {tensor["name"]: tensor["shape"] for tensor in found["outputs"]}
    assert ("label" in outputs) == (task != "regression")
    if task == "multiclass":
        assert outputs["predict_proba"] == [-1, 3]
