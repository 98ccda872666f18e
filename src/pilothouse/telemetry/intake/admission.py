"""Admission of a batch: which rows are taken in, which are not and why, and how the target's event clock moves. Pure.

An event is late by its target's clock, in the future by the wall clock. A jump beyond a bound does not move the clock
until enough events agree on it, or the target is a live one and the wall clock confirms it.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pilothouse.domain.formats.time_units import DAY_US, HOUR_US
from pilothouse.domain.formats.wire import PackedTimings, PredictionBatch, code_width, pack_timings
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification
from pilothouse.telemetry.intake.small_batches import PlainBatch
from pilothouse.telemetry.rows.columns import (
    MISSING_TIME,
    NO_LABELS,
    NO_REQUESTS,
    Features,
    Floats,
    Ints,
    Predictions,
)
from pilothouse.telemetry.rows.traces import given_traces

Reasons = NDArray[np.uint8]
"""Reason of each row: 0 where it is kept, else its index in ``_OF_A_ROW``."""

_OF_A_ROW = (
    None,
    RejectionReason.AHEAD,
    RejectionReason.BEHIND,
    RejectionReason.TAKEN_ID,
    RejectionReason.FUTURE,
    RejectionReason.NO_TIME,
    RejectionReason.NO_SCORE,
    RejectionReason.WRONG_LABEL,
    RejectionReason.ERASED,
)

_INTS, _FLOATS = np.dtype("<i8"), np.dtype("<f8")

_EXAMPLE = 200
"""Characters of an example."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of event times, in microseconds; ``confirmations`` is a number of events."""

    future_us: int = HOUR_US
    behind_us: int = 90 * DAY_US
    ahead_us: int = 30 * DAY_US
    live_us: int = DAY_US
    """Longest delay of a target's newest event with which it counts as live."""
    confirmations: int = 20


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Facts about a version that ingest needs. ``private`` columns are never stored, whatever a client sends.

    ``minutes``: the model's windows are no multiples of an hour, so that minute profiles are kept from the first event.
    ``slices`` are features by whose values outcomes are cut too.
    """

    specification: ProfileSpecification
    private: frozenset[str] = frozenset()
    minutes: bool = False
    slices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """Event clock of a target: its newest event, and when something last arrived. ``far`` counts events beyond the bound."""

    event_us: int
    arrived_us: int
    far_us: int | None = None
    far_count: int = 0


@dataclass(frozen=True, slots=True)
class Believed:
    """Span of the event times of a file that are believed, whatever the clock says; both ends are in it."""

    first_us: int
    last_us: int


BY_THE_CLOCK = frozenset({RejectionReason.AHEAD, RejectionReason.BEHIND, RejectionReason.FUTURE})
"""Reasons that depend on the clocks of the moment: rows that were rejected for one of them are kept."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows that were not taken in; ``kept`` is True where only a column was dropped and the rows stayed.

    ``offsets`` are row numbers in the batch, empty for the whole batch.
    """

    reason: RejectionReason
    count: int
    example: str
    kept: bool = False
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """Result of admitting a batch: the rows that are kept, the clock after it, and the rejections."""

    predictions: Predictions | None
    features: Features | None
    clock: Clock | None
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Number of rows that were not taken in."""
        return sum(r.count for r in self.rejections if not r.kept)

    @property
    def by_the_clock(self) -> frozenset[int]:
        """Offsets of the rows that another clock may take."""
        return frozenset(row for r in self.rejections if r.reason in BY_THE_CLOCK for row in r.offsets)


def admit_plain(plain: PlainBatch, clock: Clock | None, now_us: int, limits: Limits) -> Admission | None:
    """Admission of a batch that was read with others; None where the clock of its target does not allow every row."""
    kept = plain.predictions
    earliest, latest = kept.last_us - limits.ahead_us, kept.first_us + limits.behind_us
    if clock is None or not earliest <= clock.event_us <= latest:
        return None
    return Admission(kept, plain.features, Clock(max(kept.last_us, clock.event_us), now_us))


def admit(
    batch: PredictionBatch,
    facts: VersionFacts | None,
    clock: Clock | None,
    now_us: int,
    limits: Limits,
    taken_ids: frozenset[int] = frozenset(),
    believed: Believed | None = None,
    erased_ids: frozenset[int] = frozenset(),
) -> Admission:
    """Admission of a batch. ``taken_ids`` are the offsets of rows whose foreign id is in use already, ``erased_ids`` of rows
    whose id names one that was erased; ``believed`` is given for a part of a file."""
    if facts is None:
        return _refuse(
            batch, clock, RejectionReason.UNKNOWN_VERSION, f"{batch.model}/{batch.version} is not registered"
        )
    columns = _read_columns(batch, facts.specification)
    if isinstance(columns, tuple):
        return _refuse(batch, clock, *columns)
    times = np.frombuffer(batch.event_times, _INTS).astype(np.int64, copy=False)
    scores = np.frombuffer(batch.scores, _FLOATS).astype(np.float64, copy=False)
    reasons = np.zeros(batch.rows, np.uint8)
    _mark(reasons, ~np.isfinite(scores), RejectionReason.NO_SCORE)
    _mark(reasons, times == MISSING_TIME, RejectionReason.NO_TIME)
    classes = facts.specification.classes
    codes = columns.labels.mapped({name: i for i, name in enumerate(classes)}, len(classes))
    if classes:
        _mark(reasons, codes == len(classes), RejectionReason.WRONG_LABEL)
    if taken_ids:
        reasons[list(taken_ids)] = _OF_A_ROW.index(RejectionReason.TAKEN_ID)
    if erased_ids:
        reasons[list(erased_ids)] = _OF_A_ROW.index(RejectionReason.ERASED)
    _mark(reasons, (times > now_us + limits.future_us) & (reasons == 0), RejectionReason.FUTURE)
    if believed is None:
        moved = _judge_times(times, reasons, clock, now_us, limits)
    else:
        _mark(reasons, (times < believed.first_us) & (reasons == 0), RejectionReason.BEHIND)
        _mark(reasons, (times > believed.last_us) & (reasons == 0), RejectionReason.AHEAD)
        moved = _advance(clock, times[reasons == 0], now_us)
    all_kept = not reasons.any()
    rejections = [] if all_kept else _row_rejections(batch, reasons, times, scores, columns.labels)
    rejections += _dropped_columns(batch, facts)
    kept = np.arange(batch.rows) if all_kept else np.flatnonzero(reasons == 0)
    if not kept.size:
        return Admission(None, None, moved, rejections)
    rows: Ints | slice = slice(None) if all_kept else kept
    labels = (
        CodedColumn(classes, codes[rows].astype(f"<u{code_width(len(classes))}")) if classes else NO_LABELS
    )
    predictions = Predictions(
        times[rows],
        scores[rows],
        kept,
        labels,
        [batch.foreign_ids[i] for i in kept] if batch.foreign_ids else [],
        columns.requests,
        columns.traces
        if all_kept or not len(columns.traces)
        else given_traces(columns.traces.take(kept).texts()),
    )
    features = columns.features
    if not all_kept:
        features = Features(
            {name: values[rows] for name, values in features.numeric.items()},
            {name: _coded_anew(texts, kept) for name, texts in features.categorical.items()},
        )
    return Admission(predictions, features, moved, rejections)


def _coded_anew(texts: CodedColumn, rows: Ints) -> CodedColumn:
    """Texts of the rows that are kept, without those of the others in their vocabulary, which is stored."""
    return CodedColumn.of(texts.take(rows).texts())


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Columns of a batch as arrays, all of its length."""

    features: Features
    labels: CodedColumn
    requests: PackedTimings
    traces: CodedColumn


def _mark(reasons: Reasons, rows: NDArray[np.bool_], reason: RejectionReason) -> None:
    reasons[rows] = _OF_A_ROW.index(reason)


def _refuse(batch: PredictionBatch, clock: Clock | None, reason: RejectionReason, example: str) -> Admission:
    return Admission(None, None, clock, [Rejection(reason, max(batch.rows, 0), example[:_EXAMPLE])])


def _read_columns(
    batch: PredictionBatch, specification: ProfileSpecification
) -> _Columns | tuple[RejectionReason, str]:
    """Columns of a batch, or the first fault that spoils every row: (reason, example)."""
    rows = batch.rows
    lengths = {"event times": len(batch.event_times) / 8, "scores": len(batch.scores) / 8}
    numeric: dict[str, Floats] = {}
    categorical: dict[str, CodedColumn] = {}
    labels = NO_LABELS
    if specification.classes:
        try:
            labels = CodedColumn.of(batch.labels)
        except (TypeError, ValueError) as error:
            return RejectionReason.WRONG_COLUMNS, f"labels: {error}"
        lengths["labels"] = len(labels)
    if batch.foreign_ids:
        lengths["ids"] = len(batch.foreign_ids)
    try:
        traces = given_traces(batch.traces)
    except (TypeError, ValueError) as error:
        return RejectionReason.WRONG_COLUMNS, f"traces: {error}"
    if len(traces):
        lengths["traces"] = len(traces)
    for column in specification.features:
        if isinstance(column, CategoricalColumn):
            if column.name not in batch.categorical:
                wrong = "holds numbers; expected texts" if column.name in batch.numeric else "is missing"
                return RejectionReason.WRONG_COLUMNS, f"column {column.name} {wrong}"
            texts = _texts(batch, column.name)
            if texts is None:
                return RejectionReason.WRONG_COLUMNS, f"column {column.name} holds something that is not text"
            categorical[column.name] = texts
            lengths[column.name] = len(texts)
        else:
            if column.name not in batch.numeric:
                wrong = "holds texts; expected numbers" if column.name in batch.categorical else "is missing"
                return RejectionReason.WRONG_COLUMNS, f"column {column.name} {wrong}"
            packed = batch.numeric[column.name]
            lengths[column.name] = len(packed) / 8
            if len(packed) % 8 == 0:
                numeric[column.name] = np.frombuffer(packed, _FLOATS).astype(np.float64, copy=False)
    for name, length in lengths.items():
        if length != rows:
            return RejectionReason.CUT_BATCH, f"{name}: {length:g} values for {rows} rows"
    requests = batch.requests if isinstance(batch.requests, PackedTimings) else None
    try:
        requests = requests or (pack_timings(batch.requests) if batch.requests else NO_REQUESTS)  # type: ignore[arg-type]
    except (OverflowError, TypeError) as error:
        return RejectionReason.WRONG_COLUMNS, f"requests: {error}"
    fault = _requests_fault(requests, rows)
    if fault is not None:
        return RejectionReason.CUT_BATCH, fault
    return _Columns(Features(numeric, categorical), labels, requests, traces)


def _texts(batch: PredictionBatch, name: str) -> CodedColumn | None:
    try:
        column = CodedColumn.of(batch.categorical[name])
    except (TypeError, ValueError):
        return None
    others = set(map(type, column.vocabulary)) - {str, type(None)}
    return column if all(issubclass(kind, str) for kind in others) else None


def _requests_fault(requests: PackedTimings, rows: int) -> str | None:
    sizes = {len(requests.rows), len(requests.latency_us), len(requests.at_us)}
    sizes |= {len(column) for column in (requests.called_us, requests.usual_us) if column}
    if len(sizes) > 1 or len(requests.rows) % 8:
        return f"requests: {' and '.join(str(size) for size in sorted(sizes))} bytes a column"
    if not len(requests):
        return None
    carried = np.frombuffer(requests.rows, "<i8")
    if int(carried.min()) < 0 or int(carried.max()) > rows or int(carried.sum()) != rows:
        return f"requests carry {sum(carried.tolist())} rows of {rows}"
    return None


def _judge_times(
    times: Ints, reasons: Reasons, clock: Clock | None, now_us: int, limits: Limits
) -> Clock | None:
    """Mark rows whose time is not believable; returns the clock after the batch."""
    usable = reasons == 0
    if not usable.any():
        return clock
    # without a clock the batch's own middle stands in: one stray row must not set it
    event = clock.event_us if clock else int(np.median(times[usable]))
    low, high = event - limits.behind_us, event + limits.ahead_us
    if usable.all() and int(times.min()) >= low and int(times.max()) <= high:  # as nearly always
        return _advance(clock, times, now_us)
    behind = usable & (times < low)
    far = usable & (times > high)
    taken = usable & ~behind & ~far
    _mark(reasons, behind, RejectionReason.BEHIND)
    if not far.any():
        return _advance(clock, times[taken], now_us)
    count, far_us = (0, None) if taken.any() else _agreeing(clock, times[far], limits)
    if clock is not None and count >= limits.confirmations:
        taken |= far
    elif clock is not None and abs(clock.arrived_us - clock.event_us) <= limits.live_us:
        taken |= far & (times >= now_us - limits.live_us)
    _mark(reasons, far & ~taken, RejectionReason.AHEAD)
    if not taken.any() and clock is not None:
        return replace(clock, far_us=far_us, far_count=count)
    return _advance(clock, times[taken], now_us)


def _advance(clock: Clock | None, times: Ints, now_us: int) -> Clock | None:
    if not times.size:
        return clock
    newest = int(times.max())
    return Clock(max(newest, clock.event_us) if clock else newest, now_us)


def _agreeing(clock: Clock | None, far: Ints, limits: Limits) -> tuple[int, int]:
    """Number of consecutive events beyond the bound and near each other, and their middle."""
    middle = int(np.median(far))
    together = (
        clock is not None and clock.far_us is not None and abs(middle - clock.far_us) <= limits.ahead_us
    )
    return (clock.far_count if clock and together else 0) + far.size, middle


def _row_rejections(
    batch: PredictionBatch, reasons: Reasons, times: Ints, scores: Floats, labels: CodedColumn
) -> list[Rejection]:
    rejections = []
    for number in np.unique(reasons[reasons > 0]):
        reason = _OF_A_ROW[number]
        assert reason is not None
        rows = np.flatnonzero(reasons == number)
        first = int(rows[0])
        if reason is RejectionReason.NO_SCORE:
            example = f"row {first}: score {scores[first]}"
        elif reason is RejectionReason.WRONG_LABEL:
            example = f"row {first}: label {labels.vocabulary[labels.codes[first]]!r}"
        elif reason in (RejectionReason.NO_TIME, RejectionReason.ERASED):
            example = f"row {first}"
        elif reason is RejectionReason.TAKEN_ID:
            example = f"row {first}: id {batch.foreign_ids[first]!r}"
        else:
            example = f"row {first}: event at {_iso(int(times[first]))}"
        offsets = tuple(int(row) for row in rows)
        rejections.append(Rejection(reason, len(rows), example[:_EXAMPLE], offsets=offsets))
    return rejections


def _dropped_columns(batch: PredictionBatch, facts: VersionFacts) -> list[Rejection]:
    """Rejections of columns that the version does not know. A private one is named, its values are never shown."""
    if len(batch.numeric) + len(batch.categorical) == len(facts.specification.features):
        return []  # all that it needs is there, so nothing else is
    known = facts.specification.by_name
    extra = sorted({name for name in (*batch.numeric, *batch.categorical) if name not in known})
    return [
        Rejection(
            RejectionReason.PRIVATE_COLUMN if name in facts.private else RejectionReason.EXTRA_COLUMN,
            batch.rows,
            f"column {name}"[:_EXAMPLE],
            kept=True,
        )
        for name in extra
    ]


def _iso(us: int) -> str:
    try:
        return str(np.datetime64(us, "us")) + "Z"
    except (OverflowError, ValueError):
        return f"{us} µs"
