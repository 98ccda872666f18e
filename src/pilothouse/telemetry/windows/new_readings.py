"""Readings in the order in which they were made, for lineage."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.time_units import from_us
from pilothouse.sqlite import Connection
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import Reading


@dataclass(frozen=True, slots=True)
class Made:
    """Reading with the deployment that it is about. ``at``: the wall clock when it was made."""

    model: str
    version: int
    target: str
    at: datetime
    reading: Reading


def newest_number(connection: Connection) -> int:
    """Number of the newest reading; 0 before the first."""
    row = connection.execute("SELECT id FROM readings WHERE subject = '' ORDER BY id DESC LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def numbers_after(connection: Connection, number: int, limit: int) -> list[int]:
    """Numbers of the readings after one, oldest first."""
    rows = connection.execute(
        "SELECT id FROM readings WHERE id > ? AND subject = '' ORDER BY id LIMIT ?", (number, limit)
    )
    return [int(key) for (key,) in rows]


def made(connection: Connection, number: int) -> Made:
    """The reading of a number."""
    model, version, target, recorded = connection.execute(
        "SELECT s.model, s.version, s.target, r.recorded FROM readings r JOIN streams s ON s.id = r.stream_id "
        "WHERE r.id = ?",
        (number,),
    ).fetchone()
    return Made(model, version, target, from_us(recorded), readings.by_id(connection, number))
