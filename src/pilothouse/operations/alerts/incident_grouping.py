"""Grouping alerts into incidents: a new alert in the transaction that opens it, those of an older registry once."""

from datetime import timedelta

from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.monitoring import incidents as rules
from pilothouse.domain.monitoring.incidents import Membership
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts.incident_cost import judge
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts, incidents
from pilothouse.store.models import models

_UNKNOWN_MODEL = timedelta(days=28)


def add_to_incident(connection: Connection, alert: Alert) -> Membership:
    """Add an alert to the incident that has the same cause, or to a new one. Where it shows that several incidents have one
    cause, the younger ones become part of the oldest."""
    going_on = incidents.open_at(connection, alert.model, alert.recorded_at)
    members = alerts.of_incidents(connection, going_on)
    joined = rules.membership_of(alert, sorted(members.items()), _reach(connection, alert.model))
    if joined is None:
        joined = Membership(incidents.add(connection, alert.model, alert.recorded_at), "")
    for other in joined.merged:
        for moved in members[other]:
            because = (
                moved.joined_because or f"alert {alert.id} showed that incident {other} has the same cause"
            )
            alerts.put_into_incident(connection, moved.id, joined.incident, because)
        incidents.merge(connection, other, joined.incident)
    alerts.put_into_incident(connection, alert.id, joined.incident, joined.because)
    return joined


def group_waiting(services: Services) -> int:
    """Add every alert without an incident to one; returns how many there were. Cheap where there is none."""
    with services.registry.read() as connection:
        if not alerts.without_incident(connection):
            return 0
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        waiting = alerts.without_incident(change.connection)
        touched = set()
        for alert in waiting:
            joined = add_to_incident(change.connection, alert)
            change.record("alert.gathered", f"alert {alert.id}", joined.facts)
            touched.add(joined.incident)
        judge(services, change.connection, sorted(touched), change.at)
    return len(waiting)


def _reach(connection: Connection, model: str) -> timedelta:
    """The largest distance between the ends of two windows that cover the same days."""
    stored = models.spec_in_force(connection, model)
    if stored is None:
        return _UNKNOWN_MODEL
    spec = spec_from_plain(stored.spec, f"{model} as applied")
    monitoring = spec.monitoring
    return timedelta(seconds=max(monitoring.window, monitoring.performance_window) + spec.data.outcome_delay)
