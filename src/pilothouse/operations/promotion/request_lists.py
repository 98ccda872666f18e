"""Pages of the list of promotion requests, those that wait for the reader marked."""

from dataclasses import replace

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.promotion.decisions import DecisionOn
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import as_now, present, reading
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.promotion.promotions import decidable_models
from pilothouse.operations.promotion.rules_in_force import waiting_for_person, with_rules
from pilothouse.operations.services import Services
from pilothouse.store import listing, requests

OPEN = (("stored", "open"),)
"""Condition (``Query.where``) under which a list holds open requests alone, those that can no longer be decided among
them."""


def requests_page(
    services: Services, actor: Actor, query: Query
) -> tuple[Page[PromotionRequest], frozenset[int]]:
    """Requests without their comments, and the numbers of all that wait for the actor: newest first unless sorted, and
    among open ones those that wait for the actor before all others. Raises InvalidInputError (no such column)."""
    if not query.sort and set(OPEN) <= set(query.where):
        query = replace(query, sort="waits", descending=True)
    with reading(services, actor) as connection:
        now, reader = present(services, connection), as_now(connection, actor)
        models = decidable_models(connection, reader)
        mine = frozenset(one.id for one in waiting_for_person(connection, reader, models, now))
        window = listing.window(connection, listing.requests_at(now, mine), query)
        rows = with_rules(
            connection, listing.in_order(window.rows, requests.of_numbers(connection, window.rows))
        )
    return Page(tuple(rows), window.first, window.total), mine


def signed_decisions(services: Services, actor: Actor, reference: str) -> tuple[DecisionOn, ...]:
    """Decisions on a version that have a second component, oldest first. Raises NotFoundError."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        return tuple(
            DecisionOn(request.id, decision)
            for request in requests.of_version(connection, version.id)
            for decision in request.decisions
            if decision.signature is not None
        )
