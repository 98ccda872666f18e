"""Putting alerts into incidents: a new one in the transaction that opens it, those of an older registry once."""

from datetime import timedelta

from pilothouse.domain import incidents as rules
from pilothouse.domain.incidents import Membership
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.records import Alert
from pilothouse.domain.roles import DAEMON, Permission
from pilothouse.operations.alerts.incident_cost import judge
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import alerts, incidents, models

_UNKNOWN_MODEL = timedelta(days=28)


def place(connection: Connection, alert: Alert) -> Membership:
    """Let an alert join the incident that has the same cause, or open one. Where it shows that several incidents have one
    cause, the younger ones become part of the oldest."""
    going_on = incidents.open_at(connection, alert.model, alert.recorded_at)
    members = alerts.of_incidents(connection, going_on)
    found = rules.membership_of(alert, sorted(members.items()), _reach(connection, alert.model))
    if found is None:
        found = Membership(incidents.add(connection, alert.model, alert.recorded_at), "")
    for other in found.merged:
        for moved in members[other]:
            why = moved.joined_because or f"alert {alert.id} showed that incident {other} has the same cause"
            alerts.put_into_incident(connection, moved.id, found.incident, why)
        incidents.merge(connection, other, found.incident)
    alerts.put_into_incident(connection, alert.id, found.incident, found.because)
    return found


def gather(services: Services) -> int:
    """Put every alert without an incident into one; how many there were. Cheap where there is none."""
    with services.registry.read() as connection:
        if not alerts.without_incident(connection):
            return 0
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        waiting = alerts.without_incident(change.connection)
        touched = set()
        for alert in waiting:
            placed = place(change.connection, alert)
            change.record("alert.gathered", f"alert {alert.id}", placed.facts)
            touched.add(placed.incident)
        judge(services, change.connection, sorted(touched), change.at)
    return len(waiting)


def _reach(connection: Connection, model: str) -> timedelta:
    """How far apart the ends of two windows may lie that look at the same days."""
    stored = models.spec_in_force(connection, model)
    if stored is None:
        return _UNKNOWN_MODEL
    spec = spec_from_plain(stored.spec, f"{model} as applied")
    watched = spec.monitoring
    return timedelta(seconds=max(watched.window, watched.performance_window) + spec.data.outcome_delay)
