"""Incidents: their assignees and judgements. Their state is that of their alerts.

What the list of all incidents shows of their alerts is stored with each incident; triggers maintain it
(``incident_standings`` is its one definition). The cost rests on telemetry, so it is judged and stored here
(``set_judgement``).
"""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.monitoring.incidents import Cost
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import marks, where
from pilothouse.store.listing import DEARNESS
from pilothouse.store.values import from_row

_SELECT = (
    "SELECT i.id, m.name AS model, i.recorded_at, i.assignee, i.merged_into, i.judged_at, i.cause, i.cost_tier, "
    "i.cost_weight, i.cost_words "
    "FROM incidents i JOIN models m ON m.id = i.model_id "
)
_GOING_ON = "i.state <> 'resolved'"


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """Incident as it is stored. ``most`` is the highest cost that it was judged to have, ``cause`` its judged cause."""

    id: int
    model: str
    recorded_at: datetime
    assignee: str
    merged_into: int | None
    judged: bool
    """True where it was judged since its alerts changed last."""
    cause: str
    most: Cost | None


def add(connection: Connection, model: str, at: datetime) -> int:
    """Record a new incident of a model that exists; returns its number."""
    added = connection.execute(
        "INSERT INTO incidents (model_id, recorded_at) SELECT id, ? FROM models WHERE name = ?",
        (to_us(at), model),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def find(connection: Connection, number: int) -> IncidentRow | None:
    row = connection.execute(_SELECT + "WHERE i.id = ?", (number,)).fetchone()
    return _incident(row) if row else None


def listed(
    connection: Connection, *, unresolved: bool = False, model: str | None = None, limit: int = 500
) -> list[IncidentRow]:
    """Incidents, newest first; with ``unresolved`` those that have cost the most first."""
    # unary plus: SQLite shall sort the few unresolved ones, not walk the index of all incidents by cost
    dearest = f"+({DEARNESS}) DESC, " if unresolved else ""
    always = ["i.merged_into IS NULL", *([_GOING_ON] if unresolved else [])]
    conditions, values = where({"m.name = ?": model}, *always)
    rows = connection.execute(f"{_SELECT}{conditions} ORDER BY {dearest}i.id DESC LIMIT ?", (*values, limit))
    return [_incident(row) for row in rows]


def count(connection: Connection, *, unresolved: bool = False, model: str | None = None) -> int:
    conditions, values = where(
        {"m.name = ?": model}, "i.merged_into IS NULL", *([_GOING_ON] if unresolved else [])
    )
    (incidents,) = connection.execute(
        f"SELECT count(*) FROM incidents i JOIN models m ON m.id = i.model_id {conditions}",  # noqa: S608 - conditions of our own
        values,
    ).fetchone()
    return int(incidents)


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, IncidentRow]:
    rows = connection.execute(_SELECT + "WHERE i.id IN " + marks(numbers), numbers)
    return {row["id"]: _incident(row) for row in rows}


def to_judge(connection: Connection, limit: int, *, going_on: bool) -> list[IncidentRow]:
    """Incidents whose alerts have changed since they were judged, and (``going_on``) those that are not resolved."""
    rows = connection.execute(
        _SELECT + "WHERE i.merged_into IS NULL AND i.judged_at IS NULL "
        f"UNION {_SELECT} WHERE ? AND i.merged_into IS NULL AND i.state <> 'resolved' ORDER BY 1 LIMIT ?",
        (going_on, limit),
    )
    return [_incident(row) for row in rows]


def set_judgement(connection: Connection, number: int, cause: str, most: Cost, at: datetime) -> None:
    connection.execute(
        "UPDATE incidents SET judged_at = ?, cause = ?, cost_tier = ?, cost_weight = ?, cost_words = ? WHERE id = ?",
        (to_us(at), cause, most.tier, most.weight, most.words, number),
    )


def unlike_their_alerts(connection: Connection) -> list[int]:
    """Incidents whose stored state differs from that of their alerts: the database was changed past Pilothouse."""
    rows = connection.execute(
        "SELECT i.id FROM incidents i JOIN incident_standings s ON s.id = i.id WHERE i.merged_into IS NULL AND "
        "(i.state, i.severity, i.since, i.inside, i.place) IS NOT (s.state, s.severity, s.since, s.inside, s.place) "
        "ORDER BY i.id"
    )
    return [row["id"] for row in rows]


def judged(connection: Connection, after: int, limit: int) -> list[IncidentRow]:
    """Incidents beyond a number that were judged since their alerts changed last, in order."""
    rows = connection.execute(
        _SELECT
        + "WHERE i.judged_at IS NOT NULL AND i.merged_into IS NULL AND i.id > ? ORDER BY i.id LIMIT ?",
        (after, limit),
    )
    return [_incident(row) for row in rows]


def open_at(connection: Connection, model: str, at: datetime) -> list[int]:
    """Incidents of a model that were open at a time by the wall clock, oldest first."""
    rows = connection.execute(
        "SELECT DISTINCT a.incident_id AS id FROM alerts a JOIN models m ON m.id = a.model_id WHERE m.name = ? "
        "AND a.incident_id IS NOT NULL AND a.recorded_at <= ? AND (a.resolved_at IS NULL OR a.resolved_at > ?) "
        "ORDER BY a.incident_id",
        (model, to_us(at), to_us(at)),
    )
    return [row["id"] for row in rows]


def merge(connection: Connection, number: int, into: int) -> None:
    """Merge an incident into an older one, to which its alerts have gone. Its assignee goes along where the other has
    none, and its cost where that is higher."""
    connection.execute(
        "UPDATE incidents SET assignee = (SELECT assignee FROM incidents WHERE id = ?) WHERE id = ? AND assignee = ''",
        (number, into),
    )
    connection.execute(
        "UPDATE incidents SET (cost_tier, cost_weight, cost_words) = (SELECT y.cost_tier, y.cost_weight, y.cost_words "
        "FROM incidents y WHERE y.id = ?) WHERE id = ? "
        "AND (cost_tier, -cost_weight) > (SELECT y.cost_tier, -y.cost_weight FROM incidents y WHERE y.id = ?)",
        (number, into, number),
    )
    connection.execute("UPDATE incidents SET merged_into = ? WHERE id = ?", (into, number))


def set_assignee(connection: Connection, number: int, name: str) -> None:
    """Record the assignee; empty: nobody."""
    connection.execute("UPDATE incidents SET assignee = ? WHERE id = ?", (name, number))


def take(connection: Connection, number: int, name: str) -> str:
    """Record the assignee where there is none yet; returns who looks after the incident now."""
    connection.execute("UPDATE incidents SET assignee = ? WHERE id = ? AND assignee = ''", (name, number))
    row = connection.execute("SELECT assignee FROM incidents WHERE id = ?", (number,)).fetchone()
    return str(row["assignee"])


def _incident(row: Row) -> IncidentRow:
    most = Cost(row["cost_tier"], row["cost_weight"], row["cost_words"]) if row["cost_words"] else None
    return from_row(IncidentRow, row, judged=row["judged_at"] is not None, most=most)
