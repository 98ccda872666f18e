"""Rows of a batch that were rejected, handed in again. Functions take a connection.

The batch that was received first keeps its number and its rows. Those taken later form batches of a producer of their own,
under the ids by which their outcomes name them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pilothouse.domain.formats.wire import CodedTexts, PackedTimings, PredictionBatch, pack_timings
from pilothouse.domain.identifiers import PredictionId
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.outcomes.waiting_outcomes import hash_id
from pilothouse.telemetry.rows import erased_rows
from pilothouse.telemetry.rows.columns import NO_REQUESTS, Ints, decode_predictions

_AGAIN = "~"
"""Sign after a producer's name; no producer's own name ends in it."""


def prediction_ids(batch: PredictionBatch) -> list[str]:
    """Id of each row: that of its sender, else its place in the batch."""
    if batch.foreign_ids:
        return batch.foreign_ids
    return [str(PredictionId(batch.producer, batch.sequence, offset)) for offset in range(batch.rows)]


def rows_not_taken(connection: Connection, batch: PredictionBatch) -> list[int]:
    """Rows of a batch that was received before of which nothing is stored; none where retention has deleted its rows, and none
    that was erased."""
    head = connection.execute(
        "SELECT b.segment_id, b.segment_start, b.rows, b.id FROM batches b JOIN producers p ON p.id = b.producer_id "
        "WHERE p.name=? AND b.sequence=?",
        (batch.producer, batch.sequence),
    ).fetchone()
    if head is None:
        return list(range(batch.rows))
    segment, first, rows, number = head
    if rows and segment is None:
        return []
    taken = np.zeros(batch.rows, np.bool_)
    taken[erased_rows.of_batch(connection, number)] = True  # nor are they to come back
    if rows:
        (data,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
        taken[decode_predictions(data).offsets[first : first + rows]] = True
    left = np.flatnonzero(~taken).tolist()
    ids = prediction_ids(batch)
    return [row for row in left if not was_retaken(connection, batch.producer, ids[row])]


def was_retaken(connection: Connection, producer: str, prediction: str) -> bool:
    """True where a rejected row of a producer has been taken since."""
    row = connection.execute(
        "SELECT 1 FROM foreign_ids f JOIN batches b ON b.id = f.batch_id JOIN producers p ON p.id = b.producer_id "
        "WHERE f.hash=? AND p.name=?",
        (hash_id(prediction), producer + _AGAIN),
    ).fetchone()
    return row is not None


def renamed(connection: Connection, part: PredictionBatch, ids: list[str]) -> PredictionBatch:
    """Rows of a batch as the next batch of those that are taken later, under their ids. Requests of a batch of which some
    rows were taken are counted already."""
    producer = part.producer + _AGAIN
    (sequence,) = connection.execute(
        "SELECT coalesce(max(sequence) + 1, 0) FROM batches WHERE producer_id=?",
        (streams.producer_id(connection, producer),),
    ).fetchone()
    head = connection.execute(
        "SELECT b.rows FROM batches b JOIN producers p ON p.id = b.producer_id WHERE p.name=? AND b.sequence=?",
        (part.producer, part.sequence),
    ).fetchone()
    counted = head is not None and head[0] > 0
    requests = NO_REQUESTS if counted else part.requests
    return replace(part, producer=producer, sequence=sequence, foreign_ids=ids, requests=requests)


def cut(batch: PredictionBatch, rows: Sequence[int]) -> PredictionBatch:
    """Some rows of a batch whose columns have its length; requests only where each has one row."""
    numbers = np.asarray(rows, np.int64)
    return replace(
        batch,
        rows=len(rows),
        event_times=_eights(batch.event_times, numbers),
        scores=_eights(batch.scores, numbers),
        numeric={name: _eights(packed, numbers) for name, packed in batch.numeric.items()},
        categorical={name: _texts(column, numbers) for name, column in batch.categorical.items()},
        labels=[text or "" for text in _texts(batch.labels, numbers)] if len(batch.labels) else [],
        requests=_requests(batch, numbers),
        errors=0,
        foreign_ids=[batch.foreign_ids[row] for row in rows] if batch.foreign_ids else [],
        draws=_eights(batch.draws, numbers) if len(batch.draws) == 8 * batch.rows else b"",
        traces=[text or "" for text in _texts(batch.traces, numbers)] if len(batch.traces) else [],
    )


def _eights(packed: bytes, rows: Ints) -> bytes:
    return np.frombuffer(packed, "<i8")[rows].tobytes()


def _requests(batch: PredictionBatch, rows: Ints) -> PackedTimings:
    """Requests of these rows; none where a request may have several rows."""
    requests = batch.requests if isinstance(batch.requests, PackedTimings) else pack_timings(batch.requests)
    if len(requests) != batch.rows or (np.frombuffer(requests.rows, "<i8") != 1).any():
        return NO_REQUESTS
    return PackedTimings(
        _eights(requests.rows, rows), _eights(requests.latency_us, rows), _eights(requests.at_us, rows)
    )


def _texts(column: Sequence[str | None] | CodedTexts, rows: Ints) -> list[str | None]:
    return CodedColumn.of(column).take(rows).texts()


def count_taken(connection: Connection, batch: PredictionBatch, rows: int) -> None:
    """Note that rows of a batch that were rejected are taken now."""
    connection.execute(
        "UPDATE batches SET rejected = rejected - ? WHERE sequence=? AND producer_id=(SELECT id FROM producers WHERE name=?)",
        (rows, batch.sequence, batch.producer),
    )
