"""Single stored predictions: by the id of one, or by the trace of its request. Functions take a connection."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.formats.trace_context import stored_context
from pilothouse.domain.identifiers import PredictionId, parse_prediction_id
from pilothouse.domain.monitoring.stored_predictions import StoredPrediction
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.outcomes.outcome_matching import known_rows, read_outcomes
from pilothouse.telemetry.outcomes.waiting_outcomes import hash_id
from pilothouse.telemetry.rows import traces
from pilothouse.telemetry.rows.columns import Features, Predictions
from pilothouse.telemetry.store import read_segment

_BATCH = (
    "SELECT b.id, p.name, b.sequence, b.stream_id, b.segment_id, b.segment_start, b.rows, b.received FROM batches b "
    "JOIN producers p ON p.id = b.producer_id "
)


@dataclass(frozen=True, slots=True)
class _Batch:
    id: int
    producer: str
    sequence: int
    stream: int
    segment: int | None
    start: int
    rows: int
    received: int


def by_id(connection: Connection, text: str) -> StoredPrediction | None:
    """Prediction by the id that a serving process or its sender gave it; None where it is not stored (any more)."""
    places: list[tuple[str, tuple[object, ...], int]] = []
    foreign = connection.execute(
        "SELECT batch_id, offset FROM foreign_ids WHERE hash=?", (hash_id(text),)
    ).fetchone()
    if foreign is not None:
        places.append(("WHERE b.id=?", foreign[:1], foreign[1]))
    if (name := parse_prediction_id(text)) is not None:
        places.append(("WHERE p.name=? AND b.sequence=?", (name.producer, name.sequence), name.offset))
    for condition, values, offset in places:
        for batch in _batches(connection, condition, values):
            predictions, features = _read(connection, batch)
            for row in np.flatnonzero(predictions.offsets == offset).tolist():
                if (found := _found(connection, batch, predictions, features, row)) is not None:
                    return found
    return None


def by_trace(connection: Connection, trace: str, most: int) -> list[StoredPrediction]:
    """Predictions of a trace (32 hexadecimal digits), in the order in which they came; ``most`` of them."""
    found: list[StoredPrediction] = []
    for number in traces.batches_of(connection, trace):
        for batch in _batches(connection, "WHERE b.id=?", (number,)):
            predictions, features = _read(connection, batch)
            codes = [
                code
                for code, text in enumerate(predictions.traces.vocabulary)
                if stored_context(text)[0] == trace
            ]
            for row in np.flatnonzero(np.isin(predictions.traces.codes, codes)).tolist():
                if len(found) == most:
                    return found
                if (one := _found(connection, batch, predictions, features, row)) is not None:
                    found.append(one)
    return found


def _batches(connection: Connection, condition: str, values: tuple[object, ...]) -> Iterator[_Batch]:
    for row in connection.execute(_BATCH + condition, values).fetchall():
        batch = _Batch(*row)
        if batch.segment is not None:  # else retention has deleted its rows, or all were rejected
            yield batch


def _read(connection: Connection, batch: _Batch) -> tuple[Predictions, Features]:
    assert batch.segment is not None
    predictions, features = read_segment(connection, batch.segment)
    return predictions.part(batch.start, batch.rows), features.part(batch.start, batch.rows)


def _found(
    connection: Connection, batch: _Batch, predictions: Predictions, features: Features, row: int
) -> StoredPrediction | None:
    """A row; None in the past where its event is of later."""
    stream = streams.stream_of_id(connection, batch.stream)
    if stream is None or predictions.times[row] > stream.last_event_us:
        return None
    (data,) = connection.execute(
        "SELECT data FROM specifications WHERE id=?", (stream.specification_id,)
    ).fetchone()
    classes = ProfileSpecification.from_bytes(data).classes
    outcomes = read_outcomes(connection, batch.id, batch.rows, bool(classes))
    is_known = row in known_rows(outcomes)
    outcome = classes[outcomes[row]] if classes and is_known else float(outcomes[row]) if is_known else None
    numbers = {name: float(values[row]) for name, values in features.numeric.items()}
    texts = {name: column.vocabulary[int(column.codes[row])] for name, column in features.categorical.items()}
    context = (
        predictions.traces.vocabulary[int(predictions.traces.codes[row])] if len(predictions.traces) else ""
    )
    trace, parent = stored_context(context)
    own = str(PredictionId(batch.producer, batch.sequence, int(predictions.offsets[row])))
    return StoredPrediction(
        (predictions.ids[row] if predictions.ids else "") or own,
        stream.model,
        stream.version,
        stream.target,
        from_us(int(predictions.times[row])),
        from_us(batch.received),
        float(predictions.scores[row]),
        predictions.coded_labels.vocabulary[int(predictions.coded_labels.codes[row])] or ""
        if len(predictions.coded_labels)
        else "",
        outcome,
        trace,
        parent,
        {**{name: None if value != value else value for name, value in numbers.items()}, **texts},
    )
