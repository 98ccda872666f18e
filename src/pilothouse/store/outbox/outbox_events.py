"""Entries of the audit log that receivers are told of: noted in the transaction of what they are about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.audit.entries import AuditEntry
from pilothouse.domain.formats.time_units import to_us
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_row


@dataclass(frozen=True, slots=True)
class Event:
    """Entry of the log that is to be told."""

    entry: int
    action: str
    subject: str
    detail: dict[str, Any]
    recorded_at: datetime


def note(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Note entries that are to be told; nothing before receivers are described, nor while an older registry is brought up to
    date."""
    if not entries:
        return
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outbox_events'")
    if known.fetchone() is None:
        return
    if connection.execute("SELECT 1 FROM main.alert_settings LIMIT 1").fetchone() is None:
        return
    connection.executemany(
        "INSERT INTO main.outbox_events (entry, action, recorded_at) VALUES (?, ?, ?)",
        [(entry.seq, entry.action, to_us(entry.recorded_at)) for entry in entries],
    )


def note_open_alerts(connection: Connection, numbers: Iterable[int]) -> None:
    """Note the entries with which alerts opened, of those that are open when the first receivers are described."""
    connection.executemany(
        "INSERT INTO main.outbox_events (entry, action, recorded_at) SELECT a.seq, a.action, a.recorded_at FROM audit a "
        "WHERE a.subject = 'alert ' || ? AND a.action IN ('alert.opened', 'alert.reopened') ORDER BY a.seq DESC LIMIT 1 "
        "ON CONFLICT DO NOTHING",
        [(number,) for number in numbers],
    )


def waiting(connection: Connection, most: int) -> list[Event]:
    """Entries that were not routed yet, oldest first."""
    rows = connection.execute(
        "SELECT e.entry, e.action, a.subject, a.detail, e.recorded_at FROM outbox_events e JOIN audit a ON a.seq = e.entry "
        "WHERE e.taken_at IS NULL ORDER BY e.entry LIMIT ?",
        (most,),
    )
    return [from_row(Event, row) for row in rows]


def oldest_waiting(connection: Connection) -> datetime | None:
    """When the oldest entry was recorded that was not routed yet."""
    found = waiting(connection, 1)
    return found[0].recorded_at if found else None


def take(connection: Connection, entries: Sequence[int], at: datetime) -> None:
    """Record that entries were routed."""
    connection.executemany(
        "UPDATE outbox_events SET taken_at = ? WHERE entry = ?", [(to_us(at), entry) for entry in entries]
    )
