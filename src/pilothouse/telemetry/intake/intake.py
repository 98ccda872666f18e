"""Intake of several batches in one transaction: each is admitted by itself; each stream gets one segment and one roll-up.

The costs of a transaction besides its rows (its commit, the windows that it touches) are shared by all batches that
waited for it. Everything here runs inside the caller's transaction.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.domain.formats.wire import BatchReceipt, PredictionBatch
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.sqlite import Connection
from pilothouse.telemetry.intake import (
    heads,
    kept_rejections,
    producers,
    retakes,
    rollup,
    small_batches,
    streams,
)
from pilothouse.telemetry.intake.admission import (
    Admission,
    Believed,
    Clock,
    Limits,
    Rejection,
    VersionFacts,
    admit,
    admit_plain,
)
from pilothouse.telemetry.intake.arrivals import (
    Accepted,
    ArrivedStream,
    RowlessErrors,
    arrived_stream,
    rolled_up,
)
from pilothouse.telemetry.intake.file_parts import FilePart
from pilothouse.telemetry.intake.increment import Increment
from pilothouse.telemetry.intake.kept_rejections import KeptRows
from pilothouse.telemetry.intake.small_batches import PlainBatch
from pilothouse.telemetry.intake.streams import Stream, StreamKey
from pilothouse.telemetry.intake.write_cache import WriteCache
from pilothouse.telemetry.outcomes import outcome_matching, waiting_outcomes
from pilothouse.telemetry.outcomes.outcome_matching import StoredBatch
from pilothouse.telemetry.outcomes.waiting_outcomes import Tally
from pilothouse.telemetry.rows import erased_rows, traces
from pilothouse.telemetry.rows.columns import join_predictions
from pilothouse.telemetry.rows.requests import requests_of
from pilothouse.telemetry.trials import arms, draws
from pilothouse.telemetry.windows import late_days, worklist


@dataclass(slots=True)
class Intake:
    """Batches of one transaction. Call ``take`` for each, then ``keep`` once."""

    connection: Connection
    facts: Mapping[tuple[str, int], VersionFacts | None]
    limits: Limits
    now_us: int
    known: WriteCache
    outcomes: Tally = field(default_factory=Tally)
    """Outcomes that waited for these batches: those that were matched, and those that were dropped."""
    _plain: dict[int, PlainBatch] = field(default_factory=dict)
    _moved: list[Stream] = field(default_factory=list)
    _heads: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    _clocks: dict[tuple[str, str], Clock | None] = field(default_factory=dict)
    _ids: set[int] = field(default_factory=set)
    _accepted: dict[StreamKey, list[Accepted]] = field(default_factory=dict)
    _errors: dict[StreamKey, RowlessErrors] = field(default_factory=dict)

    def read_small(self, batches: Sequence[PredictionBatch]) -> None:
        """Read small batches together, before each is taken; the caller keeps them alive."""
        known = {key: facts.specification for key, facts in self.facts.items() if facts is not None}
        latest_us = self.now_us + self.limits.future_us
        self._plain = small_batches.read_together(batches, known, latest_us)

    def take(self, batch: PredictionBatch) -> BatchReceipt:
        """Receipt of a batch, after its admission; one that was received before counts once."""
        seen = self._seen(batch)
        if seen is not None:
            return seen
        admission = self._judge(batch, None)
        rows = self._take_new(batch, admission)
        return BatchReceipt(rows, admission.rejected, reasons=_reasons(admission))

    def take_part(
        self, batch: PredictionBatch, values: Sequence[float | str | None], believed: Believed
    ) -> FilePart:
        """Numbers of a part of a file after its admission. Rows of it that were rejected before are judged again.

        ``values`` are the outcomes of the rows, or empty; they are kept with rejected rows.
        """
        part = FilePart()
        seen = self._seen(batch)
        if seen is None:
            admission = self._judge(batch, believed)
            part.accepted = self._take_new(batch, admission, values)
            part.note(admission, range(batch.rows))
            return part
        if not seen.duplicate:
            part.rejected[RejectionReason.TAKEN_SEQUENCE] += seen.rejected
            part.refused_rows.update(range(batch.rows))
            return part
        left = retakes.rows_not_taken(self.connection, batch) if seen.rejected else []
        part.known = batch.rows - len(left)
        if left:
            ids = retakes.prediction_ids(batch)
            admission = self._take_again(retakes.cut(batch, left), [ids[row] for row in left], believed)
            part.accepted = len(left) - admission.rejected
            part.note(admission, left)
            if not part.rejected:
                kept_rejections.drop_of_batch(self.connection, batch.producer, batch.sequence)
        return part

    def take_kept(self, kept: KeptRows, believed: Believed) -> FilePart:
        """Numbers of rows that were rejected and kept, after they have been judged again; those still rejected stay."""
        ids, part = kept.ids(), FilePart()
        left = [
            row
            for row, name in enumerate(ids)
            if not retakes.was_retaken(self.connection, kept.batch.producer, name)
        ]
        part.known = len(ids) - len(left)
        if left:
            rows = retakes.cut(kept.batch, left)
            admission = self._take_again(rows, [ids[row] for row in left], believed)
            part.accepted = len(left) - admission.rejected
            part.note(admission, left)
        kept_rejections.settle(self.connection, kept, sorted(part.refused_rows), self.now_us)
        return part

    def _seen(self, batch: PredictionBatch) -> BatchReceipt | None:
        """Receipt of a batch whose number was received before, or whose producer is another target's; None for another."""
        number = self._producer(batch.producer)
        if producers.owner(self.connection, number, batch.target, self.known.owners) != batch.target:
            return self._refused(batch, RejectionReason.PRODUCER_OF_ANOTHER)
        if (head := self._head(number, batch.sequence)) is None:
            return None
        checksum, rows, rejected = head
        if checksum == _checksum(batch):
            return BatchReceipt(rows, rejected, duplicate=True)
        return self._refused(batch, RejectionReason.TAKEN_SEQUENCE)

    def _refused(self, batch: PredictionBatch, reason: RejectionReason) -> BatchReceipt:
        refused = Rejection(reason, max(batch.rows, 0), f"{batch.producer}.{batch.sequence}")
        facts = self.facts[batch.model, batch.version]
        streams.write_rejections(self.connection, batch, [refused], facts, self.now_us)
        return BatchReceipt(0, refused.count, reasons={refused.reason.value: refused.count})

    def _take_new(
        self, batch: PredictionBatch, admission: Admission, values: Sequence[float | str | None] = ()
    ) -> int:
        facts = self.facts[batch.model, batch.version]
        streams.write_rejections(self.connection, batch, admission.rejections, facts, self.now_us)
        if admission.rejections and facts is not None:
            keep = kept_rejections.keep
            self._count(keep(self.connection, batch, admission.rejections, facts, values, self.now_us))
        producer, checksum = self._producer(batch.producer), _checksum(batch)
        rows = self._sort(batch, facts, producer, checksum, admission)
        self._heads[producer, batch.sequence] = checksum, rows, admission.rejected
        return rows

    def _take_again(self, part: PredictionBatch, ids: list[str], believed: Believed | None) -> Admission:
        """Admission of some rows of a batch that was received before; that they were rejected is on record already."""
        again = retakes.renamed(self.connection, part, ids)
        admission = self._judge(again, believed)
        if admission.predictions is not None:
            self._accept(again, self._producer(again.producer), _checksum(again), 0, admission)
            retakes.count_taken(self.connection, part, admission.predictions.rows)
        return admission

    def keep(self) -> None:
        """Write clocks, segments, windows, and the outcomes that waited."""
        moved = {
            deployment: clock
            for deployment, clock in self._clocks.items()
            if clock is not None and clock != self.known.clocks[deployment]
        }
        streams.write_clocks(self.connection, moved)
        self.known.clocks.update(moved)
        waiting = waiting_outcomes.anything_waits(self.connection)
        for group in rolled_up(self._arrived()):
            self._keep_streams(group, waiting)
        worklist.put(self.connection, {(model, target) for model, _, target in self._accepted} - set(moved))
        for key, errors in self._errors.items():
            self._count_errors(key, errors)

    def _producer(self, name: str) -> int:
        if name not in self.known.producers:
            self.known.producers[name] = streams.producer_id(self.connection, name)
        return self.known.producers[name]

    def _head(self, producer: int, sequence: int) -> tuple[int, int, int] | None:
        """Checksum, rows and rejected rows of the batch of that number."""
        if (producer, sequence) in self._heads:
            return self._heads[producer, sequence]
        if producer not in self.known.newest:
            (newest,) = self.connection.execute(
                "SELECT coalesce(max(sequence), -1) FROM batches WHERE producer_id=?", (producer,)
            ).fetchone()
            self.known.newest[producer] = newest
        if sequence > self.known.newest[producer]:  # as nearly always
            return None
        row: tuple[int, int, int] | None = self.connection.execute(
            "SELECT checksum, rows, rejected FROM batches WHERE producer_id=? AND sequence=?",
            (producer, sequence),
        ).fetchone()
        return row

    def _judge(self, batch: PredictionBatch, believed: Believed | None) -> Admission:
        deployment = batch.model, batch.target
        if deployment not in self._clocks:
            if deployment not in self.known.clocks:
                self.known.clocks[deployment] = streams.read_clock(self.connection, *deployment)
            self._clocks[deployment] = self.known.clocks[deployment]
        plain = self._plain.get(id(batch)) if believed is None else None
        if plain is not None:
            of_all = admit_plain(plain, self._clocks[deployment], self.now_us, self.limits)
            if of_all is not None:
                self._clocks[deployment] = of_all.clock
                return of_all
        taken, erased = self._ids_in_use(batch)
        admission = admit(
            batch,
            self.facts[batch.model, batch.version],
            self._clocks[deployment],
            self.now_us,
            self.limits,
            taken,
            believed,
            erased,
        )
        self._clocks[deployment] = admission.clock
        return admission

    def _ids_in_use(self, batch: PredictionBatch) -> tuple[frozenset[int], frozenset[int]]:
        """Offsets of rows whose foreign id is in use (in the store, earlier in this transaction or in the batch itself), and of
        those whose id names a row that was erased."""
        taken, erased, seen = [], [], set[int]()
        for offset, text in enumerate(batch.foreign_ids):
            number = waiting_outcomes.hash_id(text)
            row = self.connection.execute(
                "SELECT batch_id, offset FROM foreign_ids WHERE hash=?", (number,)
            ).fetchone()
            if row is not None and erased_rows.is_erased(self.connection, *row):
                erased.append(offset)
            elif number in self._ids or number in seen or row is not None:
                taken.append(offset)
            seen.add(number)
        return frozenset(taken), frozenset(erased)

    def _sort(
        self,
        batch: PredictionBatch,
        facts: VersionFacts | None,
        producer: int,
        checksum: int,
        admission: Admission,
    ) -> int:
        if admission.predictions is not None and admission.features is not None:
            self._accept(batch, producer, checksum, admission.rejected, admission)
            return admission.predictions.rows
        self.connection.execute(
            "INSERT INTO batches (producer_id, sequence, checksum, rows, rejected, received) VALUES (?,?,?,0,?,?)",
            (producer, batch.sequence, checksum, admission.rejected, self.now_us),
        )
        self.known.note_sequence(producer, batch.sequence)
        self._count(waiting_outcomes.forget_waiting(self.connection, batch, admission.by_the_clock))
        if facts is not None and batch.errors:
            arms.count(self.connection, batch, facts, None, self.now_us)
            key = batch.model, batch.version, batch.target
            errors = self._errors.setdefault(key, RowlessErrors())
            errors.count += batch.errors
            # a batch without rows has no event time: its errors get that of the target's clock
            errors.time_us = admission.clock.event_us if admission.clock else self.now_us
        return 0

    def _accept(
        self, batch: PredictionBatch, producer: int, checksum: int, rejected: int, admission: Admission
    ) -> None:
        assert admission.predictions is not None
        assert admission.features is not None
        key = batch.model, batch.version, batch.target
        plain = self._plain.get(id(batch))
        if plain is not None and plain.predictions is admission.predictions:
            requests = plain.requests
        else:
            requests = requests_of(admission.predictions, batch.rows)
        columns = admission.predictions, admission.features, requests
        self._accepted.setdefault(key, []).append(
            Accepted(batch, producer, checksum, rejected, admission.by_the_clock, *columns)
        )
        self._ids.update(waiting_outcomes.hash_id(text) for text in admission.predictions.ids)

    def _arrived(self) -> Iterator[ArrivedStream]:
        for key, accepted in self._accepted.items():
            facts = self.facts[key[:2]]
            assert facts is not None
            predictions = join_predictions([part.predictions for part in accepted])
            span = predictions.first_us, predictions.last_us
            before = self.known.streams.get(key)
            stream = self._advance(key, facts, span, predictions.rows, rollup.is_dense(predictions))
            newest_us = None if before is None else before.last_event_us
            yield arrived_stream(stream, facts, accepted, predictions, newest_us)

    def _keep_streams(self, group: Sequence[ArrivedStream], waiting: bool) -> None:
        """Store the batches of each stream as one segment, and add them to its windows; one statement a table."""
        specification = group[0].facts.specification
        streams.write_moved(self.connection, self._moved)
        self._moved.clear()
        for arrived in group:
            for part in arrived.accepted:
                if part.batch.errors:  # with the newest window of their batch
                    newest = rollup.finest_window(part.predictions.last_us, arrived.stream.minutes_since_us)
                    arrived.parts[newest].errors += part.batch.errors
        rollup.add(
            self.connection,
            specification,
            [(one.stream.id, one.parts, one.newest_before_us) for one in group],
            self.known,
        )
        for arrived in group:
            given = arrived.given.predictions
            late_days.note_rows(self.connection, arrived.stream.id, given, self.now_us, self.known.closed)
        heads.put_segments(self.connection, group, self.now_us, self.known)
        for arrived in group:
            for part in arrived.accepted:
                self._follow(arrived, part, waiting)

    def _follow(self, arrived: ArrivedStream, part: Accepted, waiting: bool) -> None:
        """Store what goes with a batch: traces, foreign ids, its arm of a trial, and the outcomes that waited for it."""
        batch, predictions, batch_id = part.batch, part.predictions, part.id
        traces.put(self.connection, batch_id, predictions)
        found = arms.count(self.connection, batch, arrived.facts, part.requests, self.now_us)
        if found is not None:
            counted = draws.encode_rows(predictions, part.requests, found.requests)
            arms.follow(self.connection, batch, batch_id, arrived.facts, counted, self.now_us)
        elif batch.draws and batch.producer.startswith(kept_rejections.OF_A_FILE):
            draws.keep_log_keys(self.connection, batch_id, batch.draws, predictions.offsets, batch.rows)
        if predictions.ids:
            self.connection.executemany(
                "INSERT INTO foreign_ids VALUES (?,?,?)",
                [
                    (waiting_outcomes.hash_id(text), batch_id, int(offset))
                    for text, offset in zip(predictions.ids, predictions.offsets, strict=True)
                ],
            )
        if waiting:
            stored = StoredBatch(batch_id, arrived.stream.id, predictions, lambda: part.features)
            tally = outcome_matching.join_waiting(
                self.connection, stored, batch.producer, batch.sequence, arrived.facts.specification, self.now_us,
                part.by_the_clock,
            )  # fmt: skip
            self._count(tally)

    def _advance(
        self, key: StreamKey, facts: VersionFacts, span: tuple[int, int], rows: int, dense: bool
    ) -> Stream:
        stream = streams.advance_stream(
            self.connection, key, facts, span, self.now_us, rows, dense, self.known.streams.get(key)
        )
        self.known.streams[key] = stream
        self._moved.append(stream)
        return stream

    def _count(self, outcomes: Tally) -> None:
        streams.write_faults(self.connection, outcomes.faults, self.now_us)
        self.outcomes.add(outcomes)

    def _count_errors(self, key: StreamKey, errors: RowlessErrors) -> None:
        facts = self.facts[key[:2]]
        assert facts is not None
        stream = self._advance(key, facts, (errors.time_us, errors.time_us), 0, False)
        streams.write_moved(self.connection, self._moved)
        self._moved.clear()
        window = rollup.finest_window(errors.time_us, stream.minutes_since_us)
        part = {window: Increment(errors=errors.count)}
        rollup.add(self.connection, facts.specification, [(stream.id, part, None)], self.known)


def _checksum(batch: PredictionBatch) -> int:
    """Checksum that tells a batch sent again from another under the same number."""
    value = zlib.crc32(f"{batch.model}/{batch.version}@{batch.target}:{batch.rows}".encode())
    value = zlib.crc32(b"".join((batch.event_times, batch.scores, *batch.numeric.values())), value)
    return zlib.crc32("\0".join(batch.foreign_ids).encode(), value)


def _reasons(admission: Admission) -> dict[str, int]:
    """Number of rows that were not taken in, by reason."""
    if not admission.rejections:
        return {}
    reasons: Counter[str] = Counter()
    for one in (rejection for rejection in admission.rejections if not rejection.kept):
        reasons[one.reason.value] += one.count
    return dict(reasons)
