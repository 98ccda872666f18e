"""Telemetry store: batches and outcomes in, windows out. One writer a file; every call is one transaction."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import DAY_S, from_us
from pilothouse.domain.formats.wire import (
    BatchReceipt,
    LabelReceipt,
    Outcome,
    PairBatch,
    PredictionBatch,
)
from pilothouse.domain.identifiers import version_uri
from pilothouse.sqlite import Connection
from pilothouse.sqlite.schema import create_file, upgrade_file
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake import faults, file_times, producers, rollup, streams
from pilothouse.telemetry.intake.admission import Believed, Clock, Limits, VersionFacts
from pilothouse.telemetry.intake.file_parts import FilePart
from pilothouse.telemetry.intake.intake import Intake
from pilothouse.telemetry.intake.kept_rejections import KeptRows
from pilothouse.telemetry.intake.retakes import prediction_ids
from pilothouse.telemetry.intake.rollup import LatencyWindows, Window
from pilothouse.telemetry.intake.streams import Stream
from pilothouse.telemetry.intake.write_cache import WriteCache
from pilothouse.telemetry.outcomes import outcome_matching
from pilothouse.telemetry.outcomes.outcome_matching import StoredBatch
from pilothouse.telemetry.outcomes.waiting_outcomes import Tally
from pilothouse.telemetry.rows.columns import Features, Ints, Predictions, decode_features, decode_predictions
from pilothouse.telemetry.schema import TelemetryFile
from pilothouse.telemetry.trials.intake import take_pairs

Lookup = Callable[[str, int], VersionFacts | None]
"""Function from model and version number to what ingest must know of it; None for a version that is not registered."""

_OUTCOMES_A_COMMIT = 5_000
"""Outcomes that are matched in one transaction."""
_SEGMENTS_OPEN = 8
"""Decoded segments that a loader keeps."""
_FOLDED_A_COMMIT = 8
"""Windows folded in one transaction: an hour of minutes takes some milliseconds, and ingest waits no longer than for
these."""


class TelemetryStore(TelemetryFile):
    """Store in telemetry.db, made where it is absent. May be used from any thread."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        prepare: Callable[[Connection], None] | None = None,
        before_upgrade: Callable[[], None] | None = None,
    ) -> None:
        """Open the store. ``prepare`` is applied to each new connection of an existing file, which is then not brought up
        to date; ``before_upgrade`` is called where the file is of an older schema, and may raise."""
        if prepare is None:
            if not path.exists():
                create_file(path, self.schema)
            upgrade_file(path, self.schema, before_upgrade)
        super().__init__(path, prepare)
        self.limits = limits or Limits()
        self._specifications: dict[int, ProfileSpecification] = {}
        self._write_cache = WriteCache()
        self.known_versions: dict[tuple[str, int], tuple[int, VersionFacts | None]] = {}
        """Results of the lookups of ``append``'s caller, with the data version of where it looked; kept here for it."""
        self.calibrated: set[tuple[str, int, str, int]] = set()
        """(model, version, target, days) whose calibration is known to be stored; remembered for the monitor."""

    def append(self, batch: PredictionBatch, lookup: Lookup, now_us: int) -> BatchReceipt:
        """Take in a batch: rows, roll-ups, clock and rejections in one transaction; a batch twice counts once."""
        return self.append_many([batch], lookup, now_us)[0]

    def append_many(
        self, batches: Sequence[PredictionBatch], lookup: Lookup, now_us: int
    ) -> list[BatchReceipt]:
        """Take in batches in the order given, all in one transaction: its commit and its windows cost once."""
        with self._intake(batches, lookup, now_us) as intake:
            intake.read_small(batches)
            receipts = [intake.take(batch) for batch in batches]
            intake.keep()
        return receipts

    def producers_of_others(self, names: Collection[str], target: str) -> list[str]:
        """Those of these producers that belong to another target than this one."""
        with self.read() as connection:
            return producers.of_others(connection, names, target)

    def append_pairs(self, batch: PairBatch, lookup: Lookup, now_us: int) -> BatchReceipt:
        """Take in pairs of a shadow, with the outcomes that are known of them; a batch twice counts once."""
        facts = lookup(batch.model, batch.champion), lookup(batch.model, batch.challenger)
        with self.transaction() as connection:
            receipt = take_pairs(connection, batch, facts, loader(connection), now_us)
            faults.reach("before the commit of pairs")
        faults.reach("after the commit of pairs")
        return receipt

    def believed_times(
        self, times: Ints, model: str, target: str, now_us: int, *, history: bool, rows_of_file: int = 0
    ) -> Believed:
        """Span of the event times of a file, or of some of its rows, that are believed, beside each other and the clock of
        their target."""
        with self.read() as connection:
            clock = streams.read_clock(connection, model, target)
        return file_times.believed_times(times, clock, now_us, self.limits, history, rows_of_file)

    def append_part(
        self,
        batch: PredictionBatch,
        values: Sequence[float | str | None],
        believed: Believed,
        lookup: Lookup,
        now_us: int,
    ) -> tuple[FilePart, Tally]:
        """Take in a part of a file with its rows' outcomes (or none), in one transaction.

        A part that was taken in before counts once; its rows that were rejected then are judged again.
        """
        with self._intake([batch], lookup, now_us) as intake:
            part = intake.take_part(batch, values, believed)
            intake.keep()
            tally = self._match_values(intake, part, prediction_ids(batch) if values else [], values, now_us)
        return part, tally

    def retry_kept(
        self, kept: KeptRows, believed: Believed, lookup: Lookup, now_us: int
    ) -> tuple[FilePart, Tally]:
        """Judge rows again that were rejected and kept; take them in with their outcomes, in one transaction."""
        with self._intake([kept.batch], lookup, now_us) as intake:
            part = intake.take_kept(kept, believed)
            intake.keep()
            tally = self._match_values(intake, part, kept.ids() if kept.values else [], kept.values, now_us)
        return part, tally

    def _match_values(
        self,
        intake: Intake,
        part: FilePart,
        ids: Sequence[str],
        values: Sequence[float | str | None],
        now_us: int,
    ) -> Tally:
        """Match the outcomes that came with rows, but for those of rejected ones; counted with those that waited."""
        outcomes = [
            Outcome(name, value)
            for row, (name, value) in enumerate(zip(ids, values, strict=True))
            if value is not None and row not in part.refused_rows
        ]
        total = Tally()
        total.add(intake.outcomes)
        total.add(self._match(intake.connection, outcomes, now_us, None))
        return total

    @contextmanager
    def _intake(self, batches: Sequence[PredictionBatch], lookup: Lookup, now_us: int) -> Iterator[Intake]:
        """Transaction in which batches are taken in."""
        facts = {
            (model, version): lookup(model, version)
            for model, version in {(batch.model, batch.version) for batch in batches}
        }
        try:
            with self.transaction() as connection:
                self._write_cache.look(connection)
                yield Intake(connection, facts, self.limits, now_us, self._write_cache)
                self._write_cache.keep(connection)
                faults.reach("before the commit of a batch")
            if connection.in_transaction:  # the caller's own, which may still be rolled back
                self._write_cache.forget()
        except BaseException:
            self._write_cache.forget()
            raise
        faults.reach("after the commit of a batch")

    def fold_windows(self) -> int:
        """Write the sums of hours and days that have passed, in short transactions. Returns how many.

        A window that is damaged stops no other; raises its IntegrityError at the end.
        """
        damaged: list[IntegrityError] = []
        with self.read() as connection:
            passed = rollup.passed_windows(connection)
        for first in range(0, len(passed), _FOLDED_A_COMMIT):
            with self.transaction() as connection:
                for key in passed[first : first + _FOLDED_A_COMMIT]:
                    try:
                        with self.transaction():  # a savepoint
                            rollup.fold(connection, self.specification(connection, key[0]), key)
                    except IntegrityError as error:
                        damaged.append(error)
        if damaged:
            raise damaged[0]
        return len(passed)

    def count_refused(self, rows: int, example: str, now_us: int) -> None:
        """Count rows that were refused before they could be read as a batch."""
        with self.transaction() as connection:
            streams.write_refusal(connection, rows, example, now_us)

    def add_outcomes(self, listed: Sequence[Outcome], now_us: int, target: str | None = None) -> LabelReceipt:
        """Match outcomes to their predictions; commits every few thousand. Handing one in twice changes nothing.

        With a ``target`` only to predictions of that target.
        """
        total = Tally()
        for first in range(0, len(listed), _OUTCOMES_A_COMMIT):
            with self.transaction() as connection:
                total.add(self._match(connection, listed[first : first + _OUTCOMES_A_COMMIT], now_us, target))
                faults.reach("before the commit of outcomes")
        return total.receipt()

    def _match(
        self, connection: Connection, listed: Sequence[Outcome], now_us: int, target: str | None
    ) -> Tally:
        tally = outcome_matching.join(
            connection,
            listed,
            loader(connection),
            lambda stream_id: self.specification(connection, stream_id),
            now_us,
            target,
        )
        streams.write_faults(connection, tally.faults, now_us)
        return tally

    def specification(self, connection: Connection, stream_id: int) -> ProfileSpecification:
        (number,) = connection.execute(
            "SELECT specification_id FROM streams WHERE id=?", (stream_id,)
        ).fetchone()
        if number not in self._specifications:
            (data,) = connection.execute("SELECT data FROM specifications WHERE id=?", (number,)).fetchone()
            self._specifications[number] = ProfileSpecification.from_bytes(data)
        return self._specifications[number]

    def clock(self, target: str, model: str | None = None) -> datetime | None:
        """Newest event of a model on a target, of any model where none is named, or None before its first."""
        with self.read() as connection:
            if model is None:
                newest = streams.newest_clock_us(connection, target)
            else:
                clock = streams.read_clock(connection, model, target)
                newest = clock.event_us if clock else None
        return None if newest is None else from_us(newest)

    def windows(
        self, model: str, version: int, target: str, level: int, start_us: int, end_us: int
    ) -> list[Window]:
        """Windows of one level (60, 3600 or 86400 seconds) that start in [start, end), oldest first."""
        with self.read() as connection:
            stream = streams.find_stream(connection, model, version, target)
            if stream is None:
                return []
            specification = self.specification(connection, stream.id)
            return rollup.read(connection, specification, stream.id, level, start_us, end_us)

    def latencies(
        self,
        model: str,
        version: int,
        target: str,
        level: int,
        start_us: int,
        end_us: int,
        percents: tuple[float, ...] = (50, 95, 99),
    ) -> LatencyWindows:
        """Percentiles of the windows of one level that start in [start, end) and have requests, oldest first."""
        with self.read() as connection:
            stream = streams.find_stream(connection, model, version, target)
            number = stream.id if stream else -1
            return rollup.latency_windows(connection, number, level, start_us, end_us, percents)

    def labelled_batches(
        self, model: str, target: str | None, since_us: int, until_us: int
    ) -> Iterator[tuple[Stream, Predictions, Features, Ints, list[object]]]:
        """Batches with at least one known outcome in [since, until): stream, predictions, features, the numbers of the
        rows that qualify, and their outcomes (a class, or a value)."""
        with self.read() as connection:
            for stream in streams.list_streams(connection, model, target):
                classes = self.specification(connection, stream.id).classes
                rows = connection.execute(
                    "SELECT b.id, b.segment_id, b.segment_start, b.rows FROM segments s "
                    "JOIN batches b ON b.segment_id = s.id JOIN outcomes o ON o.batch_id = b.id "
                    "WHERE s.stream_id=? AND s.last_event>=? AND s.first_event<? ORDER BY s.id, b.id",
                    (stream.id, since_us, until_us),
                )
                opened, segment_predictions, segment_features = None, None, None
                for batch_id, segment, first, count in rows:
                    if segment != opened or segment_predictions is None or segment_features is None:
                        opened = segment
                        try:
                            segment_predictions, segment_features = read_segment(connection, segment)
                        except IntegrityError:
                            raise IntegrityError(_damaged_text(connection, stream, segment)) from None
                    predictions = segment_predictions.part(first, count)
                    kept_outcomes = outcome_matching.read_outcomes(connection, batch_id, count, bool(classes))
                    known = outcome_matching.known_rows(kept_outcomes)
                    inside = (predictions.times[known] >= since_us) & (predictions.times[known] < until_us)
                    positions = known[inside]
                    if positions.size:
                        values = [
                            classes[kept_outcomes[i]] if classes else float(kept_outcomes[i])
                            for i in positions
                        ]
                        yield stream, predictions, segment_features.part(first, count), positions, values


def _damaged_text(connection: Connection, stream: Stream, segment: int) -> str:
    rows, first, last = connection.execute(
        "SELECT rows, first_event, last_event FROM segments WHERE id=?", (segment,)
    ).fetchone()
    return (
        f"{version_uri(stream.model, stream.version)} on {stream.target}: {rows:,} stored rows from "
        f"{from_us(first):%Y-%m-%d %H:%M} to {from_us(last):%Y-%m-%d %H:%M} UTC are damaged: choose a time without them, or "
        "restore telemetry.db from a backup"
    )


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


def count_outcomes(connection: Connection, stream_id: int, start_us: int, end_us: int) -> int:
    """Predictions of the days that start in [start, end) whose outcome is known."""
    (known,) = connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM outcome_days WHERE stream_id=? AND start>=? AND start<?",
        (stream_id, start_us, end_us),
    ).fetchone()
    return int(known)


def outcome_share(connection: Connection, stream_id: int, start_us: int, end_us: int) -> float:
    """Share of predictions of the days that start in [start, end) whose outcome is known; 1 where there are none."""
    rows = rollup.count_rows(connection, stream_id, DAY_S, start_us, end_us)
    return count_outcomes(connection, stream_id, start_us, end_us) / rows if rows else 1.0


def read_segment(connection: Connection, segment_id: int) -> tuple[Predictions, Features]:
    head, body = connection.execute(
        "SELECT predictions, features FROM segments WHERE id=?", (segment_id,)
    ).fetchone()
    return decode_predictions(head), decode_features(body)


def loader(connection: Connection) -> Callable[[int], StoredBatch]:
    """Function that reads batches by their number, for outcomes; those of one segment decode it once."""
    opened: dict[int, Predictions] = {}

    @lru_cache(maxsize=_SEGMENTS_OPEN)
    def features(segment: int) -> Features:
        return read_segment(connection, segment)[1]

    def load(batch_id: int) -> StoredBatch:
        stream_id, segment, first, rows = connection.execute(
            "SELECT stream_id, segment_id, segment_start, rows FROM batches WHERE id=?", (batch_id,)
        ).fetchone()
        if segment is None:
            none = np.empty(0, np.int64)
            empty = Features({}, {})
            return StoredBatch(
                batch_id, -1, Predictions(none, np.empty(0), none), lambda: empty, expired=bool(rows)
            )
        if segment not in opened:
            if len(opened) >= _SEGMENTS_OPEN:
                opened.pop(next(iter(opened)))
            (head,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
            opened[segment] = decode_predictions(head)
        return StoredBatch(
            batch_id,
            stream_id,
            opened[segment].part(first, rows),
            lambda: features(segment).part(first, rows),
        )

    return load


__all__ = ["Clock", "Lookup", "TelemetryStore"]
