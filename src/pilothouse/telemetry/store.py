"""The store of telemetry: batches and outcomes in, windows out. One writer a file; every call is one transaction."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pilothouse.domain.wire import BatchReceipt, LabelReceipt, Outcome, PredictionBatch
from pilothouse.sqlite import Connection
from pilothouse.statistics import outcomes
from pilothouse.statistics.outcomes import OutcomeProfile
from pilothouse.statistics.specification import ProfileSpecification

from . import rollup, streams, truths
from .admission import (
    NEVER,
    TAKEN_SEQUENCE,
    Admission,
    Clock,
    Limits,
    Rejection,
    VersionFacts,
    admit,
)
from .columns import (
    Features,
    Ints,
    Predictions,
    decode_features,
    decode_predictions,
    encode_features,
    encode_predictions,
)
from .rollup import DAY, HOUR, MINUTE, Window
from .schema import TelemetryFile, open_database
from .streams import Stream
from .truths import StoredBatch, Tally

Lookup = Callable[[str, int], VersionFacts | None]
"""Model and version number to what ingest must know of it; None for a version that is not registered."""

_OUTCOMES_A_COMMIT = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(time: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Microseconds since 1970 as an aware time in UTC."""
    return _EPOCH + timedelta(microseconds=us)


class TelemetryStore:
    """telemetry.db, made where it is absent. May be used from any thread."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        prepare: Callable[[Connection], None] | None = None,
    ) -> None:
        """``prepare`` is done to each new connection of an existing file, which is then not brought up to date."""
        self.path = path
        self.limits = limits or Limits()
        self._database = open_database(path) if prepare is None else TelemetryFile(path, prepare)
        self._specifications: dict[int, ProfileSpecification] = {}
        self.known_versions: dict[tuple[str, int], tuple[int, VersionFacts | None]] = {}
        """What the caller of ``append`` has looked up, with the data version of where it looked; kept for it."""
        self.calibrated: set[tuple[str, int, str, int]] = set()
        """(model, version, target, days) whose calibration is known to be kept; remembered for the monitor."""

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def read(self) -> AbstractContextManager[Connection]:
        """A consistent view for several reads."""
        return self._database.read()

    def transaction(self) -> AbstractContextManager[Connection]:
        """A unit of work."""
        return self._database.transaction()

    def data_version(self) -> int:
        """Changes when anybody commits to the file."""
        return self._database.data_version()

    def check(self) -> None:
        """Have SQLite examine the whole file. Raises IntegrityError with its first finding."""
        self._database.check()

    def copy_to(self, path: Path) -> None:
        """A sound copy of the live database in one file. Raises UnavailableError where that file exists."""
        self._database.copy_to(path)

    def append(
        self, batch: PredictionBatch, lookup: Lookup, now_us: int, *, trusted_clock: bool = True
    ) -> BatchReceipt:
        """Take in a batch: rows, roll-ups, clock and rejections in one transaction; a batch twice counts once.

        Without ``trusted_clock`` (a file) many events that agree on a far jump of the target's clock are not believed.
        """
        checksum = _checksum(batch)
        facts = lookup(batch.model, batch.version)
        with self.transaction() as connection:
            producer = streams.producer_id(connection, batch.producer)
            seen = connection.execute(
                "SELECT checksum, rows, rejected FROM batches WHERE producer_id=? AND sequence=?",
                (producer, batch.sequence),
            ).fetchone()
            if seen is not None and seen[0] == checksum:
                return BatchReceipt(seen[1], seen[2], duplicate=True)
            if seen is not None:
                refused = Rejection(TAKEN_SEQUENCE, max(batch.rows, 0), f"{batch.producer}.{batch.sequence}")
                streams.write_rejections(connection, batch, [refused], facts, now_us)
                return BatchReceipt(0, refused.count)
            clock = streams.read_clock(connection, batch.target)
            limits = self.limits if trusted_clock else replace(self.limits, confirmations=NEVER)
            taken = _taken_ids(connection, batch)
            admission = admit(batch, facts, clock, now_us, limits, taken)
            if admission.clock is not None and admission.clock != clock:
                streams.write_clock(connection, batch.target, admission.clock)
            streams.write_rejections(connection, batch, admission.rejections, facts, now_us)
            rows = self._keep(connection, batch, producer, checksum, facts, admission, now_us)
        return BatchReceipt(rows, admission.rejected)

    def _keep(
        self,
        connection: Connection,
        batch: PredictionBatch,
        producer: int,
        checksum: int,
        facts: VersionFacts | None,
        admission: Admission,
        now_us: int,
    ) -> int:
        predictions, features = admission.predictions, admission.features
        if predictions is None or features is None or facts is None:
            _insert_batch(
                connection, (producer, batch.sequence, None, checksum, 0, admission.rejected), now_us
            )
            _forget_waiting(connection, batch, now_us)
            if facts is not None and batch.errors:
                self._count_errors(connection, batch, facts, admission.clock, now_us)
            return 0
        times = predictions.times
        dense = rollup.is_dense(times)
        stream = streams.advance_stream(connection, batch, facts, times, now_us, predictions.rows, dense)
        batch_id = _insert_batch(
            connection,
            (producer, batch.sequence, stream.id, checksum, predictions.rows, admission.rejected),
            now_us,
            (int(times.min()), int(times.max()), encode_predictions(predictions), encode_features(features)),
        )
        connection.executemany(
            "INSERT INTO foreign_ids VALUES (?,?,?)",
            [
                (truths.hash_id(text), batch_id, int(offset))
                for text, offset in zip(predictions.ids, predictions.offsets, strict=False)
            ],
        )
        self._roll_up(connection, batch, facts.specification, stream, predictions, features)
        stored = StoredBatch(batch_id, stream.id, predictions)
        tally = truths.join_waiting(
            connection, stored, batch.producer, batch.sequence, facts.specification, now_us
        )
        streams.write_faults(connection, tally.faults, now_us)
        return predictions.rows

    def _roll_up(
        self,
        connection: Connection,
        batch: PredictionBatch,
        specification: ProfileSpecification,
        stream: Stream,
        predictions: Predictions,
        features: Features,
    ) -> None:
        minutes = stream.minutes_since_us is not None
        finest = MINUTE if minutes else HOUR
        parts = rollup.increments(
            specification, predictions, features, _request_times(batch, predictions), batch.errors, finest
        )
        for level in (MINUTE, HOUR, DAY) if minutes else (HOUR, DAY):
            parts = rollup.coarser(specification, parts, level) if level != finest else parts
            rollup.add(connection, specification, stream.id, level, parts)

    def _count_errors(
        self,
        connection: Connection,
        batch: PredictionBatch,
        facts: VersionFacts,
        clock: Clock | None,
        now_us: int,
    ) -> None:
        """Errors of a batch without rows belong to the time that its target's clock shows."""
        time = clock.event_us if clock else now_us
        stream = streams.advance_stream(connection, batch, facts, np.array([time]), now_us, 0, False)
        for level in (MINUTE, HOUR, DAY) if stream.minutes_since_us is not None else (HOUR, DAY):
            part = {rollup.floor_to(level, time): rollup.Increment(errors=batch.errors)}
            rollup.add(connection, facts.specification, stream.id, level, part)

    def add_outcomes(self, listed: Sequence[Outcome], now_us: int) -> LabelReceipt:
        """Join outcomes to their predictions; commits every few thousand. Handing one in twice changes nothing."""
        total = Tally()
        for first in range(0, len(listed), _OUTCOMES_A_COMMIT):
            with self.transaction() as connection:
                tally = truths.join(
                    connection,
                    listed[first : first + _OUTCOMES_A_COMMIT],
                    lambda batch_id: _load(connection, batch_id),
                    lambda stream_id: self.specification(connection, stream_id),
                    now_us,
                )
                streams.write_faults(connection, tally.faults, now_us)
            total.joined += tally.joined
            total.waiting += tally.waiting
            total.conflicts += tally.conflicts
            total.duplicates += tally.duplicates
        return LabelReceipt(total.joined, total.waiting, total.conflicts, total.duplicates)

    def specification(self, connection: Connection, stream_id: int) -> ProfileSpecification:
        """The profile specification of a stream."""
        (number,) = connection.execute(
            "SELECT specification_id FROM streams WHERE id=?", (stream_id,)
        ).fetchone()
        if number not in self._specifications:
            (data,) = connection.execute("SELECT data FROM specifications WHERE id=?", (number,)).fetchone()
            self._specifications[number] = ProfileSpecification.from_bytes(data)
        return self._specifications[number]

    def clock(self, target: str) -> datetime | None:
        """The newest event of a target, or None before its first."""
        with self.read() as connection:
            clock = streams.read_clock(connection, target)
        return from_us(clock.event_us) if clock else None

    def windows(
        self, model: str, version: int, target: str, level: int, start_us: int, end_us: int
    ) -> list[Window]:
        """The windows of one level (60, 3600 or 86400 seconds) that start in [start, end), oldest first."""
        with self.read() as connection:
            stream = streams.find_stream(connection, model, version, target)
            if stream is None:
                return []
            specification = self.specification(connection, stream.id)
            return rollup.read(connection, specification, stream.id, level, start_us, end_us)

    def outcome_days(
        self, model: str, version: int, target: str, start_us: int, end_us: int
    ) -> list[tuple[int, OutcomeProfile]]:
        """(start of day, outcome profile) of the days that start in [start, end), by event time, oldest first."""
        with self.read() as connection:
            stream = streams.find_stream(connection, model, version, target)
            if stream is None:
                return []
            specification = self.specification(connection, stream.id)
            return [
                (start, outcomes.decode(specification, data))
                for start, data in read_outcome_days(connection, stream.id, start_us, end_us)
            ]

    def labelled_batches(
        self, model: str, target: str | None, since_us: int, until_us: int
    ) -> Iterator[tuple[Stream, Predictions, Features, Ints, list[object]]]:
        """Batches with at least one known truth in [since, until): stream, predictions, features, the places of the
        rows that qualify, and their truth (a class, or a value)."""
        with self.read() as connection:
            for stream in streams.list_streams(connection, model, target):
                classes = self.specification(connection, stream.id).classes
                rows = connection.execute(
                    "SELECT b.id, b.predictions, b.features, b.rows FROM batches b JOIN truths t ON t.batch_id = b.id "
                    "WHERE b.stream_id=? AND b.last_event>=? AND b.first_event<? ORDER BY b.id",
                    (stream.id, since_us, until_us),
                )
                for batch_id, head, body, count in rows:
                    predictions = decode_predictions(head)
                    truth = truths.read_truth(connection, batch_id, count, bool(classes))
                    known = truths.known_rows(truth)
                    inside = (predictions.times[known] >= since_us) & (predictions.times[known] < until_us)
                    places = known[inside]
                    if places.size:
                        values = [classes[truth[i]] if classes else float(truth[i]) for i in places]
                        yield stream, predictions, decode_features(body), places, values


def read_outcome_days(
    connection: Connection, stream_id: int, start_us: int, end_us: int
) -> list[tuple[int, bytes]]:
    """(start of day, encoded outcome profile) of the days that start in [start, end), oldest first."""
    return list(
        connection.execute(
            "SELECT start, data FROM outcome_days WHERE stream_id=? AND start>=? AND start<? ORDER BY start",
            (stream_id, start_us, end_us),
        )
    )


def truth_share(connection: Connection, stream_id: int, start_us: int, end_us: int) -> float:
    """The share of predictions of the days that start in [start, end) whose outcome is known; 1 where there are none."""
    bounds = (stream_id, start_us, end_us)
    (rows,) = connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM windows WHERE stream_id=? AND level=86400 AND start>=? AND start<?",
        bounds,
    ).fetchone()
    (known,) = connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM outcome_days WHERE stream_id=? AND start>=? AND start<?", bounds
    ).fetchone()
    return float(known / rows) if rows else 1.0


def _checksum(batch: PredictionBatch) -> int:
    """Tells a batch sent again from another under the same number."""
    value = zlib.crc32(f"{batch.model}/{batch.version}@{batch.target}:{batch.rows}".encode())
    for part in (batch.event_times, batch.scores, *batch.numeric.values()):
        value = zlib.crc32(part, value)
    return zlib.crc32("\0".join(batch.foreign_ids).encode(), value)


def _insert_batch(
    connection: Connection,
    head: tuple[int, int, int | None, int, int, int],
    now_us: int,
    content: tuple[int | None, int | None, bytes | None, bytes | None] = (None, None, None, None),
) -> int:
    first, last, predictions, features = content
    cursor = connection.execute(
        "INSERT INTO batches (producer_id, sequence, stream_id, checksum, rows, rejected, first_event, last_event, "
        "received, predictions, features) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (*head, first, last, now_us, predictions, features),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _taken_ids(connection: Connection, batch: PredictionBatch) -> frozenset[int]:
    """Places whose foreign id is in use, in the store or earlier in the batch itself."""
    seen: set[int] = set()
    taken = []
    for place, text in enumerate(batch.foreign_ids):
        number = truths.hash_id(text)
        if (
            number in seen
            or connection.execute("SELECT 1 FROM foreign_ids WHERE hash=?", (number,)).fetchone()
        ):
            taken.append(place)
        seen.add(number)
    return frozenset(taken)


def _forget_waiting(connection: Connection, batch: PredictionBatch, now_us: int) -> None:
    """Outcomes that waited for a batch of which no row was kept will never find their predictions."""
    gone = connection.execute(
        "DELETE FROM waiting_outcomes WHERE producer=? AND sequence=? RETURNING id",
        (batch.producer, batch.sequence),
    ).fetchall()
    streams.write_faults(connection, [(truths.NO_SUCH_ROW, text) for (text,) in gone], now_us)


def _load(connection: Connection, batch_id: int) -> StoredBatch:
    stream_id, head = connection.execute(
        "SELECT stream_id, predictions FROM batches WHERE id=?", (batch_id,)
    ).fetchone()
    if head is None:
        none = np.empty(0, np.int64)
        return StoredBatch(batch_id, -1, Predictions(none, np.empty(0), none, []))
    return StoredBatch(batch_id, stream_id, decode_predictions(head))


def _request_times(batch: PredictionBatch, kept: Predictions) -> list[tuple[int, int, int]]:
    """(event time, latency, rows) of each request: the event time of its first row that was kept, else the batch's."""
    found, first = [], 0
    for request in batch.requests:
        place = int(np.searchsorted(kept.offsets, first))
        inside = place < kept.rows and int(kept.offsets[place]) < first + request.rows
        time = kept.times[place] if inside else kept.times[-1]
        found.append((int(time), request.latency_us, request.rows))
        first += request.rows
    return found


__all__ = ["Clock", "Lookup", "TelemetryStore", "from_us", "to_us"]
