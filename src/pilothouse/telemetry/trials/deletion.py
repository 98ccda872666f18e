"""Deletion of pairs, after their time or with erased rows. Heads of their batches stay: one that comes again is known."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pilothouse.sqlite import Connection
from pilothouse.telemetry.rows import retention
from pilothouse.telemetry.rows.retention import Stored
from pilothouse.telemetry.trials import log_hours
from pilothouse.telemetry.trials.draws import forget_keys

_DELETED_AT_ONCE = 50
"""Segments that are deleted in one transaction."""


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """Trial of which pairs may be stored."""

    id: int
    rollout: int
    model: str
    target: str


def list_trials(connection: Connection) -> list[StoredTrial]:
    """All trials, in the order in which they began."""
    return [
        StoredTrial(*row)
        for row in connection.execute("SELECT id, rollout, model, target FROM trials ORDER BY id")
    ]


def delete_some(
    connection: Connection, trial: StoredTrial, received_before_us: int, now_us: int, *, is_over: bool
) -> Stored:
    """Delete the pairs of some segments that were received before that time, and note it as rows of the challenger; nothing
    where none is left. Keys of requests go with a trial that began before that time and is over: as long as it goes on, each
    is to count once."""
    if is_over:
        connection.execute(
            "DELETE FROM trial_keys WHERE trial_id IN (SELECT id FROM trials WHERE id=? AND first_received<?)",
            (trial.id, received_before_us),
        )
        log_hours.forget_trial(connection, trial.id, received_before_us)
    segments = connection.execute(
        "SELECT id, rows, length(data), challenger FROM trial_pairs "
        "WHERE trial_id=? AND received<? AND data IS NOT NULL ORDER BY id LIMIT ?",
        (trial.id, received_before_us, _DELETED_AT_ONCE),
    ).fetchall()
    if not segments:
        return Stored()
    _empty(connection, [number for number, *_ in segments])
    deleted = Stored(sum(row[1] for row in segments), sum(row[2] for row in segments))
    stream = trial.model, segments[-1][3], trial.target
    retention.note_deletion(connection, stream, received_before_us, deleted, now_us)
    return deleted


def forget_batch(connection: Connection, batch_id: int, offsets: Collection[int]) -> None:
    """Delete what trials hold of a batch of which these rows are erased: outcomes in an arm of a canary, whole segments of
    pairs, and the keys of the requests with these rows. What was folded into a roll-out's evidence stays: sums that name
    nobody."""
    forget_keys(connection, batch_id, offsets)
    connection.execute("DELETE FROM trial_outcomes WHERE batch_id=?", (batch_id,))
    connection.execute("DELETE FROM trial_batches WHERE batch_id=?", (batch_id,))
    log_hours.forget_batch(connection, batch_id)
    pairs = connection.execute(
        "SELECT l.pairs_id FROM batches b JOIN trial_links l ON l.producer_id=b.producer_id AND l.sequence=b.sequence "
        "WHERE b.id=?",
        (batch_id,),
    ).fetchall()
    _empty(connection, [number for (number,) in pairs])


def _empty(connection: Connection, segments: Iterable[int]) -> None:
    ids = [(number,) for number in segments]
    connection.executemany("DELETE FROM trial_outcomes WHERE pairs_id=?", ids)
    connection.executemany("DELETE FROM trial_links WHERE pairs_id=?", ids)
    connection.executemany("UPDATE trial_pairs SET data=NULL WHERE id=?", ids)
