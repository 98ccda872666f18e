"""Alerts, with whoever handled them and the trainings that they started."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.monitoring.change_diagnosis import Change, Diagnosis
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import columns_of, deployment_keys, from_json, from_row, insert

REOPENED = "alert.reopened"
"""Action in the audit log of an alert that was opened again; its detail names the alert ``before``."""
REVISED = "alert.revised"
"""Action in the audit log of an alert whose text was written anew; its detail holds the text ``before``."""
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
    conditions, values = _where(status, unresolved, model, target)
    rows = connection.execute(f"{_SELECT}{conditions} ORDER BY a.id DESC LIMIT ?", (*values, limit))
    return [from_row(Alert, row) for row in rows]


def count(
    connection: Connection,
    *,
    status: AlertStatus | None = None,
    unresolved: bool = False,
    model: str | None = None,
) -> int:
    conditions, values = _where(status, unresolved, model, None)
    (alerts,) = connection.execute(
        f"SELECT count(*) FROM alerts a JOIN models m ON m.id = a.model_id {conditions}",  # noqa: S608 - conditions of our own
        values,
    ).fetchone()
    return int(alerts)


def _where(
    status: AlertStatus | None, unresolved: bool, model: str | None, target: str | None
) -> tuple[str, tuple[object, ...]]:
    return where(
        {"a.status = ?": status and str(status), "m.name = ?": model, "t.name = ?": target},
        *(["a.status IN ('open', 'acknowledged')"] if unresolved else []),
    )


def of_version(connection: Connection, version_id: int) -> list[Alert]:
    """Alerts of a version, oldest first."""
    rows = connection.execute(_SELECT + "WHERE a.version_id = ? ORDER BY a.id", (version_id,))
    return [from_row(Alert, row) for row in rows]


def unresolved_of_live(connection: Connection, states: Iterable[int]) -> dict[int, list[Alert]]:
    """Alerts of the versions that are live that are not resolved, by the number of the deployment's state."""
    rows = connection.execute(
        "SELECT s.id AS state, a.*, a.incident_id AS incident, m.name AS model, v.number AS version, t.name AS target "
        "FROM json_each(?) k CROSS JOIN deployment_states s ON s.id = k.value "
        "CROSS JOIN deployments d ON d.model_id = s.model_id AND d.target_id = s.target_id AND d.ended_at IS NULL "
        "CROSS JOIN alerts a ON a.model_id = s.model_id AND a.target_id = s.target_id AND a.version_id = d.version_id "
        "AND a.status <> 'resolved' "
        "JOIN models m ON m.id = a.model_id JOIN versions v ON v.id = a.version_id JOIN targets t ON t.id = a.target_id "
        "ORDER BY a.id",
        (canonical_json(list(states)),),
    )
    by_state: dict[int, list[Alert]] = {}
    for row in rows:
        by_state.setdefault(row["state"], []).append(from_row(Alert, row))
    return by_state


def unresolved_of_kind(connection: Connection, kind: str) -> list[Alert]:
    """Alerts of a kind that are not resolved, newest first."""
    rows = connection.execute(
        _SELECT + "WHERE a.status IN ('open', 'acknowledged') AND a.kind = ? ORDER BY a.id DESC", (kind,)
    )
    return [from_row(Alert, row) for row in rows]


def unresolved_of_replaced(connection: Connection) -> list[tuple[Alert, int | None]]:
    """Alerts that are not resolved though another version is live where they fired, or none: with that version. That a roll-out
    went back is for a person to look at; those of a version that is tried as a canary there count against it."""
    rows = connection.execute(
        "SELECT a.*, a.incident_id AS incident, m.name AS model, v.number AS version, t.name AS target, n.number AS now "
        "FROM alerts a JOIN models m ON m.id = a.model_id JOIN versions v ON v.id = a.version_id "
        "JOIN targets t ON t.id = a.target_id LEFT JOIN deployments d ON d.model_id = a.model_id "
        "AND d.target_id = a.target_id AND d.ended_at IS NULL LEFT JOIN versions n ON n.id = d.version_id "
        "WHERE a.status IN ('open', 'acknowledged') AND a.kind <> 'rollout' AND d.version_id IS NOT a.version_id "
        "AND NOT EXISTS (SELECT 1 FROM rollout_targets rt JOIN rollouts r ON r.id = rt.rollout_id "
        "WHERE rt.model_id = a.model_id AND rt.target_id = a.target_id AND rt.open = 1 AND rt.state = 'canary' "
        "AND a.version_id IN (SELECT r.version_id UNION ALL SELECT o.version_id FROM rollout_arms o "
        "WHERE o.rollout_id = r.id AND o.ended_at IS NULL)) ORDER BY a.id DESC"
    )
    return [(from_row(Alert, row), row["now"]) for row in rows]


def cut_off(connection: Connection, model: str, version: int, targets: Iterable[str]) -> list[Alert]:
    """Alerts of a version on some targets that ended with its last deployment there, not by quiet windows nor by a person:
    the newest of each finding, oldest first."""
    rows = connection.execute(
        _SELECT  # noqa: S608 - a text of our own
        + "WHERE m.name = ? AND v.number = ? AND t.name IN (SELECT value FROM json_each(?)) "
        "AND a.kind NOT IN ('silence', 'rollout') "
        "AND a.status = 'resolved' AND a.handled_by = ? AND a.resolved_at >= (SELECT max(d.ended_at) FROM deployments d "
        "WHERE d.model_id = a.model_id AND d.target_id = a.target_id AND d.version_id = a.version_id) "
        "AND NOT EXISTS (SELECT 1 FROM alerts n WHERE n.model_id = a.model_id AND n.target_id = a.target_id "
        "AND n.version_id = a.version_id AND n.kind = a.kind AND n.subject = a.subject AND n.id > a.id) ORDER BY a.id",
        (model, version, canonical_json(list(targets)), DAEMON.name),
    )
    return [from_row(Alert, row) for row in rows]


def newest_resolved(connection: Connection, state: int, kind: str) -> Alert | None:
    """Newest resolved alert of a kind of the version that is live, by the number of a deployment's state; None where there
    is none."""
    row = connection.execute(
        _SELECT + "JOIN deployment_states s ON s.model_id = a.model_id AND s.target_id = a.target_id "
        "JOIN deployments d ON d.model_id = s.model_id AND d.target_id = s.target_id AND d.ended_at IS NULL "
        "WHERE s.id = ? AND a.version_id = d.version_id AND a.status = 'resolved' AND "
        "a.kind = ? ORDER BY a.id DESC LIMIT 1",
        (state, kind),
    ).fetchone()
    return from_row(Alert, row) if row else None


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


def revise(
    connection: Connection,
    alert_id: int,
    summary: str,
    explanation: str,
    figures: dict[str, float],
    features: tuple[str, ...],
) -> dict[str, Any]:
    """Write the text of an alert anew; returns the one before, as it was stored."""
    row = connection.execute(
        "SELECT summary, explanation, figures, features FROM alerts WHERE id = ?", (alert_id,)
    ).fetchone()
    connection.execute(
        "UPDATE alerts SET summary = ?, explanation = ?, figures = ?, features = ? WHERE id = ?",
        (summary, explanation, canonical_json(figures), canonical_json(list(features)), alert_id),
    )
    return {name: row[name] for name in ("summary", "explanation", "figures", "features")}


def first_summary(connection: Connection, alert_id: int) -> str | None:
    """Summary of an alert before its text was written anew the first time; None where it never was."""
    row = connection.execute(
        "SELECT json_extract(detail, '$.before.summary') FROM audit WHERE subject = ? AND action = ? ORDER BY seq LIMIT 1",
        (f"alert {alert_id}", REVISED),
    ).fetchone()
    return row[0] if row else None


def set_retrain_job(connection: Connection, alert_id: int, job_id: int) -> None:
    """Record the training that the alert started."""
    connection.execute("UPDATE alerts SET retrain_job = ? WHERE id = ?", (job_id, alert_id))
