"""Lists of outcomes without a prediction yet, and of conflicts.

Which outcomes waited at a time in the past is not on record, since a row is deleted when its prediction comes. In a view of the
past both lists are empty.
"""

from collections.abc import Callable
from typing import TypeVar

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring.rejections import OutcomeConflict, WaitingOutcome
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.telemetry.outcomes import outcome_lists

T = TypeVar("T")


def waiting_page(services: Services, actor: Actor, query: Query) -> Page[WaitingOutcome]:
    """A window of the outcomes that wait, the newest first unless sorted. Raises InvalidInputError (no such column)."""
    return _page(services, actor, outcome_lists.waiting_page, query)


def conflicts_page(services: Services, actor: Actor, query: Query) -> Page[OutcomeConflict]:
    """A window of the conflicts, the newest first unless sorted. Raises InvalidInputError (no such column)."""
    return _page(services, actor, outcome_lists.conflicts_page, query)


def _page(
    services: Services, actor: Actor, load: Callable[[Connection, Query], Page[T]], query: Query
) -> Page[T]:
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        return Page((), 0, 0) if connection is None or services.at is not None else load(connection, query)
