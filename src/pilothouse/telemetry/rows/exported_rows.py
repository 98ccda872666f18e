"""Stored rows of a stream by day of events, as they are exported, and the state of such a day.

A row is named by its batch (producer and sequence) and its number in the batch as it was sent, which neither merging nor
erasure changes. So the state of a day is the same whatever segments its rows lie in.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import AnyArray
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.intake.streams import Stream
from pilothouse.telemetry.outcomes.outcome_matching import empty_outcomes
from pilothouse.telemetry.rows import erased_rows
from pilothouse.telemetry.rows.columns import (
    Features,
    Ints,
    Predictions,
    decode_features,
    decode_predictions,
)
from pilothouse.telemetry.rows.recorded_rows import row_hashes

_ALL = (1 << 64) - 1


@dataclass(frozen=True, slots=True, eq=False)
class ExportedRows:
    """Rows of a segment on one day; one entry a row. ``outcomes`` are class numbers of the stream's specification (uint16,
    65535 unknown) or values (float64, NaN unknown); ``received`` are microseconds."""

    producers: CodedColumn
    sequences: Ints
    predictions: Predictions
    received: Ints
    outcomes: AnyArray
    features: Features | None


@dataclass(frozen=True, slots=True)
class RowsState:
    """Which rows with which outcomes a set of rows holds, in any order: their number, and sums of their hashes."""

    rows: int = 0
    first: int = 0
    second: int = 0

    def __add__(self, other: "RowsState") -> "RowsState":
        return RowsState(
            self.rows + other.rows, (self.first + other.first) & _ALL, (self.second + other.second) & _ALL
        )

    def to_text(self) -> str:
        """``1200:0f…:3c…``; of two states the same exactly where the rows and their outcomes are."""
        return f"{self.rows}:{self.first:016x}:{self.second:016x}"


def state_of(producers: CodedColumn, sequences: Ints, rows: Ints, outcomes: NDArray[np.uint64]) -> RowsState:
    """State of rows by their names; ``outcomes`` as ``outcome_bits`` gives them."""
    if not len(rows):
        return RowsState()
    named = np.array([_bits_of(text or "") for text in producers.vocabulary], np.uint64)
    batches = row_hashes(named[producers.codes].view(np.int64), sequences, 0)
    known = row_hashes(outcomes.view(np.int64), rows, 1)
    hashes = row_hashes((batches ^ known).view(np.int64), rows, 2)
    again = row_hashes(hashes.view(np.int64), rows, 3)
    return RowsState(len(rows), int(hashes.sum(dtype=np.uint64)), int(again.sum(dtype=np.uint64)))


def outcome_bits(outcomes: "AnyArray | CodedColumn", classes: Sequence[str] = ()) -> NDArray[np.uint64]:
    """Number of each outcome, 0 where it is unknown: by the text of a class, or the bits of a value."""
    if isinstance(outcomes, CodedColumn):
        table = np.array([0 if text is None else _bits_of(text) for text in outcomes.vocabulary], np.uint64)
        return table[outcomes.codes] if table.size else np.zeros(len(outcomes), np.uint64)
    if outcomes.dtype.kind == "u":
        table = np.zeros(1 << 16, np.uint64)
        table[: len(classes)] = [_bits_of(text) for text in classes]
        return table[outcomes]
    values = outcomes.astype(np.float64) + 0.0  # a signed zero is zero
    return np.where(np.isnan(values), np.uint64(0), values.view(np.uint64))


def days_with_rows(connection: Connection, stream: Stream, start_us: int, end_us: int) -> set[int]:
    """Days (since 1970, UTC) that stored segments of a stream touch; on some of them it may have no row."""
    spans = connection.execute(
        "SELECT DISTINCT first_event / ?1, last_event / ?1 FROM segments "
        "WHERE stream_id=?2 AND last_event>=?3 AND first_event<?4",
        (DAY_US, stream.id, start_us, end_us),
    )
    first, last = start_us // DAY_US, (end_us - 1) // DAY_US
    return {day for a, b in spans for day in range(max(a, first), min(b, last) + 1)}


def rows_of_day(
    connection: Connection, stream: Stream, day: int, classifies: bool, *, heads: bool = False
) -> Iterator[ExportedRows]:
    """Stored rows of a stream on a day, segment by segment; without features where ``heads`` alone are wanted."""
    start, end = day * DAY_US, (day + 1) * DAY_US
    body = "NULL" if heads else "features"
    segments = connection.execute(
        f"SELECT id, predictions, {body} FROM segments WHERE stream_id=? AND last_event>=? AND first_event<? ORDER BY id",  # noqa: S608 - ours
        (stream.id, start, end),
    )
    for number, head, features in segments:
        predictions = decode_predictions(head)
        rows = np.flatnonzero((predictions.times >= start) & (predictions.times < end))
        if rows.size:
            yield _read(connection, number, predictions, features, rows, classifies)


def state_of_day(connection: Connection, stream: Stream, day: int, classes: Sequence[str]) -> RowsState:
    """State of the rows of a stream that are stored of a day."""
    state = RowsState()
    for part in rows_of_day(connection, stream, day, bool(classes), heads=True):
        state += state_of_rows(part, classes)
    return state


def state_of_rows(part: ExportedRows, classes: Sequence[str]) -> RowsState:
    """State of rows as they are stored."""
    bits = outcome_bits(part.outcomes, classes)
    return state_of(part.producers, part.sequences, part.predictions.offsets, bits)


def state_of_segment(connection: Connection, segment: int, classes: Sequence[str]) -> RowsState | None:
    """State of all rows of a segment; None where it is not there any more."""
    row = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
    if row is None:
        return None
    predictions = decode_predictions(row[0])
    part = _read(connection, segment, predictions, None, np.arange(predictions.rows), bool(classes))
    return state_of_rows(part, classes)


def gone_rows(connection: Connection, producer: str, sequence: int) -> Ints | None:
    """Of a batch whose rows are stored no more, those that were erased before, by their numbers in it; None where it is stored.
    Of a batch that is not known, as after a restore of an older backup, no row was erased."""
    row = connection.execute(
        "SELECT b.id, b.segment_id FROM batches b JOIN producers p ON p.id = b.producer_id WHERE p.name=? AND b.sequence=?",
        (producer, sequence),
    ).fetchone()
    if row is None:
        return np.empty(0, np.int64)
    if row[1] is not None:
        return None
    return erased_rows.of_batch(connection, row[0])


def _read(
    connection: Connection,
    segment: int,
    predictions: Predictions,
    features: bytes | None,
    rows: Ints,
    classifies: bool,
) -> ExportedRows:
    """Some rows of a segment with their names and outcomes."""
    count = predictions.rows
    sequences, received = np.zeros(count, np.int64), np.zeros(count, np.int64)
    codes = np.zeros(count, np.uint32)
    outcomes = empty_outcomes(count, classifies)
    names: dict[str, int] = {}
    for name, sequence, first, many, came, data in connection.execute(
        "SELECT p.name, b.sequence, b.segment_start, b.rows, b.received, o.data FROM batches b "
        "JOIN producers p ON p.id = b.producer_id LEFT JOIN outcomes o ON o.batch_id = b.id WHERE b.segment_id=?",
        (segment,),
    ):
        part = slice(first, first + many)
        codes[part] = names.setdefault(name, len(names))
        sequences[part], received[part] = sequence, came
        if data is not None:
            outcomes[part] = np.frombuffer(data, outcomes.dtype)
    stored = decode_features(features) if features is not None else None
    return ExportedRows(
        CodedColumn(list(names), codes[rows]),
        sequences[rows],
        predictions.take(rows),
        received[rows],
        outcomes[rows],
        stored
        and Features(
            {name: values[rows] for name, values in stored.numeric.items()},
            {name: column.take(rows) for name, column in stored.categorical.items()},
        ),
    )


def _bits_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") | 1
