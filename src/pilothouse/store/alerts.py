"""Alerts, with whoever handled them and the trainings that they started."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.canonical import canonical_json
from pilothouse.domain.change_diagnosis import Change, Diagnosis
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, deployment_keys, from_json, from_row, insert

_SELECT = (
    "SELECT a.*, a.incident_id AS incident, m.name AS model, v.number AS version, t.name AS target FROM alerts a "
    "JOIN models m ON m.id = a.model_id JOIN versions v ON v.id = a.version_id JOIN targets t ON t.id = a.target_id "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """Alert to record; ``effective_at`` is the end of its window."""

    model: str
    version: int
    target: str
    kind: str
    subject: str
    severity: str
    effective_at: datetime
    summary: str
    explanation: str
    figures: dict[str, float]
    features: tuple[str, ...] = ()
    """Features that it names, the farthest from its threshold first."""
    diagnosis: Diagnosis | None = None
    """Diagnosis at its opening; None for kinds that have none."""


def find(connection: Connection, alert_id: int) -> Alert | None:
    row = connection.execute(_SELECT + "WHERE a.id = ?", (alert_id,)).fetchone()
    return from_row(Alert, row) if row else None


def listed(
    connection: Connection,
    *,
    status: AlertStatus | None = None,
    unresolved: bool = False,
    model: str | None = None,
    target: str | None = None,
    limit: int = 500,
) -> list[Alert]:
    """Alerts, newest first."""
    rows = connection.execute(
        _SELECT + "WHERE (? IS NULL OR a.status = ?) AND (? = 0 OR a.status <> 'resolved') "
        "AND (? IS NULL OR m.name = ?) AND (? IS NULL OR t.name = ?) ORDER BY a.id DESC LIMIT ?",
        (
            status and str(status),
            status and str(status),
            int(unresolved),
            model,
            model,
            target,
            target,
            limit,
        ),
    )
    return [from_row(Alert, row) for row in rows]


def newest_resolved(
    connection: Connection, model: str | None = None, *, limit: int = 200
) -> dict[tuple[str, str], tuple[int, str, datetime, datetime]]:
    """Newest resolved alert by (model, target): its number, who handled it, when it was resolved (wall clock) and the
    event time of its window. Only the ``limit`` newest that are resolved are searched."""
    rows = connection.execute(
        "SELECT m.name, t.name, a.id, a.handled_by, a.resolved_at, a.effective_at FROM alerts a "
        "JOIN models m ON m.id = a.model_id JOIN targets t ON t.id = a.target_id "
        "WHERE a.status = 'resolved' AND (? IS NULL OR m.name = ?) ORDER BY a.id DESC LIMIT ?",
        (model, model, limit),
    )
    newest: dict[tuple[str, str], tuple[int, str, datetime, datetime]] = {}
    for name, target, number, by, resolved, effective in map(tuple, rows):
        newest.setdefault((name, target), (number, by, from_us(resolved), from_us(effective)))
    return newest


def of_incidents(connection: Connection, incidents: Iterable[int]) -> dict[int, list[Alert]]:
    """Alerts of each of these incidents, in the order in which they opened."""
    rows = connection.execute(
        _SELECT + "JOIN json_each(?) wanted ON wanted.value = a.incident_id ORDER BY a.id",
        (canonical_json(list(incidents)),),
    )
    by_incident: dict[int, list[Alert]] = {}
    for row in rows:
        by_incident.setdefault(row["incident"], []).append(from_row(Alert, row))
    return by_incident


def without_incident(connection: Connection) -> list[Alert]:
    """Alerts that are in no incident (of a registry from before there were any), oldest first."""
    return [
        from_row(Alert, row)
        for row in connection.execute(_SELECT + "WHERE a.incident_id IS NULL ORDER BY a.id")
    ]


def put_into_incident(connection: Connection, alert_id: int, incident: int, because: str) -> None:
    connection.execute(
        "UPDATE alerts SET incident_id = ?, joined_because = ? WHERE id = ?", (incident, because, alert_id)
    )


def same_finding(connection: Connection, alert: NewAlert) -> Alert | None:
    """Alert that already records this finding: one that is not resolved, or one of the same window."""
    row = connection.execute(
        _SELECT + "WHERE m.name = ? AND v.number = ? AND t.name = ? AND a.kind = ? AND a.subject = ? "
        "AND (a.status <> 'resolved' OR a.effective_at = ?) ORDER BY a.status = 'resolved', a.id DESC LIMIT 1",
        (alert.model, alert.version, alert.target, alert.kind, alert.subject, to_us(alert.effective_at)),
    ).fetchone()
    return from_row(Alert, row) if row else None


def add(connection: Connection, alert: NewAlert, *, at: datetime) -> int | None:
    """Record an open alert; returns its number, or None where the version or the target does not exist."""
    keys = deployment_keys(connection, alert.model, alert.version, alert.target)
    if keys is None:
        return None
    columns = columns_of(alert, "model", "version", "target")
    return insert(connection, "alerts", {**keys, **columns, "recorded_at": at})


def diagnosis_of(connection: Connection, alert_id: int) -> Diagnosis | None:
    """Diagnosis at the alert's opening; None where there was none."""
    row = connection.execute("SELECT diagnosis FROM alerts WHERE id = ?", (alert_id,)).fetchone()
    if row is None or row["diagnosis"] is None:
        return None
    stored = from_json(row["diagnosis"])
    return Diagnosis(Change(stored["change"]), stored["evidence"])


def set_status(
    connection: Connection, alert_id: int, status: AlertStatus, *, by: str, at: datetime, note: str = ""
) -> None:
    """Acknowledge or resolve an alert."""
    connection.execute(
        "UPDATE alerts SET status = ?, handled_by = ?, handled_at = ?, note = ?, resolved_at = ? WHERE id = ?",
        (
            str(status),
            by,
            to_us(at),
            note,
            to_us(at) if status is AlertStatus.RESOLVED else None,
            alert_id,
        ),
    )


def set_retrain_job(connection: Connection, alert_id: int, job_id: int) -> None:
    """Record the training that the alert started."""
    connection.execute("UPDATE alerts SET retrain_job = ? WHERE id = ?", (job_id, alert_id))
