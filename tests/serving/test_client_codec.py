"""Requests that clients write are those that the server reads."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from serving_kit import schema

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.serving.bodies.client_codec import columns_of, error_of, infer_body, read_answer
from pilothouse.serving.bodies.protocol import model_metadata, read_inference
from pilothouse.serving.web.http import error_document

SCHEMA = schema("flight-delay")
ROW = {
    "distance": np.int64(733),
    "hour": 5,
    "seats": float("nan"),
    "temp": None,
    "carrier": "UA",
    "dest": 7.0,
}


def test_rows_arrive_as_they_were() -> None:
    at = datetime(2013, 6, 1, 7, tzinfo=timezone(timedelta(hours=2)))
    rows = [
        {**ROW, "scheduled_at": at},
        {**ROW, "temp": np.float64(1.5), "carrier": None, "scheduled_at": at},
    ]
    found = read_inference(infer_body(SCHEMA.columns, rows, "scheduled_at", "a"), SCHEMA, ())
    assert found.id == "a"
    np.testing.assert_array_equal(found.columns.numeric["temp"], [np.nan, 1.5])
    np.testing.assert_array_equal(found.columns.numeric["seats"], [np.nan, np.nan])
    assert found.columns.numeric["distance"].tolist() == [733.0, 733.0]
    assert found.columns.categorical == {"carrier": ["UA", None], "dest": ["7", "7"]}
    assert found.event_times is not None
    moment = int(datetime(2013, 6, 1, 5, tzinfo=UTC).timestamp()) * 1_000_000
    assert found.event_times.tolist() == [moment, moment]


def test_a_client_learns_the_columns_from_the_metadata() -> None:
    columns, timestamp = columns_of(json.loads(json.dumps(model_metadata(SCHEMA, [1], portable=True))))
    assert timestamp == "scheduled_at"
    assert columns == [(column.name, column.kind) for column in SCHEMA.columns]
    body = infer_body(columns, [{**ROW, "scheduled_at": 5}], timestamp, outputs=("score",))
    found = read_inference(body, SCHEMA, ())
    assert found.outputs == ("score",)
    assert found.event_times is not None
    assert found.event_times.tolist() == [5]


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(InvalidInputError, match="temp: found 'warm'"):
        infer_body(SCHEMA.columns, [{**ROW, "temp": "warm"}])
    with pytest.raises(InvalidInputError, match="scheduled_at: found None"):
        infer_body(SCHEMA.columns, [ROW], "scheduled_at")
    with pytest.raises(InvalidInputError, match="aware datetime"):
        infer_body(SCHEMA.columns, [{**ROW, "scheduled_at": datetime(2013, 1, 1)}], "scheduled_at")  # noqa: DTZ001


def test_answers_and_errors_are_read() -> None:
    answer = {
        "outputs": [
            {"name": "score", "shape": [2], "data": [0.1, 0.2]},
            {"name": "predict_proba", "shape": [2, 2], "data": [1, 2, 3, 4]},
        ]
    }
    assert read_answer(json.dumps(answer).encode()) == {
        "score": [0.1, 0.2],
        "predict_proba": [[1, 2], [3, 4]],
    }
    assert error_of(error_document("no\nsuch model")) == "no such model"
    assert error_of(b"<html>") == ""
    with pytest.raises(UnavailableError):
        read_answer(b'{"error": "x"}')
