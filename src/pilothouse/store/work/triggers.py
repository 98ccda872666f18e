"""Triggers: how far each has looked, and the events that set it off, each with the job that it started or why none has
started."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.triggers import EventStatus
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import from_json, from_row


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """Event that set a trigger off; one row a key."""

    id: int
    model: str
    trigger: str
    key: str
    what: str
    status: EventStatus
    reason: str
    """Reason why no job has started yet, or the event that superseded it."""
    job: int | None
    seen_at: datetime
    recorded_at: datetime


def cursor(connection: Connection, model: str, trigger: str) -> dict[str, Any] | None:
    """Position up to which a trigger has looked; None where it has never looked."""
    row = connection.execute(
        "SELECT c.cursor FROM trigger_cursors c JOIN models m ON m.id = c.model_id WHERE m.name = ? AND c.trigger = ?",
        (model, trigger),
    ).fetchone()
    position: dict[str, Any] | None = from_json(row["cursor"]) if row else None
    return position


def set_cursor(
    connection: Connection, model: str, trigger: str, cursor: dict[str, Any], *, at: datetime
) -> None:
    """Record the position up to which a trigger has looked."""
    connection.execute(
        "INSERT INTO trigger_cursors (model_id, trigger, cursor, recorded_at) "
        "SELECT id, ?, ?, ? FROM models WHERE name = ? "
        "ON CONFLICT (model_id, trigger) DO UPDATE SET cursor = excluded.cursor, recorded_at = excluded.recorded_at",
        (trigger, canonical_json(cursor), to_us(at), model),
    )


def set_off(connection: Connection, model: str, trigger: str, key: str, what: str, *, at: datetime) -> None:
    """Record an event that set a trigger off; nothing changes where the key is known. Older events of the trigger that
    still wait are superseded by it."""
    connection.execute(
        "UPDATE trigger_events SET status = 'superseded', reason = 'something newer set it off', recorded_at = ? "
        "WHERE model_id = (SELECT id FROM models WHERE name = ?) AND trigger = ? AND key <> ? AND status = 'waiting'",
        (to_us(at), model, trigger, key),
    )
    connection.execute(
        "INSERT OR IGNORE INTO trigger_events (model_id, trigger, key, what, status, reason, seen_at, recorded_at) "
        "SELECT id, ?, ?, ?, 'waiting', 'not considered yet', ?, ? FROM models WHERE name = ?",
        (trigger, key, what, to_us(at), to_us(at), model),
    )


def waiting(connection: Connection, model: str) -> list[TriggerEvent]:
    """Events of a model's triggers that have no job yet, oldest first."""
    rows = connection.execute(_SELECT + "WHERE m.name = ? AND e.status = 'waiting' ORDER BY e.id", (model,))
    return [_event(row) for row in rows]


def find(connection: Connection, event_id: int) -> TriggerEvent | None:
    row = connection.execute(_SELECT + "WHERE e.id = ?", (event_id,)).fetchone()
    return _event(row) if row else None


def newest(connection: Connection, model: str | None) -> dict[tuple[str, str, bool], TriggerEvent]:
    """Newest event that started a job (True), and newest that has started none, by model and trigger."""
    newest_of_each = (
        "e.id IN (SELECT max(id) FROM trigger_events GROUP BY model_id, trigger, status = 'started')"
    )
    conditions, values = where({"m.name = ?": model}, newest_of_each)
    rows = connection.execute(_SELECT + conditions, values)
    events = [_event(row) for row in rows]
    return {(event.model, event.trigger, event.status is EventStatus.STARTED): event for event in events}


def count(connection: Connection, model: str | None) -> int:
    conditions, values = where({"m.name = ?": model})
    counted = f"SELECT count(*) FROM trigger_events e JOIN models m ON m.id = e.model_id {conditions}"  # noqa: S608 - ours
    (events,) = connection.execute(counted, values).fetchone()
    return int(events)


def listed(connection: Connection, model: str | None, limit: int) -> list[TriggerEvent]:
    """Newest events, newest first."""
    conditions, values = where({"m.name = ?": model})
    rows = connection.execute(f"{_SELECT}{conditions} ORDER BY e.id DESC LIMIT ?", (*values, limit))
    return [_event(row) for row in rows]


def last_start(connection: Connection, model: str, trigger: str) -> datetime | None:
    """Time at which a trigger started a job last, or None."""
    row = connection.execute(
        "SELECT max(e.recorded_at) AS at FROM trigger_events e JOIN models m ON m.id = e.model_id "
        "WHERE m.name = ? AND e.trigger = ? AND e.status = 'started'",
        (model, trigger),
    ).fetchone()
    at: datetime | None = from_us(row["at"])
    return at


def note(connection: Connection, event_id: int, reason: str, *, at: datetime) -> bool:
    """Record why no job has started; False where that is on record already."""
    changed = connection.execute(
        "UPDATE trigger_events SET reason = ?, recorded_at = ? WHERE id = ? AND status = 'waiting' AND reason <> ?",
        (reason, to_us(at), event_id, reason),
    )
    return changed.rowcount == 1


def started(connection: Connection, event_id: int, job: int, *, at: datetime) -> bool:
    """Record that a job has started; False where one had started before."""
    changed = connection.execute(
        "UPDATE trigger_events SET status = 'started', job_id = ?, reason = '', recorded_at = ? "
        "WHERE id = ? AND status = 'waiting'",
        (job, to_us(at), event_id),
    )
    return changed.rowcount == 1


def automatic_starts(connection: Connection, model: str, since: datetime) -> list[int]:
    """Times (microseconds) at which alerts and triggers started trainings of a model; schedules are not counted."""
    rows = connection.execute(
        "SELECT j.created_at FROM jobs j JOIN models m ON m.id = j.model_id WHERE m.name = ? AND j.kind = 'train' "
        "AND j.created_by = 'daemon' AND j.created_at > ? AND j.trigger_key NOT LIKE 'schedule:%' ORDER BY j.id",
        (model, to_us(since)),
    )
    return [int(row["created_at"]) for row in rows]


def newest_version_event(
    connection: Connection, model: str, state: str, after: int
) -> tuple[int, int, str] | None:
    """(number to continue from, version, target or empty) of the newest version that reached a state after ``after``."""
    if state == "deployed":
        row = connection.execute(
            "SELECT d.id, v.number, t.name AS target FROM deployments d JOIN models m ON m.id = d.model_id "
            "JOIN versions v ON v.id = d.version_id JOIN targets t ON t.id = d.target_id "
            "WHERE m.name = ? AND d.id > ? ORDER BY d.id DESC LIMIT 1",
            (model, after),
        ).fetchone()
        return (row["id"], row["number"], row["target"]) if row else None
    row = connection.execute(
        "SELECT v.id, v.number FROM versions v JOIN models m ON m.id = v.model_id "
        "WHERE m.name = ? AND v.status = ? AND v.id > ? ORDER BY v.id DESC LIMIT 1",
        (model, state, after),
    ).fetchone()
    return (row["id"], row["number"], "") if row else None


_SELECT = "SELECT e.*, m.name AS model FROM trigger_events e JOIN models m ON m.id = e.model_id "


def _event(row: Row) -> TriggerEvent:
    return from_row(TriggerEvent, row, job=row["job_id"])
