"""Traces of stored predictions, and the index by which they are found. Functions take a connection.

A segment holds the trace context of each row, where any row has one; the index, a hash of each trace with its batch.
"""

from collections.abc import Sequence

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.trace_context import is_stored_text, stored_context
from pilothouse.domain.formats.wire import CodedTexts
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.outcomes.waiting_outcomes import hash_id
from pilothouse.telemetry.rows.columns import NO_LABELS, Predictions, decode_predictions

TRACES = """
-- Batches with predictions of a trace, by a hash of its id
CREATE TABLE traces (
  hash INTEGER NOT NULL,
  batch_id INTEGER NOT NULL REFERENCES batches(id),
  PRIMARY KEY (hash, batch_id)
) STRICT, WITHOUT ROWID;
"""


def given_traces(column: Sequence[str | None] | CodedTexts) -> CodedColumn:
    """Traces as a batch brings them; what is no trace context is an empty text. Raises ValueError for codes beyond the
    vocabulary."""
    if not len(column):
        return NO_LABELS
    coded = CodedColumn.of(column)
    texts = [text if text is not None and is_stored_text(text) else "" for text in coded.vocabulary]
    if not any(texts):
        return NO_LABELS
    if texts == list(coded.vocabulary):
        return coded
    return CodedColumn.of([texts[code] for code in coded.codes.tolist()])


def put(connection: Connection, batch_id: int, predictions: Predictions) -> None:
    """Put the traces of a batch into the index."""
    if hashes := _hashes(predictions.traces):
        connection.executemany(
            "INSERT OR IGNORE INTO traces VALUES (?,?)", [(number, batch_id) for number in hashes]
        )


def forget(connection: Connection, segment: int) -> None:
    """Take the batches of a segment, which is about to go, out of the index; those of a damaged one too."""
    if not connection.execute("SELECT EXISTS (SELECT 1 FROM traces)").fetchone()[0]:
        return
    try:
        for batch_id, predictions in _batches(connection, segment):
            _delete(connection, batch_id, _hashes(predictions.traces))
    except IntegrityError:  # its traces are not known: the whole index is read
        connection.execute(
            "DELETE FROM traces WHERE batch_id IN (SELECT id FROM batches WHERE segment_id=?)", (segment,)
        )


def forget_rows(connection: Connection, batch_id: int, before: Predictions, left: Predictions) -> None:
    """Take traces of a batch out of the index of which no row is left."""
    _delete(connection, batch_id, _hashes(before.traces) - _hashes(left.traces))


def batches_of(connection: Connection, trace: str) -> list[int]:
    """Batches that may hold predictions of a trace, oldest first."""
    rows = connection.execute("SELECT batch_id FROM traces WHERE hash=? ORDER BY batch_id", (hash_id(trace),))
    return [int(number) for (number,) in rows]


def _batches(connection: Connection, segment: int) -> list[tuple[int, Predictions]]:
    row = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
    predictions = decode_predictions(row[0])
    if not len(predictions.traces):
        return []
    batches = connection.execute("SELECT id, segment_start, rows FROM batches WHERE segment_id=?", (segment,))
    return [(number, predictions.part(first, rows)) for number, first, rows in batches.fetchall()]


def _hashes(column: CodedColumn) -> set[int]:
    if not len(column):
        return set()
    used = np.unique(column.codes).tolist()
    return {hash_id(trace) for code in used if (trace := stored_context(column.vocabulary[code])[0])}


def _delete(connection: Connection, batch_id: int, hashes: set[int]) -> None:
    connection.executemany(
        "DELETE FROM traces WHERE hash=? AND batch_id=?", [(number, batch_id) for number in hashes]
    )
