"""SQL on messages on their way, on the lines that wait for one, and on how receivers take them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.outbox.deliveries import DeliveryState, Line, Outgoing, Purpose, ReceiverHealth
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import from_row, insert

_WAITING = "delivery_id IS NULL AND dropped = ''"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """Line to record for a receiver."""

    entry: int | None
    alert_id: int | None
    receiver: str
    route: str
    group_key: tuple[str, ...]
    purpose: Purpose
    line: Mapping[str, Any]
    due_at: datetime


# --- lines


def add_line(connection: Connection, new: NewLine, delivery_id: int | None = None) -> None:
    """Record a line, once for each entry, alert, receiver and route."""
    connection.execute(
        "INSERT INTO outbox_lines (entry, alert_id, receiver, route, group_key, purpose, line, due_at, delivery_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            new.entry,
            new.alert_id,
            new.receiver,
            new.route,
            canonical_json(list(new.group_key)),
            str(new.purpose),
            canonical_json(dict(new.line)),
            to_us(new.due_at),
            delivery_id,
        ),
    )


def lines_waiting(connection: Connection) -> list[Line]:
    """Lines in no message yet, oldest first."""
    rows = connection.execute(f"SELECT * FROM outbox_lines WHERE {_WAITING} ORDER BY id")  # noqa: S608 - a text of our own
    return [from_row(Line, row) for row in rows]


def next_due(connection: Connection) -> datetime | None:
    """When the first line that waits is due."""
    (due,) = connection.execute(f"SELECT min(due_at) FROM outbox_lines WHERE {_WAITING}").fetchone()  # noqa: S608 - ours
    return None if due is None else from_us(due)


def hold_line(connection: Connection, number: int, until: datetime, by: str) -> None:
    """Let a line wait."""
    connection.execute(
        "UPDATE outbox_lines SET due_at = ?, held_by = ? WHERE id = ?", (to_us(until), by, number)
    )


def look_again(connection: Connection, at: datetime, held_by: str | None = None) -> None:
    """Have the lines that something holds (by its name; None: anything) looked at now: it does not hold any more, perhaps."""
    conditions, values = where({"held_by = ?": held_by}, _WAITING, "held_by <> ''", "due_at > ?")
    connection.execute(
        f"UPDATE outbox_lines SET due_at = ? {conditions}",  # noqa: S608 - conditions of our own
        (to_us(at), to_us(at), *values),
    )


def drop_lines(connection: Connection, numbers: Iterable[int], why: str) -> None:
    """Tell lines to nobody, with the reason."""
    connection.executemany(
        "UPDATE outbox_lines SET dropped = ? WHERE id = ?", [(why, one) for one in numbers]
    )


def drop_lines_of(connection: Connection, alert_id: int, receiver: str, why: str) -> None:
    """Tell a receiver nothing of an alert that it was not told yet."""
    connection.execute(
        f"UPDATE outbox_lines SET dropped = ? WHERE alert_id = ? AND receiver = ? AND {_WAITING}",  # noqa: S608 - ours
        (why, alert_id, receiver),
    )


def put_into(connection: Connection, lines: Iterable[Line], delivery_id: int) -> None:
    """Put lines into a message."""
    connection.executemany(
        "UPDATE outbox_lines SET delivery_id = ?, held_by = '' WHERE id = ?",
        [(delivery_id, line.id) for line in lines],
    )


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that is not resolved and of which a receiver was told, with when that was first and last."""

    alert_id: int
    status: str
    receiver: str
    route: str
    group_key: tuple[str, ...]
    purpose: Purpose
    first_at: datetime
    last_at: datetime


def told(connection: Connection) -> list[Told]:
    """Alerts that are not resolved, for each receiver that was told of them by each route, and why."""
    rows = connection.execute(
        "SELECT l.alert_id, a.status, l.receiver, l.route, l.group_key, l.purpose, min(d.made_at) AS first_at, "
        "max(d.made_at) AS last_at FROM alerts a CROSS JOIN outbox_lines l ON l.alert_id = a.id "
        "JOIN deliveries d ON d.id = l.delivery_id WHERE a.status <> 'resolved' "
        "GROUP BY l.alert_id, l.receiver, l.route, l.purpose ORDER BY l.alert_id, l.receiver"
    )
    return [from_row(Told, row) for row in rows]


def escalated(connection: Connection) -> set[tuple[int, str, int]]:
    """(alert, route, step) that were escalated, of alerts that are not resolved."""
    rows = connection.execute(
        "SELECT a.id, u.detail ->> '$.route', u.detail ->> '$.step' FROM alerts a "
        "JOIN audit u ON u.subject = 'alert ' || a.id AND u.action = 'alert.escalated' WHERE a.status <> 'resolved'"
    )
    return {(row[0], row[1], row[2]) for row in rows}


def was_told(connection: Connection, alert_id: int, receiver: str) -> bool:
    """True where a message to a receiver has told of an alert."""
    found = connection.execute(
        "SELECT 1 FROM outbox_lines WHERE alert_id = ? AND receiver = ? AND delivery_id IS NOT NULL LIMIT 1",
        (alert_id, receiver),
    )
    return found.fetchone() is not None


def told_by(connection: Connection, alert_id: int) -> list[tuple[str, str]]:
    """Receivers that were told of an alert, or will be, each with the route that tells it."""
    rows = connection.execute(
        "SELECT receiver, route FROM outbox_lines WHERE alert_id = ? AND dropped = '' GROUP BY receiver, route "
        "ORDER BY min(id)",
        (alert_id,),
    )
    return [(row[0], row[1]) for row in rows]


def last_message(
    connection: Connection, receiver: str, route: str, group_key: Sequence[str]
) -> datetime | None:
    """When the newest message of a group was made for a receiver."""
    (made,) = connection.execute(
        "SELECT max(d.made_at) FROM outbox_lines l CROSS JOIN deliveries d ON d.id = l.delivery_id "
        "WHERE l.receiver = ? AND l.route = ? AND l.group_key = ? AND l.delivery_id IS NOT NULL",
        (receiver, route, canonical_json(list(group_key))),
    ).fetchone()
    return None if made is None else from_us(made)


# --- deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """Message to record."""

    receiver: str
    route: str
    purpose: Purpose
    message: Mapping[str, Any]
    gives_up_at: datetime


def add(connection: Connection, new: NewDelivery, *, at: datetime) -> int:
    """Record a message that is due now; returns its number."""
    columns = {
        "delivery": f"msg_{secrets.token_hex(12)}",
        "receiver": new.receiver,
        "route": new.route,
        "purpose": new.purpose,
        "message": dict(new.message),
        "made_at": at,
        "due_at": at,
        "gives_up_at": new.gives_up_at,
    }
    return insert(connection, "deliveries", columns)


def find(connection: Connection, number: int) -> Outgoing | None:
    row = connection.execute("SELECT * FROM deliveries WHERE id = ?", (number,)).fetchone()
    return from_row(Outgoing, row) if row else None


def due(connection: Connection, at: datetime) -> list[Outgoing]:
    """The oldest message that is due for each receiver. One is due when it is made, and again when it was last tried after
    ``at``: the clock was set back since, and would be waited for."""
    rows = connection.execute(
        "SELECT * FROM deliveries WHERE id IN (SELECT min(id) FROM deliveries WHERE state = 'waiting' "
        "AND (due_at <= ?1 OR tries = 0 OR tried_at > ?1) GROUP BY receiver) ORDER BY id",
        (to_us(at),),
    )
    return [from_row(Outgoing, row) for row in rows]


def next_try(connection: Connection) -> datetime | None:
    """When the first message that waits is due."""
    (first,) = connection.execute("SELECT min(due_at) FROM deliveries WHERE state = 'waiting'").fetchone()
    return None if first is None else from_us(first)


def unsent(connection: Connection, due_before: datetime) -> dict[str, int]:
    """Messages and lines that were due before a moment, and that nobody has tried to send or to put into a message since, by
    receiver."""
    rows = connection.execute(
        "SELECT receiver, sum(number) FROM (SELECT receiver, count(*) AS number FROM deliveries WHERE state = 'waiting' "  # noqa: S608
        "AND due_at <= ?1 GROUP BY receiver UNION ALL SELECT receiver, count(*) FROM outbox_lines "
        f"WHERE {_WAITING} AND due_at <= ?1 GROUP BY receiver) GROUP BY receiver",
        (to_us(due_before),),
    )
    return {row[0]: int(row[1]) for row in rows}


def waiting(connection: Connection, at: datetime) -> dict[str, tuple[int, datetime]]:
    """Messages and lines that wait to be sent though they were due, by receiver: their number, and since when the oldest is."""
    rows = connection.execute(
        "SELECT receiver, count(*), min(since) FROM (SELECT receiver, made_at AS since FROM deliveries "  # noqa: S608
        "WHERE state = 'waiting' UNION ALL SELECT receiver, due_at FROM outbox_lines "
        f"WHERE {_WAITING} AND due_at <= ?) GROUP BY receiver",
        (to_us(at),),
    )
    return {row[0]: (int(row[1]), from_us(row[2])) for row in rows}


def is_waiting(connection: Connection, delivery: str) -> bool:
    """True where the message of that name is neither sent nor dead."""
    found = connection.execute(
        "SELECT 1 FROM deliveries WHERE delivery = ? AND state = 'waiting'", (delivery,)
    )
    return found.fetchone() is not None


def listed(connection: Connection, *, state: DeliveryState | None = None, limit: int = 500) -> list[Outgoing]:
    """Messages, newest first."""
    conditions, values = where({"state = ?": state and str(state)})
    rows = connection.execute(
        f"SELECT * FROM deliveries {conditions} ORDER BY id DESC LIMIT ?",  # noqa: S608 - conditions of our own
        (*values, limit),
    )
    return [from_row(Outgoing, row) for row in rows]


def counts(connection: Connection) -> dict[DeliveryState, int]:
    """Messages by state."""
    rows = connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state")
    return {DeliveryState(state): int(number) for state, number in rows}


def given_up(connection: Connection, since: datetime) -> int:
    """Messages that were given up since a moment, tests left out."""
    (number,) = connection.execute(
        "SELECT count(*) FROM deliveries WHERE state = 'dead' AND ended_at >= ? AND purpose <> 'test'",
        (to_us(since),),
    ).fetchone()
    return int(number)


def begin_try(connection: Connection, number: int, *, at: datetime) -> None:
    """Record that a message is about to be sent."""
    connection.execute(
        "UPDATE deliveries SET tries = tries + 1, tried_at = ? WHERE id = ?", (to_us(at), number)
    )


def set_sent(connection: Connection, number: int, *, at: datetime) -> None:
    """Record that a receiver said that it has a message."""
    connection.execute(
        "UPDATE deliveries SET state = 'sent', error = '', ended_at = ? WHERE id = ?", (to_us(at), number)
    )


def set_failed(connection: Connection, number: int, error: str, due_at: datetime) -> None:
    """Record that a message was not taken, and when it is tried again."""
    connection.execute(
        "UPDATE deliveries SET error = ?, due_at = ? WHERE id = ?", (error, to_us(due_at), number)
    )


def set_dead(connection: Connection, number: int, error: str, *, at: datetime) -> None:
    """Record that a message is not tried any more."""
    connection.execute(
        "UPDATE deliveries SET state = 'dead', error = ?, ended_at = ? WHERE id = ?",
        (error, to_us(at), number),
    )


def revive(connection: Connection, number: int, gives_up_at: datetime, *, at: datetime) -> None:
    """Try a dead message again."""
    connection.execute(
        "UPDATE deliveries SET state = 'waiting', ended_at = NULL, due_at = ?, gives_up_at = ? WHERE id = ?",
        (to_us(at), to_us(gives_up_at), number),
    )


def forget(connection: Connection, before: datetime) -> int:
    """Delete what ended before a moment, but for alerts that are not resolved; returns the number of messages."""
    old = (
        "SELECT d.id FROM deliveries d WHERE d.state <> 'waiting' AND d.ended_at < ? AND NOT EXISTS (SELECT 1 FROM "
        "outbox_lines l JOIN alerts a ON a.id = l.alert_id WHERE l.delivery_id = d.id AND a.status <> 'resolved')"
    )
    at = (to_us(before),)
    connection.execute(f"DELETE FROM outbox_lines WHERE delivery_id IN ({old})", at)  # noqa: S608 - a text of our own
    gone = connection.execute(f"DELETE FROM deliveries WHERE id IN ({old})", at)  # noqa: S608 - a text of our own
    connection.execute("DELETE FROM outbox_lines WHERE dropped <> '' AND due_at < ?", at)
    connection.execute("DELETE FROM outbox_events WHERE taken_at < ?", at)
    return int(gone.rowcount)


def give_up_all(connection: Connection, why: str, *, at: datetime) -> int:
    """Send nothing of what waits; returns the number of messages."""
    gone = connection.execute(
        "UPDATE deliveries SET state = 'dead', error = ?, ended_at = ? WHERE state = 'waiting'",
        (why, to_us(at)),
    )
    connection.execute(f"UPDATE outbox_lines SET dropped = ? WHERE {_WAITING}", (why,))  # noqa: S608 - a text of our own
    connection.execute("UPDATE outbox_events SET taken_at = ? WHERE taken_at IS NULL", (to_us(at),))
    return int(gone.rowcount)


# --- receivers


def health(connection: Connection) -> dict[str, ReceiverHealth]:
    """How each receiver that was sent something takes it, by its name."""
    rows = connection.execute("SELECT * FROM receiver_health ORDER BY receiver")
    return {row["receiver"]: from_row(ReceiverHealth, row) for row in rows}


def put_health(connection: Connection, one: ReceiverHealth) -> None:
    """Write how a receiver takes what it is sent."""
    connection.execute(
        "INSERT OR REPLACE INTO receiver_health (receiver, taken_at, failing_since, failures, error, told) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            one.receiver,
            None if one.taken_at is None else to_us(one.taken_at),
            None if one.failing_since is None else to_us(one.failing_since),
            one.failures,
            one.error,
            int(one.told),
        ),
    )
