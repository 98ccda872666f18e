"""Deletion of pairs after their time. The heads of their batches stay: one that is sent again is still known, and counted."""

from dataclasses import dataclass

from pilothouse.sqlite import Connection
from pilothouse.telemetry import retention
from pilothouse.telemetry.retention import Stored

_DELETED_AT_ONCE = 50
"""Segments that are deleted in one transaction."""


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """Trial of which pairs may be stored."""

    id: int
    model: str
    target: str


def list_trials(connection: Connection) -> list[StoredTrial]:
    """All trials, in the order in which they began."""
    return [
        StoredTrial(*row) for row in connection.execute("SELECT id, model, target FROM trials ORDER BY id")
    ]


def delete_some(connection: Connection, trial: StoredTrial, received_before_us: int, now_us: int) -> Stored:
    """Delete the pairs of some segments that were received before that time, and note it as rows of the challenger; nothing
    where none is left."""
    segments = connection.execute(
        "SELECT id, rows, length(data), challenger FROM trial_pairs "
        "WHERE trial_id=? AND received<? AND data IS NOT NULL ORDER BY id LIMIT ?",
        (trial.id, received_before_us, _DELETED_AT_ONCE),
    ).fetchall()
    if not segments:
        return Stored()
    ids = [(number,) for number, *_ in segments]
    connection.executemany("DELETE FROM trial_outcomes WHERE pairs_id=?", ids)
    connection.executemany("DELETE FROM trial_links WHERE pairs_id=?", ids)
    connection.executemany("UPDATE trial_pairs SET data=NULL WHERE id=?", ids)
    deleted = Stored(sum(row[1] for row in segments), sum(row[2] for row in segments))
    stream = trial.model, segments[-1][3], trial.target
    retention.note_deletion(connection, stream, received_before_us, deleted, now_us)
    return deleted
