"""Outcomes that found no prediction yet, and those that contradict one that was there, to look through.

Which outcomes waited at some time in the past is not on record (a row goes when its prediction comes): there, both are empty.
"""

from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring import OutcomeConflict, WaitingOutcome
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.telemetry import outcome_lists


def waiting_page(services: Services, actor: Actor, query: Query) -> Page[WaitingOutcome]:
    """A window of the outcomes that wait, the newest first unless sorted. Raises InvalidInputError (no such column)."""
    with reading(services, actor):
        pass
    if _nothing_to_see(services):
        return Page((), 0, 0)
    with services.telemetry.read() as connection:
        return outcome_lists.waiting_page(connection, query)


def conflicts_page(services: Services, actor: Actor, query: Query) -> Page[OutcomeConflict]:
    """A window of the conflicts, the newest first unless sorted. Raises InvalidInputError (no such column)."""
    with reading(services, actor):
        pass
    if _nothing_to_see(services):
        return Page((), 0, 0)
    with services.telemetry.read() as connection:
        return outcome_lists.conflicts_page(connection, query)


def _nothing_to_see(services: Services) -> bool:
    return services.at is not None or not services.paths.telemetry.exists()
