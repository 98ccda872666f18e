"""Freeze windows on record."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.promotion.freezes import FreezeWindow
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, from_row, insert


def add(connection: Connection, window: FreezeWindow) -> int:
    """Record a window; returns its number."""
    return insert(
        connection, "freeze_windows", columns_of(window, "id", "lifted_at", "lifted_by", "lift_reason")
    )


def lift(connection: Connection, name: str, *, reason: str, by: str, at: datetime) -> bool:
    """End a window in force; False where there is none of that name."""
    return bool(
        connection.execute(
            "UPDATE freeze_windows SET lifted_at = ?, lifted_by = ?, lift_reason = ? WHERE name = ? AND lifted_at IS NULL",
            (to_us(at), by, reason, name),
        ).rowcount
    )


def in_force(connection: Connection) -> list[FreezeWindow]:
    """Windows that are not lifted, by name."""
    return _listed(connection, "WHERE lifted_at IS NULL ORDER BY name")


def every(connection: Connection) -> list[FreezeWindow]:
    """Every window, oldest first, lifted ones too."""
    return _listed(connection, "ORDER BY id")


def _listed(connection: Connection, rest: str) -> list[FreezeWindow]:
    return [from_row(FreezeWindow, row) for row in connection.execute(f"SELECT * FROM freeze_windows {rest}")]  # noqa: S608 - ours
