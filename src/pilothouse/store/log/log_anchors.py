"""Anchors of the log: which there are, and how far each is."""

from datetime import datetime

from pilothouse.domain.audit.log_anchors import (
    Anchor,
    AnchorKind,
    AnchorState,
    Delivery,
    DeliveryFault,
)
from pilothouse.domain.formats.time_units import to_us
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_row, insert

_COLUMNS = "id, name, kind, place, key, added_by, recorded_at"
_DELIVERY = "sent_size, sent_at, tried_at, failures, failing_since, error, fault"


def add(
    connection: Connection, name: str, kind: AnchorKind, place: str, *, key: str, by: str, at: datetime
) -> int:
    """Add an anchor; returns its number."""
    columns = {"name": name, "kind": kind, "place": place, "key": key, "added_by": by, "recorded_at": at}
    return insert(connection, "log_anchors", columns)


def remove(connection: Connection, anchor: int, *, by: str, at: datetime) -> None:
    """Let an anchor take no further head."""
    connection.execute(
        "UPDATE log_anchors SET removed_by = ?, removed_at = ? WHERE id = ?", (by, to_us(at), anchor)
    )


def in_use(connection: Connection) -> list[Anchor]:
    """Anchors that take heads, in the order in which they were added."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM log_anchors WHERE removed_at IS NULL ORDER BY id")  # noqa: S608 - ours
    return [from_row(Anchor, row) for row in rows]


def all_anchors(connection: Connection) -> dict[int, Anchor]:
    """Every anchor by its number, those that were removed too."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM log_anchors ORDER BY id")  # noqa: S608 - ours
    return {row["id"]: from_row(Anchor, row) for row in rows}


def delivery(connection: Connection, anchor: int) -> Delivery:
    """How far an anchor is."""
    row = connection.execute(
        f"SELECT {_DELIVERY} FROM log_deliveries WHERE anchor_id = ?",  # noqa: S608 - ours
        (anchor,),
    ).fetchone()
    return (
        from_row(Delivery, row, fault=DeliveryFault(row["fault"]) if row["fault"] else None)
        if row
        else Delivery()
    )


def put_delivery(connection: Connection, anchor: int, delivery: Delivery) -> None:
    """Record how far an anchor is."""
    times = [
        None if at is None else to_us(at)
        for at in (delivery.sent_at, delivery.tried_at, delivery.failing_since)
    ]
    connection.execute(
        f"INSERT OR REPLACE INTO log_deliveries (anchor_id, {_DELIVERY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - ours
        (
            anchor,
            delivery.sent_size,
            times[0],
            times[1],
            delivery.failures,
            times[2],
            delivery.error,
            delivery.fault or "",
        ),
    )


def states(connection: Connection) -> list[AnchorState]:
    """Anchors that take heads, each with how far it is."""
    return [AnchorState(anchor, delivery(connection, anchor.id)) for anchor in in_use(connection)]
