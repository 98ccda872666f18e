"""Matching of outcomes to their predictions: they are kept beside them and folded into outcome profiles a day.

Everything here runs inside the caller's transaction. A prediction's first outcome stands; another value is a conflict,
which is kept and shown.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from pilothouse.domain.categories import category_text
from pilothouse.domain.identifiers import parse_prediction_id
from pilothouse.domain.monitoring import RejectionReason
from pilothouse.domain.time_units import DAY_S
from pilothouse.domain.wire import Outcome, PredictionBatch
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry import slices as sliced
from pilothouse.telemetry import streams
from pilothouse.telemetry.columns import AnyOutcomes, Features, Ints, Predictions
from pilothouse.telemetry.rollup import floor_to
from pilothouse.telemetry.streams import get_stream, write_faults

_UNKNOWN_CLASS = 0xFFFF
"""Class number of a row without a known outcome."""
WAITING_AT_MOST = 1_000_000
"""Outcomes that may wait for their predictions; more are counted and dropped."""
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
class Tally:
    """Counts of what happened to a list of outcomes. ``faults`` are (reason, example)."""

    joined: int = 0
    waiting: int = 0
    conflicts: int = 0
    duplicates: int = 0
    faults: list[tuple[RejectionReason, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Fold:
    """Rows of one stream and day whose outcomes became known."""

    scores: list[float] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    kept_outcomes: list[object] = field(default_factory=list)
    cut: dict[str, list[str]] = field(default_factory=dict)
    """Slice of each row, by feature."""


Folds = dict[tuple[int, int], _Fold]


def hash_id(text: str) -> int:
    """Hash of a foreign id as a signed 64-bit number, the key of the compact index."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


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
    for batch_id, wanted in by_batch.items():
        batch = load(batch_id)
        if not batch.predictions.rows:
            reason = RejectionReason.EXPIRED if batch.expired else RejectionReason.NO_SUCH_ROW
            tally.faults += [(reason, text) for _, text, _ in wanted]
            continue
        if target is not None and get_stream(connection, batch.stream_id).target != target:
            tally.faults += [(RejectionReason.NOT_ITS_OWN, f"{text}, from {target}") for _, text, _ in wanted]
            continue
        _apply(connection, batch, specification_of(batch.stream_id), wanted, tally, folds, now_us)
    _fold(connection, specification_of, folds)
    return tally


def join_waiting(
    connection: Connection,
    batch: StoredBatch,
    producer: str,
    sequence: int,
    specification: ProfileSpecification,
    now_us: int,
) -> Tally:
    own = get_stream(connection, batch.stream_id).target
    rows = connection.execute(
        "DELETE FROM waiting_outcomes WHERE producer=? AND sequence=? RETURNING id, value, target",
        (producer, sequence),
    ).fetchall()
    wanted, foreign = [], []
    for text, value, target in rows:
        if target in ("", own):
            wanted.append((_offset(text), text, msgspec.json.decode(value)))
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
        _fold(connection, lambda _: specification, folds)
    return tally


def anything_waits(connection: Connection) -> bool:
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM waiting_outcomes)").fetchone()[0])


def count_waiting(connection: Connection) -> int:
    """Number of outcomes that wait; far from their bound an upper bound of it, which costs no scan."""
    (span,) = connection.execute(
        "SELECT coalesce(max(rowid) - min(rowid) + 1, 0) FROM waiting_outcomes"
    ).fetchone()
    if span < WAITING_AT_MOST:
        return int(span)
    return int(connection.execute("SELECT count(*) FROM waiting_outcomes").fetchone()[0])


def waiting_outcomes(connection: Connection) -> tuple[int, int | None]:
    """Number of outcomes that wait, and when the oldest came."""
    count, oldest = connection.execute("SELECT count(*), min(received) FROM waiting_outcomes").fetchone()
    return int(count), oldest


def forget_waiting(connection: Connection, batch: PredictionBatch, now_us: int) -> None:
    """Drop and count the outcomes that waited for a batch of which no row was kept: they will never find their
    predictions."""
    dropped = connection.execute(
        "DELETE FROM waiting_outcomes WHERE producer=? AND sequence=? RETURNING id",
        (batch.producer, batch.sequence),
    ).fetchall()
    write_faults(connection, [(RejectionReason.NO_SUCH_ROW, text) for (text,) in dropped], now_us)


Wanted = list[tuple[int, str, object]]


def _resolve(
    connection: Connection, listed: Iterable[Outcome], tally: Tally, now_us: int, target: str | None
) -> dict[int, Wanted]:
    """Outcomes by batch, with their offsets; those that are not found are put to wait."""
    waiting = count_waiting(connection)
    by_batch: dict[int, Wanted] = defaultdict(list)
    known: dict[tuple[str, int], int | None] = {}
    for outcome in listed:
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
        producer, sequence = (name.producer, name.sequence) if name else ("", -1)
        if waiting + tally.waiting >= WAITING_AT_MOST:
            tally.faults.append((RejectionReason.TOO_MANY_WAIT, outcome.prediction_id))
            continue
        _wait(connection, outcome, number, producer, sequence, tally, now_us, target)
    return by_batch


def _batch_of(connection: Connection, producer: str, sequence: int) -> int | None:
    row = connection.execute(
        "SELECT b.id FROM batches b JOIN producers p ON p.id = b.producer_id WHERE p.name=? AND b.sequence=?",
        (producer, sequence),
    ).fetchone()
    return int(row[0]) if row else None


def _wait(
    connection: Connection,
    outcome: Outcome,
    number: int,
    producer: str,
    sequence: int,
    tally: Tally,
    now_us: int,
    target: str | None,
) -> None:
    value = msgspec.json.encode(outcome.value).decode()
    row = connection.execute(
        "SELECT value FROM waiting_outcomes WHERE id=?", (outcome.prediction_id,)
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO waiting_outcomes VALUES (?,?,?,?,?,?,?)",
            (outcome.prediction_id, number, producer, sequence, value, now_us, target or ""),
        )
        tally.waiting += 1
    elif row[0] == value:
        tally.duplicates += 1
    else:
        tally.conflicts += 1
        tally.faults.append(
            (RejectionReason.CONFLICT, f"{outcome.prediction_id}: {row[0]} is waiting, then {value} came")
        )


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
            _as_number(value) if not classes else codes.get(category_text(value) or "")
        )
        if row is None:
            tally.faults.append((RejectionReason.NO_SUCH_ROW, text))
        elif known is None:
            expected = f"one of {', '.join(classes)}" if classes else "a number"
            tally.faults.append((RejectionReason.NOT_AN_OUTCOME, f"{text}: {value!r}; expected {expected}"))
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
    connection: Connection, specification_of: Callable[[int], ProfileSpecification], folds: Folds
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
    return np.full(rows, _UNKNOWN_CLASS if classes else np.nan, kind)


def known_rows(kept_outcomes: AnyOutcomes) -> Ints:
    """Numbers of the rows whose outcome is known."""
    return np.flatnonzero(
        kept_outcomes != _UNKNOWN_CLASS if kept_outcomes.dtype.kind == "u" else ~np.isnan(kept_outcomes)
    )


def _is_unknown(value: Any) -> bool:
    return bool(value == _UNKNOWN_CLASS if value.dtype.kind == "u" else np.isnan(value))


def _as_number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _offset(text: str) -> int:
    name = parse_prediction_id(text)
    return name.offset if name else -1
