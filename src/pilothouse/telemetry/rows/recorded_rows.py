"""Recorded rows of a stream with their answers and outcomes, for a replay: all of them, or a stratified sample.

A row is named by its batch and its place in it, which no merging of segments changes. So the same seed draws the same rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilothouse.domain.formats.time_units import DAY_US, HOUR_S, HOUR_US
from pilothouse.domain.identifiers import PredictionId
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.intake import rollup, streams
from pilothouse.telemetry.intake.streams import Stream
from pilothouse.telemetry.outcomes.outcome_matching import empty_outcomes
from pilothouse.telemetry.rows.columns import Features, Ints, Predictions, decode_features, decode_predictions
from pilothouse.telemetry.store import read_segment

Hashes = NDArray[np.uint64]
Stratum = tuple[int, int]
"""Stream and day (days since 1970, UTC) of rows of which each gives its share to a sample."""

_SEGMENTS = "FROM segments WHERE stream_id=? AND last_event>=? AND first_event<? ORDER BY id"


@dataclass(frozen=True, slots=True, eq=False)
class RecordedRows:
    """Some recorded rows of a stream. ``batches`` and ``places`` name each of them; ``outcomes`` are class numbers of the
    stream's specification (uint16, 65535 unknown) or values (float64, NaN unknown)."""

    batches: Ints
    places: Ints
    predictions: Predictions
    features: Features
    outcomes: NDArray[np.uint16] | NDArray[np.float64]


class Sampling:
    """Draw of ``rows`` rows, each stratum in its proportion, without replacement: those with the smallest hashes.

    Every row is shown to ``look`` first; then ``takes`` says which are in the sample. Memory: a number a drawn row.
    """

    def __init__(self, rows: int, seed: int, counts: Mapping[Stratum, int]) -> None:
        """``counts``: rows of each stratum, more than ``rows`` in all. Largest remainders settle what each gives."""
        total = sum(counts.values())
        exact = {stratum: rows * count / total for stratum, count in counts.items()}
        self.drawn = {stratum: int(share) for stratum, share in exact.items()}
        """Rows that each stratum gives."""
        left = rows - sum(self.drawn.values())
        for stratum in sorted(exact, key=lambda s: (self.drawn[s] - exact[s], s))[:left]:
            self.drawn[stratum] += 1
        self._seed = seed
        self._smallest: dict[Stratum, Hashes] = {}

    def look(self, stream_id: int, times: Ints, batches: Ints, places: Ints) -> None:
        """Remember the hashes that may come into the sample."""
        hashes, days = row_hashes(batches, places, self._seed), times // DAY_US
        for day in np.unique(days).tolist():
            most = self.drawn.get((stream_id, day), 0)
            if not most:
                continue
            before = self._smallest.get((stream_id, day), np.empty(0, np.uint64))
            both = np.concatenate((before, hashes[days == day]))
            self._smallest[stream_id, day] = np.partition(both, most - 1)[:most] if len(both) > most else both

    def takes(self, stream_id: int, times: Ints, batches: Ints, places: Ints) -> NDArray[np.bool_]:
        """Mask of the rows that are in the sample."""
        hashes, days = row_hashes(batches, places, self._seed), times // DAY_US
        chosen = np.zeros(len(times), np.bool_)
        for day in np.unique(days).tolist():
            smallest = self._smallest.get((stream_id, day))
            if smallest is not None:
                chosen |= (days == day) & (hashes <= smallest.max())
        return chosen


def row_hashes(batches: Ints, places: Ints, seed: int) -> Hashes:
    """A number for each row that looks random: SplitMix64 (Steele, Lea and Flood 2014, Fast splittable pseudorandom number
    generators, OOPSLA) over the batch, then the place in it."""
    start = np.uint64(seed % 2**64)
    return _mixed(_mixed(batches.astype(np.uint64) ^ start) + places.astype(np.uint64))


def _mixed(values: Hashes) -> Hashes:
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is what is meant
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def days_stored(connection: Connection, stream: Stream, start_us: int, end_us: int) -> dict[int, int]:
    """Stored rows with start <= event time < end by day (days since 1970)."""
    counts: dict[int, int] = {}
    for _, times, inside in _heads(connection, stream, start_us, end_us):
        for day, rows in zip(*np.unique(times[inside] // DAY_US, return_counts=True), strict=True):
            counts[int(day)] = counts.get(int(day), 0) + int(rows)
    return counts


def show(connection: Connection, stream: Stream, start_us: int, end_us: int, sampling: Sampling) -> None:
    """Show every stored row with start <= event time < end to a sampling."""
    for segment, times, inside in _heads(connection, stream, start_us, end_us):
        batches, places, _ = _named(connection, segment, len(times))
        sampling.look(stream.id, times[inside], batches[inside], places[inside])


def _heads(
    connection: Connection, stream: Stream, start_us: int, end_us: int
) -> Iterator[tuple[int, Ints, Ints]]:
    """Segment, event times of its rows, and the numbers of those within."""
    for number, head in connection.execute(
        f"SELECT id, predictions {_SEGMENTS}", (stream.id, start_us, end_us)
    ):
        times = decode_predictions(head).times
        yield number, times, np.flatnonzero((times >= start_us) & (times < end_us))


def recorded_rows(
    connection: Connection,
    stream: Stream,
    start_us: int,
    end_us: int,
    sampling: Sampling | None,
    classifies: bool,
) -> Iterator[RecordedRows]:
    """Rows of a stream with start <= event time < end, segment by segment; those of ``sampling`` alone where given."""
    bounds = (stream.id, start_us, end_us)
    for number, head, body in connection.execute(f"SELECT id, predictions, features {_SEGMENTS}", bounds):
        predictions = decode_predictions(head)
        times = predictions.times
        batches, places, known = _named(connection, number, len(times))
        inside = (times >= start_us) & (times < end_us)
        if sampling is not None:
            inside &= sampling.takes(stream.id, times, batches, places)
        rows = np.flatnonzero(inside)
        if not rows.size:
            continue
        outcomes = empty_outcomes(len(times), classifies)
        for first, data in known:
            part = np.frombuffer(data, outcomes.dtype)
            outcomes[first : first + len(part)] = part
        yield RecordedRows(
            batches[rows],
            places[rows],
            predictions.take(rows),
            _features(decode_features(body), rows),
            outcomes[rows],
        )


def prediction_id(connection: Connection, batch: int, place: int) -> str | None:
    """Prediction id of a row; None where its batch is not stored."""
    row = connection.execute(
        "SELECT p.name, b.sequence, b.segment_id, b.segment_start FROM batches b JOIN producers p ON p.id = b.producer_id "
        "WHERE b.id=?",
        (batch,),
    ).fetchone()
    if row is None or row[2] is None:
        return None
    predictions, _ = read_segment(connection, row[2])
    return str(PredictionId(row[0], row[1], int(predictions.offsets[row[3] + place])))


def days_served(connection: Connection, stream: Stream, start_us: int, end_us: int) -> dict[int, int]:
    """Rows served on each day (days since 1970) that has any, by whole hours: also those that are not stored any more."""
    served = {}
    for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
        first = max(day * DAY_US, start_us - start_us % HOUR_US)
        served[day] = rollup.count_rows(connection, stream.id, HOUR_S, first, min((day + 1) * DAY_US, end_us))
    return {day: rows for day, rows in served.items() if rows}


def streams_of(connection: Connection, model: str, targets: tuple[str, ...]) -> list[Stream]:
    """Streams of a model on these targets, of every version."""
    return [stream for stream in streams.list_streams(connection, model) if stream.target in targets]


def _named(connection: Connection, segment: int, rows: int) -> tuple[Ints, Ints, list[tuple[int, bytes]]]:
    """Batch and place of each row of a segment, and the outcomes that are known: where they begin, and their bytes."""
    batches, places = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    known = []
    for batch, first, count, data in connection.execute(
        "SELECT b.id, b.segment_start, b.rows, o.data FROM batches b LEFT JOIN outcomes o ON o.batch_id = b.id "
        "WHERE b.segment_id=?",
        (segment,),
    ):
        batches[first : first + count] = batch
        places[first : first + count] = np.arange(count)
        if data is not None:
            known.append((first, data))
    return batches, places, known


def _features(features: Features, rows: Ints) -> Features:
    return Features(
        {name: values[rows] for name, values in features.numeric.items()},
        {
            name: CodedColumn(column.vocabulary, column.codes[rows])
            for name, column in features.categorical.items()
        },
    )
