"""Readings in the order in which they were made, for lineage."""

from collections.abc import Iterator
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
    (number,) = connection.execute("SELECT max(id) FROM readings").fetchone()
    return int(number or 0)


def made_after(connection: Connection, number: int, limit: int) -> Iterator[Made]:
    """Readings after a number, oldest first."""
    rows = connection.execute(
        "SELECT r.id, s.model, s.version, s.target, r.recorded FROM readings r JOIN streams s ON s.id = r.stream_id "
        "WHERE r.id > ? AND r.subject = '' ORDER BY r.id LIMIT ?",
        (number, limit),
    ).fetchall()
    for key, model, version, target, recorded in rows:
        yield Made(model, version, target, from_us(recorded), readings.by_id(connection, key))
