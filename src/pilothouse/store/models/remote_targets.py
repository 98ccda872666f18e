"""Targets on other machines: where the hub listens for them, their tokens, and their clocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.formats.wire import ClockReading
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.models.hub_limits import Bounds, Limits, bounds_in_force
from pilothouse.domain.models.target_file import HubDoor
from pilothouse.domain.targets import RemoteToken, TargetClock
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import from_json, from_row, insert


def not_served_here(connection: Connection) -> frozenset[str]:
    """Targets that the daemon starts no serving process for."""
    rows = connection.execute(
        "SELECT t.name FROM target_places p JOIN targets t ON t.id = p.target_id ORDER BY t.name"
    )
    return frozenset(row[0] for row in rows)


def place_of(connection: Connection, target: str) -> str:
    """``local``, ``remote`` or ``command``."""
    row = connection.execute(
        "SELECT p.place FROM target_places p JOIN targets t ON t.id = p.target_id WHERE t.name = ?", (target,)
    ).fetchone()
    return row[0] if row else "local"


def door(connection: Connection) -> HubDoor | None:
    """Where the hub listens for other machines; None where it does not."""
    row = connection.execute("SELECT listen, tls_certificate, tls_key, limits FROM hub_door").fetchone()
    return from_row(HubDoor, row, limits=Limits(**from_json(row["limits"]))) if row else None


def put_door(connection: Connection, door: HubDoor | None) -> None:
    """Have the hub listen there, or nowhere."""
    if door is None:
        connection.execute("DELETE FROM hub_door")
        return
    connection.execute(
        "INSERT INTO hub_door (id, listen, tls_certificate, tls_key, limits) VALUES (1, ?, ?, ?, ?) ON CONFLICT (id) DO "
        "UPDATE SET listen = excluded.listen, tls_certificate = excluded.tls_certificate, tls_key = excluded.tls_key, "
        "limits = excluded.limits",
        (door.listen, door.tls_certificate, door.tls_key, canonical_json(to_plain(door.limits))),
    )


@dataclass(frozen=True, slots=True)
class FoundToken:
    """Token that is on record, in force or not."""

    id: int
    target: str
    place: str
    ends_at: datetime
    is_revoked: bool
    bounds: Bounds
    """How much its target may send."""


def find_token(connection: Connection, digest: str) -> FoundToken | None:
    """Token of this digest; None where none is on record."""
    row = connection.execute(
        "SELECT k.id, t.name AS target, coalesce(p.place, 'local') AS place, k.ends_at, "
        "k.revoked_at IS NOT NULL AS is_revoked, coalesce((SELECT limits FROM hub_door), '{}') AS of_hub, "
        "coalesce(p.limits, '{}') AS of_target "
        "FROM remote_tokens k JOIN targets t ON t.id = k.target_id LEFT JOIN target_places p ON p.target_id = t.id "
        "WHERE k.digest = ?",
        (digest,),
    ).fetchone()
    if row is None:
        return None
    return FoundToken(
        row["id"],
        row["target"],
        row["place"],
        from_us(row["ends_at"]),
        bool(row["is_revoked"]),
        bounds_in_force(from_json(row["of_hub"]), from_json(row["of_target"])),
    )


def add_token(
    connection: Connection, target: int, digest: str, *, by: str, at: datetime, ends_at: datetime
) -> int:
    """Put a token on record; returns its number."""
    columns = {"target_id": target, "digest": digest, "issued_by": by, "recorded_at": at, "ends_at": ends_at}
    return insert(connection, "remote_tokens", columns)


def revoke_token(connection: Connection, number: int, *, by: str, at: datetime) -> None:
    connection.execute(
        "UPDATE remote_tokens SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL",
        (to_us(at), by, number),
    )


def tokens(connection: Connection, target: str | None = None) -> list[RemoteToken]:
    """Tokens of a target, or of all, the newest first; also those that have ended."""
    conditions, values = where({"k.target_id = (SELECT id FROM targets WHERE name = ?)": target})
    rows = connection.execute(
        "SELECT k.id, t.name AS target, k.issued_by, k.recorded_at, k.ends_at, k.revoked_at, k.revoked_by "  # noqa: S608 - ours
        f"FROM remote_tokens k JOIN targets t ON t.id = k.target_id {conditions} ORDER BY k.id DESC",
        values,
    )
    return [from_row(RemoteToken, row) for row in rows]


def put_clocks(connection: Connection, measured: Mapping[str, tuple[ClockReading, datetime]]) -> None:
    """Record the clocks of those of these targets that are not served on this machine."""
    connection.executemany(
        "INSERT INTO target_clocks (target_id, skew_us, bound_us, measured_at) "
        "SELECT p.target_id, ?, ?, ? FROM target_places p WHERE p.target_id = (SELECT id FROM targets WHERE name = ?) "
        "ON CONFLICT (target_id) DO UPDATE SET skew_us = excluded.skew_us, bound_us = excluded.bound_us, "
        "measured_at = excluded.measured_at",
        [
            (reading.skew_us, reading.bound_us, to_us(at), target)
            for target, (reading, at) in measured.items()
        ],
    )


def clocks(connection: Connection) -> dict[str, TargetClock]:
    """Clocks that were measured, by target."""
    rows = connection.execute(
        "SELECT t.name AS target, c.skew_us, c.bound_us, c.measured_at FROM target_clocks c "
        "JOIN targets t ON t.id = c.target_id"
    )
    return {row["target"]: from_row(TargetClock, row) for row in rows}
