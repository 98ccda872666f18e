"""Matching of outcomes to their predictions: they are kept beside them and folded into outcome profiles a day.

Everything here runs inside the caller's transaction. A prediction's first outcome stands; another value is a conflict,
which is kept and shown.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from pilothouse.domain.formats.time_units import DAY_S
from pilothouse.domain.formats.wire import AN_OUTCOME, Outcome, is_outcome
from pilothouse.domain.identifiers import parse_prediction_id
from pilothouse.domain.monitoring.categories import class_of
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.domain.tables.table_form import MISSING_WORDS
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.intake.rollup import floor_to
from pilothouse.telemetry.intake.streams import get_stream
from pilothouse.telemetry.outcomes import slices as sliced
from pilothouse.telemetry.outcomes.waiting_outcomes import (
    WAITING_AT_MOST,
    Tally,
    count_waiting,
    hash_id,
    offset_of,
    put_to_wait,
    take_waiting,
)
from pilothouse.telemetry.rows import erased_rows
from pilothouse.telemetry.rows.columns import AnyOutcomes, Features, Ints, Predictions
from pilothouse.telemetry.trials import register
from pilothouse.telemetry.windows import late_days

_UNKNOWN_CLASS = 0xFFFF
"""Class number of a row without a known outcome."""
_CONFLICTS_AT_MOST = 100_000
"""Conflicts that are kept one by one; more are counted."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """Batch as the matching of outcomes needs it."""

    id: int
    stream_id: int
    predictions: Predictions
    features: Callable[[], Features]
    """Function that decodes the features, called only where outcomes are cut by them."""
    expired: bool = False
    """True where retention has deleted its rows."""


@dataclass(slots=True)
class _Fold:
    """Rows of one stream and day whose outcomes became known."""

    scores: list[float] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    kept_outcomes: list[object] = field(default_factory=list)
    cut: dict[str, list[str]] = field(default_factory=dict)
    """Slice of each row, by feature."""


Folds = dict[tuple[int, int], _Fold]


def join(
    connection: Connection,
    listed: Sequence[Outcome],
    load: Callable[[int], StoredBatch],
    specification_of: Callable[[int], ProfileSpecification],
    now_us: int,
    target: str | None = None,
) -> Tally:
    """Match outcomes to predictions; those whose prediction is not stored wait for it.

    A ``target`` that hands them in may do so for its own predictions alone.
    """
    tally, folds = Tally(), defaultdict[tuple[int, int], _Fold](_Fold)
    by_batch = _resolve(connection, listed, tally, now_us, target)
    retaken = _move_retaken(connection, by_batch, load)
    for batch_id, wanted in (*by_batch.items(), *retaken.items()):
        batch = load(batch_id)
        if not batch.predictions.rows:
            reason = RejectionReason.EXPIRED if batch.expired else RejectionReason.NO_SUCH_ROW
            tally.faults += [
                _missing(connection, batch_id, reason, offset, text) for offset, text, _ in wanted
            ]
            continue
        if target is not None and get_stream(connection, batch.stream_id).target != target:
            tally.faults += [(RejectionReason.NOT_ITS_OWN, f"{text}, from {target}") for _, text, _ in wanted]
            continue
        _apply(connection, batch, specification_of(batch.stream_id), wanted, tally, folds, now_us)
    _fold(connection, specification_of, folds, now_us)
    return tally


def join_waiting(
    connection: Connection,
    batch: StoredBatch,
    producer: str,
    sequence: int,
    specification: ProfileSpecification,
    now_us: int,
    but_for: Container[int],
) -> Tally:
    """Match the outcomes that waited for a batch, but for those of some offsets, whose rows are kept to be judged again."""
    own = get_stream(connection, batch.stream_id).target
    wanted, foreign = [], []
    for text, value, target in take_waiting(connection, producer, sequence, but_for):
        if target in ("", own):
            wanted.append((offset_of(text), text, msgspec.json.decode(value)))
        else:
            foreign.append((RejectionReason.NOT_ITS_OWN, f"{text}, from {target}"))
    for offset, text in zip(batch.predictions.offsets, batch.predictions.ids, strict=False):
        row = connection.execute(
            "DELETE FROM waiting_outcomes WHERE hash=? AND id=? AND target IN ('', ?) RETURNING value",
            (hash_id(text), text, own),
        ).fetchone()
        if row is not None:
            wanted.append((int(offset), text, msgspec.json.decode(row[0])))
    tally, folds = Tally(faults=foreign), defaultdict[tuple[int, int], _Fold](_Fold)
    if wanted:
        _apply(connection, batch, specification, wanted, tally, folds, now_us)
        _fold(connection, lambda _: specification, folds, now_us)
    return tally


Wanted = list[tuple[int, str, object]]


def _move_retaken(
    connection: Connection, by_batch: dict[int, Wanted], load: Callable[[int], StoredBatch]
) -> dict[int, Wanted]:
    """Take out the outcomes of rows that were rejected with their batch and taken later; returns them by the batch in
    which they were taken."""
    retaken: dict[int, Wanted] = defaultdict(list)
    for batch_id, wanted in by_batch.items():
        offsets = load(batch_id).predictions.offsets
        last = max(offset for offset, *_ in wanted)
        if offsets.size and offsets.size == int(offsets[-1]) + 1 > last:
            continue  # every row that is asked for is there
        kept, own = set(offsets.tolist()), []
        for entry in wanted:
            row = None
            if entry[0] not in kept:
                row = connection.execute(
                    "SELECT batch_id, offset FROM foreign_ids WHERE hash=?", (hash_id(entry[1]),)
                ).fetchone()
            if row is not None and row[0] != batch_id:
                retaken[row[0]].append((row[1], *entry[1:]))
            else:
                own.append(entry)
        by_batch[batch_id] = own
    return retaken


def _resolve(
    connection: Connection, listed: Iterable[Outcome], tally: Tally, now_us: int, target: str | None
) -> dict[int, Wanted]:
    """Outcomes by batch, with their offsets; those that are not found are put to wait."""
    waiting = count_waiting(connection)
    by_batch: dict[int, Wanted] = defaultdict(list)
    known: dict[tuple[str, int], int | None] = {}
    for outcome in listed:
        if not is_outcome(outcome.value):
            tally.faults.append(_not_an_outcome(outcome.prediction_id, outcome.value, AN_OUTCOME))
            continue
        name = parse_prediction_id(outcome.prediction_id)
        batch_id = None
        if name is not None:
            key = (name.producer, name.sequence)
            if key not in known:
                known[key] = _batch_of(connection, *key)
            batch_id = known[key]
        if batch_id is not None and name is not None:
            by_batch[batch_id].append((name.offset, outcome.prediction_id, outcome.value))
            continue
        number = hash_id(outcome.prediction_id)
        row = connection.execute(
            "SELECT batch_id, offset FROM foreign_ids WHERE hash=?", (number,)
        ).fetchone()
        if row is not None:
            by_batch[row[0]].append((row[1], outcome.prediction_id, outcome.value))
            continue
        if connection.execute("SELECT 1 FROM rejected_ids WHERE hash=?", (number,)).fetchone() is not None:
            tally.faults.append((RejectionReason.NO_SUCH_ROW, outcome.prediction_id))
            continue
        producer, sequence = (name.producer, name.sequence) if name else ("", -1)
        if waiting + tally.waiting >= WAITING_AT_MOST:
            tally.faults.append((RejectionReason.TOO_MANY_WAIT, outcome.prediction_id))
            continue
        put_to_wait(connection, outcome, number, producer, sequence, tally, now_us, target)
    return by_batch


def _batch_of(connection: Connection, producer: str, sequence: int) -> int | None:
    row = connection.execute(
        "SELECT b.id FROM batches b JOIN producers p ON p.id = b.producer_id WHERE p.name=? AND b.sequence=?",
        (producer, sequence),
    ).fetchone()
    return int(row[0]) if row else None


def _apply(
    connection: Connection,
    batch: StoredBatch,
    specification: ProfileSpecification,
    wanted: Wanted,
    tally: Tally,
    folds: Folds,
    now_us: int,
) -> None:
    """Match outcomes to the rows of one batch and note the rows to fold."""
    predictions, classes = batch.predictions, specification.classes
    kept_outcomes = read_outcomes(connection, batch.id, predictions.rows, bool(classes))
    row_of = {int(offset): row for row, offset in enumerate(predictions.offsets)}
    codes = {name: code for code, name in enumerate(classes)}
    changed = 0
    joined: dict[int, list[int]] = {}
    for offset, text, value in wanted:
        row = row_of.get(offset)
        known: float | int | None = (
            _as_number(value) if not classes else codes.get(class_of(value, codes) or "")
        )
        if row is None:
            tally.faults.append(_missing(connection, batch.id, RejectionReason.NO_SUCH_ROW, offset, text))
        elif known is None and value in MISSING_WORDS:
            tally.without += 1
        elif known is None:
            expected = f"one of {', '.join(classes)}" if classes else "a number"
            tally.faults.append(_not_an_outcome(text, value, expected))
        elif _is_unknown(kept_outcomes[row]):
            kept_outcomes[row] = known
            changed += 1
            day = floor_to(DAY_S, int(predictions.times[row]))
            fold = folds[batch.stream_id, day]
            joined.setdefault(day, []).append(row)
            fold.scores.append(float(predictions.scores[row]))
            fold.kept_outcomes.append(classes[int(known)] if classes else known)
            if classes:
                fold.labels.append(predictions.labels[row])
        elif kept_outcomes[row] == known:
            tally.duplicates += 1
        else:
            kept = classes[int(kept_outcomes[row])] if classes else repr(float(kept_outcomes[row]))
            other = classes[int(known)] if classes else repr(known)
            _conflict(connection, batch.id, offset, kept, other, tally, text, now_us)
    tally.joined += changed
    if changed:
        _cut(connection, batch, specification, joined, folds)
        rows = np.array([row for listed in joined.values() for row in listed], np.int64)
        known_now = rows, kept_outcomes[rows]
        register.note_outcomes(connection, batch.id, classes, predictions.offsets, known_now, now_us)
        connection.execute(
            "INSERT OR REPLACE INTO outcomes VALUES (?,?)", (batch.id, kept_outcomes.tobytes())
        )
        connection.execute(
            "UPDATE streams SET labelled = labelled + ? WHERE id=?", (changed, batch.stream_id)
        )
        connection.execute(
            "UPDATE clocks SET moved = moved + 1 WHERE (model, target) = (SELECT model, target FROM streams WHERE id=?)",
            (batch.stream_id,),
        )


def _missing(
    connection: Connection, batch_id: int, reason: RejectionReason, offset: int, text: str
) -> tuple[RejectionReason, str]:
    """Fault of an outcome whose prediction is not stored; without its id where it was erased."""
    if erased_rows.is_erased(connection, batch_id, offset):
        return RejectionReason.ERASED, "an outcome"
    return reason, text


def _cut(
    connection: Connection,
    batch: StoredBatch,
    specification: ProfileSpecification,
    joined: dict[int, list[int]],
    folds: Folds,
) -> None:
    """Note the slices of the rows that were matched, in their order."""
    slices = streams.slices_of(connection, batch.stream_id)
    if not slices:
        return
    features = batch.features()
    for day, rows in joined.items():
        cut = folds[batch.stream_id, day].cut
        for feature, texts in sliced.texts_of(specification, slices, features, np.array(rows)).items():
            cut.setdefault(feature, []).extend(texts)


def _conflict(
    connection: Connection,
    batch_id: int,
    offset: int,
    kept: str,
    other: str,
    tally: Tally,
    text: str,
    now_us: int,
) -> None:
    added = connection.execute(
        "INSERT OR IGNORE INTO outcome_conflicts SELECT ?,?,?,?,? "
        "WHERE (SELECT coalesce(max(rowid), 0) FROM outcome_conflicts) < ?",
        (batch_id, offset, kept, other, now_us, _CONFLICTS_AT_MOST),
    ).rowcount
    tally.conflicts += 1
    if added:
        tally.faults.append((RejectionReason.CONFLICT, f"{text}: {kept} was there, then {other} came"))


def _fold(
    connection: Connection,
    specification_of: Callable[[int], ProfileSpecification],
    folds: Folds,
    now_us: int,
) -> None:
    for (stream_id, day), fold in folds.items():
        specification = specification_of(stream_id)
        part = outcome_profile.profile_outcomes(
            specification, np.array(fold.scores), fold.labels, fold.kept_outcomes
        )
        row = connection.execute(
            "SELECT data FROM outcome_days WHERE stream_id=? AND start=?", (stream_id, day)
        ).fetchone()
        if row is not None:
            part = outcome_profile.merge_all(
                specification, (outcome_profile.decode(specification, row[0]), part)
            )
        connection.execute(
            "INSERT OR REPLACE INTO outcome_days VALUES (?,?,?,?)",
            (stream_id, day, part.rows, outcome_profile.encode(specification, part)),
        )
        late_days.note_outcomes(connection, stream_id, day, len(fold.scores), part.rows, now_us)
        sliced.fold(
            connection,
            specification,
            stream_id,
            day,
            fold.cut,
            (fold.scores, fold.labels, fold.kept_outcomes),
        )


def read_outcomes(connection: Connection, batch_id: int, rows: int, classes: bool) -> AnyOutcomes:
    """Outcomes of a batch's rows: class numbers (65535 unknown) or values (NaN unknown). Writable."""
    row = connection.execute("SELECT data FROM outcomes WHERE batch_id=?", (batch_id,)).fetchone()
    kind = "<u2" if classes else "<f8"
    if row is not None:
        return np.frombuffer(row[0], kind).copy()
    return empty_outcomes(rows, classes)


def empty_outcomes(rows: int, classes: bool) -> AnyOutcomes:
    """Outcomes of rows of which none is known."""
    return np.full(rows, _UNKNOWN_CLASS if classes else np.nan, "<u2" if classes else "<f8")


def known_rows(kept_outcomes: AnyOutcomes) -> Ints:
    """Numbers of the rows whose outcome is known."""
    return np.flatnonzero(
        kept_outcomes != _UNKNOWN_CLASS if kept_outcomes.dtype.kind == "u" else ~np.isnan(kept_outcomes)
    )


def _is_unknown(value: Any) -> bool:
    return bool(value == _UNKNOWN_CLASS if value.dtype.kind == "u" else np.isnan(value))


def _not_an_outcome(text: str, value: object, expected: str) -> tuple[RejectionReason, str]:
    is_long = isinstance(value, int) and not is_outcome(value)
    found = (
        "a number of too many digits" if is_long else repr(value[:60] if isinstance(value, str) else value)
    )
    return RejectionReason.NOT_AN_OUTCOME, f"{text}: {found}; expected {expected}"


def _as_number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None
