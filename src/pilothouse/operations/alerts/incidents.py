"""Incidents: listing them by what they cost, and handling all alerts of one at once."""

from collections.abc import Callable

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.identifiers import check_name
from pilothouse.domain.incident_cost import NOTHING, cost_of
from pilothouse.domain.incidents import Cost, Incident, by_cost
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import Alert, AlertStatus, Job
from pilothouse.domain.roles import Actor, Permission
from pilothouse.operations.alerts.alerts import set_status_in
from pilothouse.operations.alerts.incident_cost import judge, reading_telemetry, telling
from pilothouse.operations.alerts.incident_evidence import Known, gather_evidence
from pilothouse.operations.authorisation import Change, changing, clean_text, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import alerts as alert_store
from pilothouse.store import incidents, jobs, listing
from pilothouse.store.incidents import IncidentRow


def list_incidents(
    services: Services, actor: Actor, *, unresolved: bool = False, model: str | None = None, limit: int = 500
) -> list[Incident]:
    """What goes on by what it costs, then what is over, newest first. Raises NotAllowedError."""
    with reading(services, actor) as connection, reading_telemetry(services) as telemetry:
        rows = incidents.listed(connection, unresolved=unresolved, model=model, limit=limit)
        return by_cost(_whole(connection, telemetry, rows))


def incidents_page(services: Services, actor: Actor, query: Query) -> Page[Incident]:
    """A window of all incidents, over or not, newest first unless sorted; each with the most that it was judged to cost.

    Raises InvalidInputError (no such column) or NotAllowedError.
    """
    with reading(services, actor) as connection, reading_telemetry(services) as telemetry:
        found = listing.window(connection, listing.INCIDENTS, query)
        rows = (
            listing.in_order(found.rows, incidents.of_numbers(connection, found.rows)) if found.rows else ()
        )
        return Page(tuple(_whole(connection, telemetry, list(rows), newest=False)), found.first, found.total)


def get_incident(services: Services, actor: Actor, number: int) -> Incident:
    """One incident. Raises NotFoundError or NotAllowedError."""
    with reading(services, actor) as connection, reading_telemetry(services) as telemetry:
        return _whole(connection, telemetry, [_require(connection, number)])[0]


def retrainings(services: Services, actor: Actor, incident: Incident) -> list[Job]:
    """The trainings that it started, oldest first. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        found = [jobs.find(connection, number) for number in incident.retrainings]
    return [job for job in found if job is not None]


def acknowledge(services: Services, actor: Actor, number: int, note: str = "") -> Incident:
    """Say that somebody looks after it: every open alert of it is acknowledged, in one transaction.

    Raises NotFoundError, NotAllowedError or ConflictError (none is open).
    """
    words = clean_text(note, "the note")

    def change_all(change: Change, members: list[Alert]) -> list[int]:
        waiting = [a for a in members if a.status is AlertStatus.OPEN]
        if not waiting:
            raise ConflictError(f"incident {number} has no open alert: it is {_state(members)} already")
        return [set_status_in(change, a, AlertStatus.ACKNOWLEDGED, words).id for a in waiting]

    return _handle(services, actor, number, "incident.acknowledged", {"note": words}, change_all)


def resolve(services: Services, actor: Actor, number: int, reason: str) -> Incident:
    """Close it: every alert of it that is not resolved, in one transaction.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (it is over).
    """
    words = reason_given(reason, "resolving an incident")

    def change_all(change: Change, members: list[Alert]) -> list[int]:
        waiting = [a for a in members if a.status is not AlertStatus.RESOLVED]
        if not waiting:
            raise ConflictError(f"incident {number} is resolved already")
        return [set_status_in(change, a, AlertStatus.RESOLVED, words).id for a in waiting]

    return _handle(services, actor, number, "incident.resolved", {"reason": words}, change_all)


def assign(services: Services, actor: Actor, number: int, name: str, reason: str = "") -> Incident:
    """Say who looks after it (empty: nobody any more). Raises NotFoundError, NotAllowedError, InvalidInputError or
    ConflictError (it is over)."""
    words, person = clean_text(reason, "the reason"), clean_text(name, "the name")
    if person:
        check_name(person, "person")

    def change_all(change: Change, members: list[Alert]) -> list[int]:
        if all(a.status is AlertStatus.RESOLVED for a in members):
            raise ConflictError(f"incident {number} is resolved: there is nothing left to look after")
        incidents.set_assignee(change.connection, _require(change.connection, number).id, person)
        return [a.id for a in members]

    detail = {"assignee": person, "reason": words}
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
        model = _require(connection, number).model
    with changing(services, actor, Permission.HANDLE_ALERT, model) as change:
        before = _require(change.connection, number)
        number = before.id
        members = alert_store.of_incidents(change.connection, [number])[number]
        touched = change_all(change, members)
        judge(services, change.connection, [number], change.at)
        facts = {
            "model": model,
            "alerts": touched,
            "before": _state(members),
            "assigned_before": before.assignee,
        }
        change.record(action, f"incident {number}", {**facts, **detail})
    return get_incident(services, actor, number)


_UNKNOWN = Cost(NOTHING, 0.0, "")
"""Of one that was over before anybody judged it."""


def _whole(
    connection: Connection, telemetry: Connection | None, rows: list[IncidentRow], *, newest: bool = True
) -> list[Incident]:
    """``newest``: by the newest figures what goes on costs; else, and of what is over, the most that it was judged to."""
    members = alert_store.of_incidents(connection, [row.id for row in rows])
    found, known = [], Known()
    for row in rows:
        alerts = members.get(row.id, [])
        if not alerts:
            continue
        told = telling(alerts)
        over = told[0].status is AlertStatus.RESOLVED
        if over or (row.most is not None and not newest):
            cost = row.most or _UNKNOWN
        else:
            cost = cost_of(gather_evidence(connection, telemetry, told, known))
        found.append(Incident(row.id, row.model, row.recorded_at, row.assignee, tuple(alerts), cost))
    return found


def _state(members: list[Alert]) -> str:
    return str(min((a.status for a in members), key=list(AlertStatus).index))


def _require(connection: Connection, number: int) -> IncidentRow:
    found = incidents.find(connection, number)
    if found is None:
        raise NotFoundError(f"there is no incident {number}: list them with pilothouse incidents")
    return found if found.merged_into is None else _require(connection, found.merged_into)
