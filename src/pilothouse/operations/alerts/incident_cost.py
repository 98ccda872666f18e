"""Judging incidents: what one is, in words, and the most that it has cost, kept so that the list of all is sorted by it.

What an incident costs rests on figures in telemetry and is looked up anew while it goes on. The dearest that it was ever
judged to be stays with it: after its alerts changed, after a round that closed windows, and for the last time when it ended.

A release that words causes otherwise has all judged again (``judged_at = NULL`` in a migration), for the doctor holds the
words that are kept against those that the alerts give.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.incident_cost import cost_of
from pilothouse.domain.incidents import Cost, cause_words
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import alerts, incidents
from pilothouse.store.incidents import IncidentRow

_AT_ONCE = 200
"""Incidents that are judged in one round at the most: after an upgrade very many may wait."""


@contextmanager
def reading_telemetry(services: Services) -> Iterator[Connection | None]:
    """Telemetry to read, or None before anything has arrived."""
    if not services.paths.telemetry.exists():
        yield None
        return
    with services.telemetry.read() as connection:
        yield connection


def telling(members: Sequence[Alert]) -> Sequence[Alert]:
    """The alerts that say what an incident is about: those that are not over, or all of them once it is."""
    return [a for a in members if a.status is not AlertStatus.RESOLVED] or members


def judge(services: Services, connection: Connection, numbers: Sequence[int], at: datetime) -> None:
    """Judge incidents in the transaction that changed their alerts. Where telemetry cannot be read they wait for a later
    round: whoever looks after an alert is not kept from it."""
    rows = incidents.of_numbers(connection, tuple(numbers))
    found: list[tuple[IncidentRow, str, Cost]] = []
    with suppress(UnavailableError, IntegrityError), reading_telemetry(services) as telemetry:
        found = list(_judgements(connection, telemetry, list(rows.values())))
    for row, cause, cost in found:
        incidents.set_judgement(connection, row.id, cause, dearer(cost, row.most), at)


def judge_what_moved(services: Services, *, windows_closed: bool) -> int:
    """Judge what waits for it, and where windows were closed all that goes on; how many changed. Cheap where nothing did."""
    with services.registry.read() as connection, reading_telemetry(services) as telemetry:
        rows = incidents.to_judge(connection, _AT_ONCE, going_on=windows_closed)
        moved = [
            row.id
            for row, cause, cost in _judgements(connection, telemetry, rows)
            if not row.judged or row.cause != cause or row.most != dearer(cost, row.most)
        ]
    if moved:
        with services.registry.transaction() as connection:
            judge(services, connection, moved, services.now())
    return len(moved)


def dearer(cost: Cost, before: Cost | None) -> Cost:
    """The dearer of two judgements; what was said first where they are alike."""
    return cost if before is None or cost.rank < before.rank else before


def _judgements(
    connection: Connection, telemetry: Connection | None, rows: Sequence[IncidentRow]
) -> Iterator[tuple[IncidentRow, str, Cost]]:
    from pilothouse.operations.alerts.incident_evidence import Known, gather_evidence

    members, known = alerts.of_incidents(connection, [row.id for row in rows]), Known()
    for row in rows:
        if found := members.get(row.id):
            told = telling(found)
            yield row, cause_words(told), cost_of(gather_evidence(connection, telemetry, told, known))


def misjudged(connection: Connection) -> Iterator[int]:
    """Incidents whose cause, as it was judged, is not what their alerts say."""
    after = 0
    while rows := incidents.judged(connection, after, _AT_ONCE):
        members = alerts.of_incidents(connection, [row.id for row in rows])
        yield from (row.id for row in rows if row.cause != cause_words(telling(members.get(row.id, []))))
        after = rows[-1].id
