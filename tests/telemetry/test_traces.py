"""Trace context of requests: kept with their predictions, found by the trace, gone with their rows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pilothouse.domain.erasure import BatchRows
from pilothouse.domain.formats.trace_context import trace_asked
from pilothouse.domain.formats.wire import PredictionBatch, code_texts
from pilothouse.domain.identifiers import PredictionId
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.rows import erasing, found_rows, retention
from pilothouse.telemetry.rows.columns import decode_predictions, encode_predictions
from support.flight_batches import NOW_US, batches, flights, specification
from support.older_telemetry import make_form_5

TRACE, OTHER, PARENT = "0af7651916cd43dd8448eb211c80319c", "1" * 32, "b7ad6b7169203331"


@pytest.fixture
def store(tmp_path: Path):
    made = TelemetryStore(tmp_path / "telemetry.db")
    yield made
    made.close()


def sent(store: TelemetryStore, traces: list[list[str]]) -> list[PredictionBatch]:
    """Batches of rows with these traces, in segments of their own."""
    size = len(traces[0])
    found = list(batches(flights().iloc[: size * len(traces)], size))
    given = [
        dataclasses.replace(batch, traces=code_texts(texts))
        for batch, texts in zip(found, traces, strict=True)
    ]
    for batch in given:
        receipt = store.append(batch, lambda model, version: VersionFacts(specification()), NOW_US)
        assert receipt.accepted == size
    return given


def ids(store: TelemetryStore, trace: str, most: int = 100) -> list[str]:
    with store.read() as connection:
        return [found.id for found in found_rows.by_trace(connection, trace, most)]


def index_rows(store: TelemetryStore) -> int:
    with store.read() as connection:
        return int(connection.execute("SELECT count(*) FROM traces").fetchone()[0])


def test_predictions_are_found_by_the_trace_of_their_request(store: TelemetryStore) -> None:
    one, two = f"{TRACE}-{PARENT}", f"{OTHER}-{PARENT}"
    first, second = sent(store, [["", one, one], [two, "no trace", one]])
    expected = [
        str(PredictionId(batch.producer, batch.sequence, offset))
        for batch, offset in ((first, 1), (first, 2), (second, 2))
    ]
    assert ids(store, TRACE) == expected
    assert ids(store, TRACE, most=2) == expected[:2]
    assert ids(store, "2" * 32) == []
    with store.read() as connection:
        found = found_rows.by_id(connection, expected[0])
        without = found_rows.by_id(connection, str(PredictionId(first.producer, first.sequence, 0)))
    assert found is not None
    assert (found.trace_id, found.parent_id, found.version) == (TRACE, PARENT, first.version)
    assert found.score == np.frombuffer(first.scores, "<f8")[1]
    assert without is not None
    assert without.trace_id == ""


def test_merged_segments_and_old_ones_keep_what_they_have(store: TelemetryStore) -> None:
    sent(store, [["", f"{TRACE}-{PARENT}"], ["", ""]])
    before = ids(store, TRACE)
    with store.transaction() as connection:
        numbers = [number for (number,) in connection.execute("SELECT id FROM segments ORDER BY id")]
        merged = retention.merge_segments(connection, numbers)
        assert merged is not None
        assert retention.put_merged(connection, merged)
    assert ids(store, TRACE) == before


def test_rows_without_a_trace_cost_one_byte_before_packing(store: TelemetryStore) -> None:
    sent(store, [["", ""]])
    with store.read() as connection:
        (data,) = connection.execute("SELECT predictions FROM segments").fetchone()
    predictions = decode_predictions(data)
    assert len(predictions.traces) == 0
    assert decode_predictions(encode_predictions(predictions)).rows == 2
    assert index_rows(store) == 0


def test_a_trace_goes_with_its_rows(store: TelemetryStore) -> None:
    one, two = f"{TRACE}-{PARENT}", f"{OTHER}-{PARENT}"
    (first, _) = sent(store, [[one, two, ""], ["", "", two]])
    assert index_rows(store) == 3
    named = BatchRows(first.model, first.version, first.target, first.producer, first.sequence, (0,))
    with store.transaction() as connection:
        erasing.erase(connection, [named])
    assert ids(store, TRACE) == []
    assert len(ids(store, OTHER)) == 2
    assert index_rows(store) == 2
    with store.read() as connection:
        kept = [
            decode_predictions(data) for (data,) in connection.execute("SELECT predictions FROM segments")
        ]
    assert TRACE not in str([part.traces.vocabulary for part in kept])
    with store.transaction() as connection:
        numbers = [number for (number,) in connection.execute("SELECT id FROM segments")]
        retention.delete_segments(connection, 1, numbers, NOW_US)
    assert (ids(store, OTHER), index_rows(store)) == ([], 0)


def test_a_damaged_segment_is_deleted_with_its_traces(store: TelemetryStore) -> None:
    one = f"{TRACE}-{PARENT}"
    sent(store, [[one, ""], ["", one]])
    with store.transaction() as connection:
        connection.execute(
            "UPDATE segments SET predictions = substr(predictions, 1, length(predictions) - 9)"
        )
        numbers = [number for (number,) in connection.execute("SELECT id FROM segments")]
        assert retention.delete_segments(connection, 1, numbers, NOW_US).rows == 4
    assert index_rows(store) == 0


def test_a_file_of_an_earlier_release_takes_traces(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    store = TelemetryStore(path)
    with store.transaction() as connection:
        make_form_5(connection)
    store.close()
    store = TelemetryStore(path)
    try:
        sent(store, [["", f"{TRACE}-{PARENT}"]])
        assert len(ids(store, TRACE)) == 1
    finally:
        store.close()


@pytest.mark.parametrize("asked", [TRACE, TRACE.upper(), f"00-{TRACE}-{PARENT}-01", f"{TRACE}-{PARENT}"])
def test_a_trace_is_asked_for_by_its_id_or_a_whole_header(asked: str) -> None:
    assert trace_asked(asked) == TRACE
    assert trace_asked(asked[1:]) == ""
