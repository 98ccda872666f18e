"""Incidents: which there are, and who has taken one on. Their state is that of their alerts (``alerts.of_incidents``)."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.sqlite import Connection, Row

from .listing import marks
from .values import from_us, to_us

_SELECT = (
    "SELECT i.id, m.name AS model, i.recorded_at, i.assignee, i.merged_into "
    "FROM incidents i JOIN models m ON m.id = i.model_id "
)
_UNRESOLVED = "i.id IN (SELECT a.incident_id FROM alerts a WHERE a.status IN ('open', 'acknowledged'))"


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as it is stored."""

    id: int
    model: str
    recorded_at: datetime
    assignee: str
    merged_into: int | None


def add(connection: Connection, model: str, at: datetime) -> int:
    """A new incident of a model that exists; returns its number."""
    added = connection.execute(
        "INSERT INTO incidents (model_id, recorded_at) SELECT id, ? FROM models WHERE name = ?",
        (to_us(at), model),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def find(connection: Connection, number: int) -> IncidentRow | None:
    """One incident, or None."""
    row = connection.execute(_SELECT + "WHERE i.id = ?", (number,)).fetchone()
    return _incident(row) if row else None


def listed(
    connection: Connection, *, unresolved: bool = False, model: str | None = None, limit: int = 500
) -> list[IncidentRow]:
    """Incidents, newest first."""
    rows = connection.execute(
        _SELECT
        + f"WHERE i.merged_into IS NULL AND {_UNRESOLVED if unresolved else '1'} AND (? IS NULL OR m.name = ?) "
        "ORDER BY i.id DESC LIMIT ?",
        (model, model, limit),
    )
    return [_incident(row) for row in rows]


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, IncidentRow]:
    """Incidents by their numbers."""
    rows = connection.execute(_SELECT + "WHERE i.id IN " + marks(numbers), numbers)
    return {row["id"]: _incident(row) for row in rows}


def open_at(connection: Connection, model: str, at: datetime) -> list[int]:
    """The incidents of a model that were going on at a time by the wall clock, oldest first."""
    rows = connection.execute(
        "SELECT DISTINCT a.incident_id AS id FROM alerts a JOIN models m ON m.id = a.model_id WHERE m.name = ? "
        "AND a.incident_id IS NOT NULL AND a.recorded_at <= ? AND (a.resolved_at IS NULL OR a.resolved_at > ?) "
        "ORDER BY a.incident_id",
        (model, to_us(at), to_us(at)),
    )
    return [row["id"] for row in rows]


def merge(connection: Connection, number: int, into: int) -> None:
    """An incident has turned out to be part of an older one, to which its alerts have gone; who looked after it goes too."""
    connection.execute(
        "UPDATE incidents SET assignee = (SELECT assignee FROM incidents WHERE id = ?) WHERE id = ? AND assignee = ''",
        (number, into),
    )
    connection.execute("UPDATE incidents SET merged_into = ? WHERE id = ?", (into, number))


def set_assignee(connection: Connection, number: int, name: str) -> None:
    """Somebody has taken it on; empty: nobody has."""
    connection.execute("UPDATE incidents SET assignee = ? WHERE id = ?", (name, number))


def _incident(row: Row) -> IncidentRow:
    return IncidentRow(
        row["id"], row["model"], from_us(row["recorded_at"]), row["assignee"], row["merged_into"]
    )
