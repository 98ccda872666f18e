"""Inventory of the models, and reviews of them."""

from collections.abc import Sequence
from datetime import date

from pilothouse.domain.audit.inventory import (
    InventoryEntry,
    ModelReview,
    ReviewOutcome,
    due_date,
    is_due,
    obstacle_to_review,
)
from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.model_spec import InventorySpec
from pilothouse.operations.authorisation import Change, as_now, changing, reading, reason_given
from pilothouse.operations.catalogue import require_model, spec_of_model
from pilothouse.operations.promotion.rules_in_force import present_policy
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models import inventory
from pilothouse.store.models.inventory import SaidRow


def list_inventory(services: Services, actor: Actor) -> list[InventoryEntry]:
    """Every model, by name."""
    with reading(services, actor) as connection:
        live: dict[str, list[str]] = {}
        for deployment in deployments.live(connection):
            live.setdefault(deployment.model, []).append(deployment.target)
        today = services.now().date()
        return [_entry(connection, row, today, live.get(row.model, ())) for row in inventory.said(connection)]


def get_entry(services: Services, actor: Actor, model: str) -> InventoryEntry:
    """One model. Raises NotFoundError."""
    with reading(services, actor) as connection:
        require_model(connection, model)
        return _entry_of(services, connection, model)


def open_items(services: Services, actor: Actor) -> list[InventoryEntry]:
    """Models with something open in the inventory: a due review, one that found it unfit, or retired and live."""
    with reading(services, actor) as connection:
        today = services.now().date()
        rows = inventory.said_where_open(connection, today.isoformat())
        return [entry for row in rows if (entry := _entry(connection, row, today)).open_items]


def list_reviews(services: Services, actor: Actor, model: str) -> list[ModelReview]:
    """Reviews of a model, oldest first. Raises NotFoundError."""
    with reading(services, actor) as connection:
        require_model(connection, model)
        return inventory.reviews_of(connection, model)


def review(
    services: Services,
    actor: Actor,
    model: str,
    outcome: ReviewOutcome,
    *,
    next_review: str,
    reason: str,
) -> InventoryEntry:
    """Record the review of a model, and by when it is reviewed again.

    Raises NotFoundError, NotAllowedError (role, another validator is named, the owner where four eyes holds) or
    InvalidInputError (no reason, a date that is none or has come).
    """
    reason = reason_given(reason, "a review")
    with changing(services, actor, Permission.REVIEW, model, act="record a review") as change:
        registered = require_model(change.connection, model)
        _check_reviewer(change, model)
        if not change.at.date().isoformat() < _day(next_review):
            raise InvalidInputError(f"next review: found {next_review}; expected a date to come")
        before = _entry_of(services, change.connection, model)
        inventory.add_review(
            change.connection,
            model_id=registered.id,
            spec_id=registered.spec_id,
            outcome=outcome,
            reason=reason,
            next_review=next_review,
            by=change.actor.name,
            at=change.at,
        )
        change.record(
            "model.reviewed",
            model,
            {
                "outcome": str(outcome),
                "reason": reason,
                "next_review": next_review,
                "before": {
                    "due": before.due or None,
                    "outcome": str(before.review.outcome) if before.review else None,
                },
                "specification": registered.spec_digest,
            },
        )
        return _entry_of(services, change.connection, model)


def _check_reviewer(change: Change, model: str) -> None:
    spec, reviewer = spec_of_model(change.connection, model), as_now(change.connection, change.actor)
    if obstacle := obstacle_to_review(
        spec, reviewer, four_eyes=present_policy(change.connection, model).four_eyes
    ):
        raise NotAllowedError(f"{change.actor.name} may not review {model}: {obstacle}")


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InvalidInputError(f"next review: found {text!r}; expected a date such as 2027-03-31") from None


def _entry_of(services: Services, connection: Connection, model: str) -> InventoryEntry:
    row = inventory.said_of(connection, model)
    assert row is not None
    return _entry(connection, row, services.now().date())


def _entry(
    connection: Connection, row: SaidRow, today: date, live: Sequence[str] | None = None
) -> InventoryEntry:
    """Entry of a model. ``live``: the targets where it is live, where they are known already."""
    said = read_dataclass(InventorySpec, row.said, "inventory", []) if row.said is not None else None
    newest = inventory.newest_review(connection, row.model)
    due = due_date(said, row.said_at, newest)
    if live is None:
        live = [deployment.target for deployment in deployments.live(connection, model=row.model)]
    is_retired = said.retired if said else ""
    return InventoryEntry(
        row.model, row.owner, row.description, said, tuple(live), due, newest, is_due(due, is_retired, today)
    )
