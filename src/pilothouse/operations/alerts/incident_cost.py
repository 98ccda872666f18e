"""Judging incidents: the cause of each and its highest cost, stored so that the list of all can be sorted by them.

The cost of an incident rests on figures in telemetry and is computed anew while it is open. The highest cost it was ever
judged to have stays with it. It is judged after its alerts changed, after a round that closed windows, and when it ended.

A release with another text for causes has all judged again (``judged_at = NULL`` in a migration), since the doctor compares
the stored text with the one that the alerts give.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.monitoring.incident_cost import cost_of
from pilothouse.domain.monitoring.incidents import Cost, cause_text, telling
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts, incidents
from pilothouse.store.deployed.incidents import IncidentRow

_AT_ONCE = 200
"""Incidents judged in one round at most: after an upgrade very many may wait."""


def judge(services: Services, connection: Connection, numbers: Sequence[int], at: datetime) -> None:
    """Judge incidents in the transaction that changed their alerts. Where telemetry cannot be read they wait for a later
    round, so that the alerts can be handled all the same."""
    rows = incidents.of_numbers(connection, tuple(numbers))
    judgements: list[tuple[IncidentRow, str, Cost]] = []
    with suppress(UnavailableError, IntegrityError), services.reading_telemetry() as telemetry:
        judgements = list(_judgements(connection, telemetry, list(rows.values())))
    for row, cause, cost in judgements:
        incidents.set_judgement(connection, row.id, cause, higher_cost(cost, row.most), at)


def judge_changed(services: Services, *, windows_closed: bool) -> int:
    """Judge incidents that wait for it, and all open ones where windows were closed; returns how many judgements changed.
    Cheap where none did."""
    with services.registry.read() as connection, services.reading_telemetry() as telemetry:
        rows = incidents.to_judge(connection, _AT_ONCE, going_on=windows_closed)
        changed = [
            row.id
            for row, cause, cost in _judgements(connection, telemetry, rows)
            if not row.judged or row.cause != cause or row.most != higher_cost(cost, row.most)
        ]
    if changed:
        with services.registry.transaction() as connection:
            judge(services, connection, changed, services.now())
    return len(changed)


def higher_cost(cost: Cost, before: Cost | None) -> Cost:
    """The higher of two costs; the earlier one where they are equal."""
    return cost if before is None or cost.rank < before.rank else before


def _judgements(
    connection: Connection, telemetry: Connection | None, rows: Sequence[IncidentRow]
) -> Iterator[tuple[IncidentRow, str, Cost]]:
    from pilothouse.operations.alerts.incident_evidence import SharedFigures, gather_evidence

    members, shared = alerts.of_incidents(connection, [row.id for row in rows]), SharedFigures()
    for row in rows:
        if row.id in members:
            described_by = telling(members[row.id])
            evidence = gather_evidence(connection, telemetry, described_by, shared)
            yield row, cause_text(described_by), cost_of(evidence)


def misjudged(connection: Connection) -> Iterator[int]:
    """Incidents whose judged cause is not the one that their alerts give."""
    after = 0
    while rows := incidents.judged(connection, after, _AT_ONCE):
        members = alerts.of_incidents(connection, [row.id for row in rows])
        yield from (row.id for row in rows if row.cause != cause_text(telling(members.get(row.id, []))))
        after = rows[-1].id
