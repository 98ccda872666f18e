"""Incidents: listing them by cost, and handling all alerts of one at once."""

from collections.abc import Callable

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.identifiers import check_name
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring.incident_cost import NOTHING, cost_of
from pilothouse.domain.monitoring.incidents import Cost, Incident, by_cost, status_of, telling
from pilothouse.domain.records import Alert, AlertStatus, Job
from pilothouse.operations.alerts.alerts import record_status, set_status_in
from pilothouse.operations.alerts.incident_cost import judge
from pilothouse.operations.alerts.incident_evidence import SharedFigures, gather_evidence
from pilothouse.operations.authorisation import Change, changing, clean_text, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import listing
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.deployed import incidents
from pilothouse.store.deployed.incidents import IncidentRow
from pilothouse.store.work import jobs


def list_incidents(
    services: Services, actor: Actor, *, unresolved: bool = False, model: str | None = None, limit: int = 500
) -> list[Incident]:
    """Unresolved incidents by cost, then resolved ones, newest first. Raises NotAllowedError."""
    with reading(services, actor) as connection, services.reading_telemetry() as telemetry:
        rows = incidents.listed(connection, unresolved=unresolved, model=model, limit=limit)
        return by_cost(_whole(connection, telemetry, rows))


def count_incidents(
    services: Services, actor: Actor, *, unresolved: bool = False, model: str | None = None
) -> int:
    """Number of incidents. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return incidents.count(connection, unresolved=unresolved, model=model)


def incidents_page(services: Services, actor: Actor, query: Query) -> Page[Incident]:
    """A window of all incidents, newest first unless sorted; each with the highest cost that it was judged to have.

    Raises InvalidInputError (no such column) or NotAllowedError.
    """
    with reading(services, actor) as connection, services.reading_telemetry() as telemetry:
        page = listing.window(connection, listing.INCIDENTS, query)
        rows = listing.in_order(page.rows, incidents.of_numbers(connection, page.rows)) if page.rows else ()
        return Page(tuple(_whole(connection, telemetry, list(rows), newest=False)), page.first, page.total)


def get_incident(services: Services, actor: Actor, number: int) -> Incident:
    """One incident. Raises NotFoundError or NotAllowedError."""
    with reading(services, actor) as connection, services.reading_telemetry() as telemetry:
        return _whole(connection, telemetry, [_require(connection, number)])[0]


def retrainings(services: Services, actor: Actor, incident: Incident) -> list[Job]:
    """The trainings that an incident started, oldest first. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        started = [jobs.find(connection, number) for number in incident.retrainings]
    return [job for job in started if job is not None]


def acknowledge(services: Services, actor: Actor, number: int, note: str = "") -> Incident:
    """Acknowledge every open alert of an incident, in one transaction with one audit row: the actor looks after it, unless
    somebody does already.

    Raises NotFoundError, NotAllowedError or ConflictError (none is open).
    """
    note = clean_text(note, "the note")

    def change_all(change: Change, members: list[Alert]) -> list[int]:
        waiting = [a for a in members if a.status is AlertStatus.OPEN]
        if not waiting:
            raise ConflictError(f"incident {number} has no open alert: it is {status_of(members)} already")
        detail["assignee"] = incidents.take(
            change.connection, _require(change.connection, number).id, actor.name
        )
        return [set_status_in(services, change, a, AlertStatus.ACKNOWLEDGED, note).id for a in waiting]

    detail = {"note": note}
    return _handle(services, actor, number, "incident.acknowledged", detail, change_all)


def resolve(services: Services, actor: Actor, number: int, reason: str) -> Incident:
    """Resolve every unresolved alert of an incident, in one transaction.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (it is resolved).
    """
    reason = reason_given(reason, "resolving an incident")

    def change_all(change: Change, members: list[Alert]) -> list[int]:
        waiting = [a for a in members if a.status is not AlertStatus.RESOLVED]
        if not waiting:
            raise ConflictError(f"incident {number} is resolved already")
        for alert in waiting:
            set_status_in(services, change, alert, AlertStatus.RESOLVED, reason)
            record_status(change, alert, AlertStatus.RESOLVED, reason, {"incident": alert.incident})
        return [alert.id for alert in waiting]

    return _handle(services, actor, number, "incident.resolved", {"reason": reason}, change_all)


def assign(services: Services, actor: Actor, number: int, name: str, reason: str = "") -> Incident:
    """Assign an incident to a person (empty: to nobody any more). Raises NotFoundError, NotAllowedError, InvalidInputError or
    ConflictError (it is resolved)."""
    reason, person = clean_text(reason, "the reason"), clean_text(name, "the name")
    if person:
        check_name(person, "person")

    def change_all(change: Change, members: list[Alert]) -> list[int]:
        if all(a.status is AlertStatus.RESOLVED for a in members):
            raise ConflictError(f"incident {number} is resolved: there is nothing left to look after")
        incidents.set_assignee(change.connection, _require(change.connection, number).id, person)
        return [a.id for a in members]

    detail = {"assignee": person, "reason": reason}
    return _handle(services, actor, number, "incident.assigned", detail, change_all)


def _handle(
    services: Services,
    actor: Actor,
    number: int,
    action: str,
    detail: dict[str, str],
    change_all: Callable[[Change, list[Alert]], list[int]],
) -> Incident:
    with services.registry.read() as connection:
        incident = _require(connection, number)
        model = incident.model
        reached = {alert.target for alert in alert_store.of_incidents(connection, [incident.id])[incident.id]}
    with changing(services, actor, Permission.HANDLE_ALERT, model, reached) as change:
        before = _require(change.connection, number)
        number = before.id
        members = alert_store.of_incidents(change.connection, [number])[number]
        touched = change_all(change, members)
        judge(services, change.connection, [number], change.at)
        facts = {
            "model": model,
            "alerts": touched,
            "before": str(status_of(members)),
            "assigned_before": before.assignee,
        }
        change.record(action, f"incident {number}", {**facts, **detail})
    return get_incident(services, actor, number)


_UNKNOWN = Cost(NOTHING, 0.0, "")
"""The cost of an incident that was resolved before it was judged."""


def _whole(
    connection: Connection, telemetry: Connection | None, rows: list[IncidentRow], *, newest: bool = True
) -> list[Incident]:
    """Incidents with their alerts and cost. ``newest``: the cost of an unresolved one by the newest figures; else, and of a
    resolved one, the highest cost that it was judged to have."""
    members = alert_store.of_incidents(connection, [row.id for row in rows])
    complete, shared = [], SharedFigures()
    for row in rows:
        alerts = members.get(row.id, [])
        if not alerts:
            continue
        described_by = telling(alerts)
        resolved = described_by[0].status is AlertStatus.RESOLVED
        if resolved or (row.most is not None and not newest):
            cost = row.most or _UNKNOWN
        else:
            cost = cost_of(gather_evidence(connection, telemetry, described_by, shared))
        complete.append(Incident(row.id, row.model, row.recorded_at, row.assignee, tuple(alerts), cost))
    return complete


def _require(connection: Connection, number: int) -> IncidentRow:
    row = incidents.find(connection, number)
    if row is None:
        raise NotFoundError(f"there is no incident {number}: list them with pilothouse incidents")
    return row if row.merged_into is None else _require(connection, row.merged_into)
