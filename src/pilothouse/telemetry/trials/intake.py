"""Intake of pairs: a batch is stored as one segment, with the outcomes that were known before it came.

Everything here runs inside the caller's transaction.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pilothouse.domain.formats.wire import BatchReceipt, CodedTexts, PairBatch
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.sqlite import Connection
from pilothouse.sqlite.inserts import insert
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.telemetry.intake import producers, streams
from pilothouse.telemetry.intake.admission import VersionFacts
from pilothouse.telemetry.outcomes.outcome_matching import StoredBatch, known_rows, read_outcomes
from pilothouse.telemetry.rows import erased_rows
from pilothouse.telemetry.rows.columns import Ints
from pilothouse.telemetry.trials import deletion, register
from pilothouse.telemetry.trials.columns import StoredPairs, encode_pairs


def take_pairs(
    connection: Connection,
    batch: PairBatch,
    facts: tuple[VersionFacts | None, VersionFacts | None],
    load: Callable[[int], StoredBatch],
    now_us: int,
) -> BatchReceipt:
    """Receipt of a batch of pairs; one that was received before counts once. ``facts`` are those of the champion and of the
    challenger. Requests of which a row is no pair of theirs are rejected, and all where a producer is another
    target's."""
    producer, checksum = streams.producer_id(connection, batch.producer), _checksum(batch)
    named = [batch.producer, *(str(name) for name in batch.requests.producers.vocabulary)]
    numbers = [streams.producer_id(connection, name) for name in named]
    if any(producers.owner(connection, number, batch.target) != batch.target for number in numbers):
        return _receipt(connection, batch, {RejectionReason.PRODUCER_OF_ANOTHER: batch.rows}, now_us)
    head = connection.execute(
        "SELECT checksum, rows, rejected FROM trial_pairs WHERE producer_id=? AND sequence=?",
        (producer, batch.sequence),
    ).fetchone()
    if head is not None:
        if head[0] == checksum:
            return BatchReceipt(head[1], head[2], duplicate=True)
        reason = RejectionReason.TAKEN_SEQUENCE
        return _receipt(connection, batch, {reason: batch.rows}, now_us)
    champion, challenger = facts
    reasons: Counter[RejectionReason] = Counter()
    trial: int | None = None
    kept: StoredPairs | None = None
    if champion is None or challenger is None:
        reasons[RejectionReason.UNKNOWN_VERSION] = batch.rows
    elif champion.specification.classes != challenger.specification.classes or _lacks_labels(batch, champion):
        reasons[RejectionReason.WRONG_LABEL] = batch.rows
    else:
        classes = champion.specification.classes
        trial = register.trial_id(connection, batch.rollout, batch.model, batch.target, classes, now_us)
        kept = _believed(connection, batch, register.classes_of(connection, trial), reasons)
    rows = len(kept.times) if kept is not None else 0
    columns: dict[str, object] = {
        "trial_id": trial,
        "producer_id": producer,
        "sequence": batch.sequence,
        "checksum": checksum,
        "champion": batch.champion,
        "challenger": batch.challenger,
        "rows": rows,
        "rejected": batch.rows - rows,
        "requests": len(kept.rows) if kept is not None else 0,
        "dropped": batch.dropped,
        "failed": batch.failed,
        "unfit": batch.unfit,
        "received": now_us,
        "data": encode_pairs(kept) if kept is not None and rows else None,
    }
    number = insert(connection, "trial_pairs", columns)
    if kept is not None and rows and champion is not None:
        _link(connection, batch, number, kept, champion.specification.classes, load, now_us)
    return _receipt(connection, batch, reasons, now_us, rows)


def _lacks_labels(batch: PairBatch, champion: VersionFacts) -> bool:
    return bool(batch.rows and champion.specification.classes and not len(batch.champion_labels))


def _believed(
    connection: Connection,
    batch: PairBatch,
    classes: Sequence[str],
    reasons: Counter[RejectionReason],
) -> StoredPairs:
    """Pairs of a batch but those of requests that cannot be believed, which are counted by their reason."""
    asked = batch.requests
    sequences, offsets, rows, champion_us, challenger_us = (
        np.frombuffer(column, "<i8").astype(np.int64)
        for column in (asked.sequences, asked.offsets, asked.rows, asked.champion_us, asked.challenger_us)
    )
    scores = [
        np.frombuffer(column, "<f8").astype(np.float64)
        for column in (batch.champion_scores, batch.challenger_scores)
    ]
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
    labels = [
        _coded(column, numbers, batch.rows) if classes else np.empty(0, np.int64)
        for column in (batch.champion_labels, batch.challenger_labels)
    ]
    request_of = np.repeat(np.arange(len(rows)), rows)
    good = np.ones(batch.rows, np.bool_)
    if classes:
        good &= (labels[0] >= 0) & (labels[1] >= 0)
        reasons[RejectionReason.WRONG_LABEL] += int(np.isin(request_of, request_of[~good]).sum())
    finite = np.isfinite(scores[0]) & np.isfinite(scores[1])
    reasons[RejectionReason.NO_SCORE] += int(
        (np.isin(request_of, request_of[~finite]) & ~np.isin(request_of, request_of[~good])).sum()
    )
    good &= finite
    whole = np.ones(len(rows), np.bool_)
    whole[request_of[~good]] = False
    mine = whole[request_of]
    producers = CodedColumn.of(asked.producers)
    known = np.array([streams.producer_id(connection, str(n)) for n in producers.vocabulary], np.int64)
    return StoredPairs(
        np.frombuffer(batch.event_times, "<i8").astype(np.int64)[mine],
        scores[0][mine],
        scores[1][mine],
        labels[0][mine] if classes else labels[0],
        labels[1][mine] if classes else labels[1],
        known[producers.codes][whole] if known.size else np.empty(0, np.int64),
        sequences[whole],
        offsets[whole],
        rows[whole],
        champion_us[whole],
        challenger_us[whole],
    )


def _coded(column: CodedTexts, numbers: dict[str | None, int], rows: int) -> Ints:
    """Number of the class of each row, -1 for another; a batch may come without labels."""
    return CodedColumn.of(column).mapped(numbers, -1) if len(column) else np.full(rows, -1, np.int64)


def _link(
    connection: Connection,
    batch: PairBatch,
    number: int,
    pairs: StoredPairs,
    classes: Sequence[str],
    load: Callable[[int], StoredBatch],
    now_us: int,
) -> None:
    """Note which batches the pairs are of, and take in the outcomes that are known already of those of their champion on their
    target."""
    named = np.unique(np.stack([pairs.producers, pairs.sequences], axis=1), axis=0).tolist()
    connection.executemany(
        "INSERT INTO trial_links VALUES (?,?,?)",
        [(producer, sequence, number) for producer, sequence in named],
    )
    for producer, sequence in named:
        row = connection.execute(
            "SELECT b.id, s.model, s.version, s.target FROM batches b LEFT JOIN streams s ON s.id = b.stream_id "
            "WHERE b.producer_id=? AND b.sequence=?",
            (producer, sequence),
        ).fetchone()
        if row is None:
            continue
        erased = erased_rows.of_batch(connection, row[0])
        if erased.size:  # they waited in a spool while rows of it were erased
            deletion.forget_batch(connection, row[0], erased.tolist())
            return
        if tuple(row[1:]) != (batch.model, batch.champion, batch.target):
            continue
        stored = load(row[0])
        if not stored.predictions.rows:
            continue
        outcomes = read_outcomes(connection, stored.id, stored.predictions.rows, bool(classes))
        known: Ints = known_rows(outcomes)
        if known.size:
            offsets = stored.predictions.offsets
            register.note_pair_outcomes(
                connection, number, stored.id, classes, (offsets, known, outcomes[known]), now_us
            )


def _receipt(
    connection: Connection,
    batch: PairBatch,
    reasons: Mapping[RejectionReason, int],
    now_us: int,
    rows: int = 0,
) -> BatchReceipt:
    """Receipt of a batch of which so many rows were taken; the others are counted by their reasons."""
    reasons = {reason: count for reason, count in reasons.items() if count}
    for reason, count in reasons.items():
        streams.count_rejected(
            connection, reason, count, f"pair of roll-out {batch.rollout} on {batch.target}", now_us
        )
    return BatchReceipt(
        rows, sum(reasons.values()), reasons={reason.value: count for reason, count in reasons.items()}
    )


def _checksum(batch: PairBatch) -> int:
    """Checksum that tells a batch sent again from another under the same number."""
    value = zlib.crc32(f"{batch.rollout}/{batch.model}@{batch.target}:{batch.rows}".encode())
    for part in (batch.event_times, batch.champion_scores, batch.challenger_scores, batch.requests.offsets):
        value = zlib.crc32(part, value)
    return value
