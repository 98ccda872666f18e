"""Requests with plain records: what is taken, and what is refused with its row and column."""

import contextlib
import json
import math
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_kit import schema

from pilothouse.domain.errors import InvalidInputError
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.protocol import MAXIMUM_ROWS, Inference
from pilothouse.serving.bodies.records import read_rows
from pilothouse.serving.bodies.request_report import MAXIMUM_ENTRIES, report_of
from pilothouse.serving.bodies.tensors import NO_TIME
from pilothouse.tables.times import times_of

SCHEMA = schema("flight-delay")
ROW = {"distance": 1, "hour": 2.5, "seats": True, "temp": None, "carrier": "UA", "dest": 7}


def read(*rows: dict[str, Any], **others: Any) -> Inference:
    return read_rows(json.dumps({"rows": rows, **others}).encode(), SCHEMA, ("seat",))


def refused(body: bytes) -> str:
    with pytest.raises(InvalidInputError) as error:
        read_rows(body, SCHEMA, ())
    message = str(error.value)
    assert message.isprintable()
    assert len(message) < 500
    return message


def test_rows_become_columns() -> None:
    found = read(ROW, {"temp": 3, "carrier": "", "passenger": "Ada", "seat": "1A"})
    assert {name: values[0] for name, values in found.columns.numeric.items() if name != "temp"} == {
        "distance": 1.0,
        "hour": 2.5,
        "seats": 1.0,
    }
    np.testing.assert_array_equal(found.columns.numeric["temp"], [math.nan, 3.0])
    np.testing.assert_array_equal(found.columns.numeric["hour"], [2.5, math.nan])
    assert found.columns.categorical == {"carrier": ["UA", None], "dest": ["7", None]}
    assert found.event_times is None
    assert not found.report


def test_a_row_may_have_a_time() -> None:
    found = read(ROW | {"scheduled_at": "1970-01-01T01:00:00+01:00"}, ROW, ROW | {"scheduled_at": 5})
    assert found.event_times is not None
    assert found.event_times.tolist() == [0, NO_TIME, 5]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"temp": "warm"}, "row 1, column 'temp': found 'warm'; expected a number"),
        ({"temp": "1.5"}, "row 1, column 'temp': found '1.5'; expected a number"),
        ({"temp": [1]}, "row 1, column 'temp': found [1]"),
        ({"temp": 10**400}, "row 1, column 'temp'"),
        ({"carrier": {"a": 1}}, "row 1, column 'carrier'"),
        ({"carrier": "x" * 1_025}, "row 1, column 'carrier': the text is longer"),
        (
            {"scheduled_at": "2013-06-01T05:00:00"},
            "row 1, column 'scheduled_at': '2013-06-01T05:00:00' has no",
        ),
        ({"scheduled_at": True}, "row 1, column 'scheduled_at': found True"),
        ({"temprature": 1}, "row 1: unknown column 'temprature'; expected distance, hour"),
        ({"\x1b[2J": 1}, "row 1: unknown column"),
    ],
)
def test_a_wrong_value_is_refused_with_row_and_column(row: dict[str, Any], words: str) -> None:
    assert words in refused(json.dumps({"rows": [ROW, ROW | row]}).encode())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "holds no records"),
        (b'{"inputs": []}', "holds no records"),
        (b'{"rows": {"temp": 1}}', "holds no records"),
        (b'{"rows": [1]}', "holds no records"),
        (b'{"rows": []}', "0 rows"),
        (b'{"rows": [{}]}', "row 0 has none of the model's columns"),
        (b'{"rows": [{"temp": NaN}]}', "row 0, column 'temp': found NaN, which JSON does not have"),
        (b'{"rows": [{"temp": 1}], "report": "yes"}', "report: found 'yes'"),
        (b'{"rows": [{"temp": 1}], "id": "' + b"x" * 300 + b'"}', "id is longer"),
        (json.dumps({"rows": [{"temp": 1}] * (MAXIMUM_ROWS + 1)}).encode(), "10001 rows"),
    ],
)
def test_a_body_without_records_is_refused(body: bytes, words: str) -> None:
    assert words in refused(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=6,
)


@given(key=st.sampled_from([*ROW, "scheduled_at", "other"]), value=_JSON)
@settings(max_examples=150, deadline=None)
def test_no_value_raises_anything_but_a_refusal(key: str, value: Any) -> None:
    with contextlib.suppress(InvalidInputError):
        assert read(ROW | {key: value}).columns.rows == 1


def test_a_report_names_what_was_missing_and_unknown_and_is_bounded() -> None:
    found = read(ROW, ROW | {"carrier": "ZZ", "dest": None}, report=True)
    assert found.report
    known = {"carrier": frozenset({"UA"})}
    assert report_of(found.columns, SCHEMA, known) == [
        {"row": 0, "column": "temp", "found": "missing"},
        {"row": 1, "column": "temp", "found": "missing"},
        {"row": 1, "column": "carrier", "found": "unknown", "value": "ZZ"},
        {"row": 1, "column": "dest", "found": "missing"},
    ]
    many = read(*[{"hour": 1, "carrier": "UA"}] * 4_000)
    report = report_of(many.columns, SCHEMA, {})
    assert len(report) == MAXIMUM_ENTRIES + 1
    assert report[-1] == {"left_out": 4_000 * 4 - MAXIMUM_ENTRIES}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2013-06-01T05:00:00", "2013-06-01T03:00:00+00:00"),
        ("2013-10-27 02:30", "2013-10-27T00:30:00+00:00"),  # the earlier of two
        ("2013-03-31T02:30:00", "2013-03-31T01:30:00+00:00"),  # skipped: the offset from before
        ("2013-06-01T05:00:00+00:00", "2013-06-01T05:00:00+00:00"),
    ],
)
def test_a_time_without_an_offset_is_read_as_the_rows_of_a_training_are(written: str, meant: str) -> None:
    zoned = replace(SCHEMA, timezone="Europe/Berlin")
    body = json.dumps({"rows": [{**ROW, "scheduled_at": written}]}).encode()
    expected = int(datetime.fromisoformat(meant).timestamp() * 1_000_000)
    times = read_rows(body, zoned, ()).event_times
    assert times is not None
    assert times.tolist() == [expected]
    learnt = times_of(pa.array([written]), "Europe/Berlin")
    assert learnt.cast(pa.int64()).to_pylist() == [expected]


def test_columns_that_a_training_left_out_are_dropped() -> None:
    schema = replace(SCHEMA, excluded=("tail_number", "distance", "scheduled_at"))
    body = json.dumps(
        {"rows": [{**ROW, "tail_number": "N1", "scheduled_at": "2013-06-01T05:00:00Z"}]}
    ).encode()
    found = read_rows(body, schema, ())
    assert found.columns.numeric["distance"].tolist() == [1.0]
    assert found.event_times is not None
    assert "tail_number" not in {*found.columns.numeric, *found.columns.categorical}
    assert "unknown column 'tail_number'" in refused(body)
    assert InputSchema.from_bytes(schema.to_bytes()) == SCHEMA
