"""Alerts: listing, acknowledging, resolving and, for the daemon, opening one for each finding."""

from collections.abc import Mapping
from typing import Any

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.alerts.incident_cost import judge
from pilothouse.operations.alerts.incident_grouping import add_to_incident
from pilothouse.operations.authorisation import Change, changing, clean_text, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts, incidents
from pilothouse.store.deployed.alerts import NewAlert


def list_alerts(
    services: Services,
    actor: Actor,
    *,
    status: AlertStatus | None = None,
    unresolved: bool = False,
    model: str | None = None,
    limit: int = 500,
) -> list[Alert]:
    """Alerts, newest first."""
    with reading(services, actor) as connection:
        return alerts.listed(connection, status=status, unresolved=unresolved, model=model, limit=limit)


def count_alerts(
    services: Services,
    actor: Actor,
    *,
    status: AlertStatus | None = None,
    unresolved: bool = False,
    model: str | None = None,
) -> int:
    """Number of alerts."""
    with reading(services, actor) as connection:
        return alerts.count(connection, status=status, unresolved=unresolved, model=model)


def get_alert(services: Services, actor: Actor, alert_id: int) -> Alert:
    """One alert. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return _require(connection, alert_id)


def acknowledge(services: Services, actor: Actor, alert_id: int, note: str = "") -> Alert:
    """Acknowledge an alert: the actor looks after it, and after its incident unless somebody does already.

    Raises NotFoundError, NotAllowedError or ConflictError (not open).
    """
    note = clean_text(note, "the note")
    act = f"acknowledge alert {alert_id}"
    with changing(
        services, actor, Permission.HANDLE_ALERT, *_reach_of(services, alert_id), act=act
    ) as change:
        alert = _require(change.connection, alert_id)
        if alert.status is not AlertStatus.OPEN:
            raise ConflictError(f"alert {alert_id} is {alert.status} already{_by(alert)}")
        taken: dict[str, Any] = {}
        if alert.incident is not None:
            assignee = incidents.take(change.connection, alert.incident, actor.name)
            taken = {"incident": alert.incident, "assignee": assignee}
        return _set_status(services, change, alert, AlertStatus.ACKNOWLEDGED, note, taken)


def resolve(services: Services, actor: Actor, alert_id: int, reason: str) -> Alert:
    """Resolve an alert. Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (resolved)."""
    reason = reason_given(reason, "resolving an alert")
    act = f"resolve alert {alert_id}"
    with changing(
        services, actor, Permission.HANDLE_ALERT, *_reach_of(services, alert_id), act=act
    ) as change:
        alert = _unresolved(change.connection, alert_id)
        return _set_status(services, change, alert, AlertStatus.RESOLVED, reason)


def open_alert(services: Services, new: NewAlert) -> tuple[Alert, bool]:
    """Open an alert for a finding, or return the one that there is; the flag is True for a new one.

    A finding is (model, version, target, kind, subject): while its alert is not resolved no second one opens, and the
    same window (``effective_at``) never opens one twice. It joins the incident that has the same cause, or opens one.
    Raises NotFoundError.
    """
    with services.registry.transaction() as connection:
        known = alerts.same_finding(connection, new)
        if known is not None:
            return known, False
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            number = alerts.add(connection, new, at=change.at)
            if number is None:
                raise NotFoundError(
                    f"there is no {version_uri(new.model, new.version)}, or no target {new.target!r}"
                )
            joined = add_to_incident(connection, _require(connection, number))
            judge(services, connection, [joined.incident], change.at)
            states.refresh(services, connection, [(new.model, new.target)])
            change.record(
                "alert.opened",
                f"alert {number}",
                {
                    "model": new.model,
                    "target": new.target,
                    "kind": new.kind,
                    "subject": new.subject,
                    "version": new.version,
                    "severity": new.severity,
                    "effective_at": new.effective_at.isoformat(),
                    "summary": new.summary,
                    **joined.facts,
                },
            )
            return _require(connection, number), True


def resolve_alert_automatically(services: Services, alert_id: int, reason: str) -> Alert:
    """Resolve an alert whose monitor has been quiet, or whose version is no longer live. Raises ConflictError (resolved)."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        alert = _unresolved(change.connection, alert_id)
        return _set_status(services, change, alert, AlertStatus.RESOLVED, reason)


def note_retraining(services: Services, alert_id: int, job_id: int) -> None:
    """Record the training that an alert started."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        _require(change.connection, alert_id)
        alerts.set_retrain_job(change.connection, alert_id, job_id)
        change.record("alert.retraining", f"alert {alert_id}", {"job": job_id})


def _set_status(
    services: Services,
    change: Change,
    alert: Alert,
    status: AlertStatus,
    note: str,
    facts: Mapping[str, Any] | None = None,
) -> Alert:
    changed = set_status_in(services, change, alert, status, note)
    if changed.incident is not None:
        judge(services, change.connection, [changed.incident], change.at)
    record_status(change, alert, status, note, facts or {})
    return changed


def set_status_in(services: Services, change: Change, alert: Alert, status: AlertStatus, note: str) -> Alert:
    """Acknowledge or resolve an alert in the caller's transaction; the caller records it."""
    alerts.set_status(change.connection, alert.id, status, by=change.actor.name, at=change.at, note=note)
    states.refresh(services, change.connection, [(alert.model, alert.target)], windows=False)
    return _require(change.connection, alert.id)


def record_status(
    change: Change, alert: Alert, status: AlertStatus, note: str, facts: Mapping[str, Any]
) -> None:
    """The audit row of an alert's new status; ``alert`` is the alert as it was before."""
    before = {"model": alert.model, "target": alert.target, "before": str(alert.status), "note": note}
    change.record(f"alert.{status}", f"alert {alert.id}", {**before, **facts})


def _unresolved(connection: Connection, alert_id: int) -> Alert:
    alert = _require(connection, alert_id)
    if alert.status is AlertStatus.RESOLVED:
        raise ConflictError(f"alert {alert_id} is resolved already{_by(alert)}")
    return alert


def _by(alert: Alert) -> str:
    return f", by {alert.handled_by}" if alert.handled_by else ""


def _require(connection: Connection, alert_id: int) -> Alert:
    alert = alerts.find(connection, alert_id)
    if alert is None:
        raise NotFoundError(f"there is no alert {alert_id}: list them with pilothouse alerts")
    return alert


def _reach_of(services: Services, alert_id: int) -> tuple[str, tuple[str, ...]]:
    with services.registry.read() as connection:
        alert = _require(connection, alert_id)
        return alert.model, (alert.target,)
