"""Pages of the list of promotion requests, those that wait for the reader marked."""

from collections import Counter
from dataclasses import replace

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.promotion.decisions import DecisionOn
from pilothouse.domain.promotion.waiting import WaitingItems
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import as_now, present, reading
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.plans.plans_in_force import by_another_plan
from pilothouse.operations.promotion import break_glass, promotions
from pilothouse.operations.promotion.attached import conditions
from pilothouse.operations.promotion.promotions import decidable_models
from pilothouse.operations.promotion.rules_in_force import waiting_for_person, with_rules
from pilothouse.operations.services import Services
from pilothouse.store import listing
from pilothouse.store.promotion import requests

OPEN = (("stored", "open"),)
"""Condition (``Query.where``) under which a list holds open requests alone, those that can no longer be decided among
them."""


def requests_page(
    services: Services, actor: Actor, query: Query
) -> tuple[Page[PromotionRequest], frozenset[int]]:
    """Requests without their comments, and the numbers of all that wait for the actor: newest first unless sorted, and
    among open ones those that wait for the actor before all others. Deployed ones on
    whose page something waits for the actor are among the open ones. Raises InvalidInputError (no such column)."""
    if not query.sort and set(OPEN) <= set(query.where):
        query = replace(query, sort="waits", descending=True)
    with reading(services, actor) as connection:
        now, reader = present(services, connection), as_now(connection, actor)
        models = decidable_models(connection, reader)
        mine = frozenset(one.id for one in waiting_for_person(connection, reader, models, now))
        deployed = frozenset() if services.at else _of_deployed(services, actor).on_requests
        mine |= deployed
        listed = listing.requests_at(now, mine, deployed, by_another_plan(connection))
        window = listing.window(connection, listed, query)
        rows = with_rules(
            connection, listing.in_order(window.rows, requests.of_numbers(connection, window.rows))
        )
    return Page(tuple(rows), window.first, window.total), mine


def waiting_items(services: Services, actor: Actor) -> WaitingItems:
    """What waits for the actor: requests to approve, broken glass to look at, conditions to confirm; and what is late."""
    return replace(_of_deployed(services, actor), requests=tuple(promotions.waiting_for(services, actor)))


def count_items(services: Services, actor: Actor) -> dict[str, int]:
    """Number of items that wait for the actor, by model; models without one are left out."""
    counts = Counter(promotions.count_waiting(services, actor))
    return dict(counts + Counter(_of_deployed(services, actor).by_model))


def _of_deployed(services: Services, actor: Actor) -> WaitingItems:
    late, own = conditions.late_and_own(services, actor)
    reviews = break_glass.waiting_for_review(services, actor)
    return WaitingItems((), tuple(reviews), tuple(own), tuple(late))


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
