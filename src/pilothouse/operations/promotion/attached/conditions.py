"""Conditions of approvals: checked when somebody approves, listed, and confirmed by whoever is named."""

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.conditions import (
    Condition,
    NewCondition,
    check_condition,
    obstacle_to_confirm,
)
from pilothouse.domain.promotion.statements import Declaration
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import (
    Change,
    as_now,
    changing,
    clean_text,
    present,
    reading,
    reason_given,
)
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.governance import access, conditions, persons
from pilothouse.store.promotion import requests


def check_conditional(change: Change, request: PromotionRequest, declared: Declaration) -> None:
    """Raise InvalidInputError where nobody could confirm the condition, or its text or day is none."""
    condition = declared.condition
    if condition is None:
        return
    if declared.verdict != "approve":
        raise InvalidInputError("a condition is of an approval: a rejection has none")
    clean_text(condition.text, "the condition")
    known = persons.persons(change.connection)
    held = access.all_grants(change.connection).items()
    people = [Actor(name, grants, also=known.names(name)) for name, grants in held]
    able = [actor for actor in people if actor.might(Permission.CONFIRM, request.model)]
    check_condition(condition, able, request.model, change.at)


def record_condition(change: Change, request: PromotionRequest, condition: NewCondition | None) -> None:
    """Record the condition of the approval that this change has recorded."""
    if condition is not None:
        conditions.add(change.connection, request.id, change.actor.name, condition, at=change.at)


def confirm(services: Services, actor: Actor, number: int, remark: str) -> Condition:
    """Confirm a condition, as the person or in the role that it names. ``remark``: what was found.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no remark) or ConflictError (confirmed, not deployed).
    """
    remark = reason_given(remark, "confirming a condition")
    with services.registry.read() as connection:
        condition = _required(connection, number)
        targets = requests.target_names(connection, condition.request_id)
    act = f"confirm condition {number}"
    with changing(services, actor, Permission.CONFIRM, condition.model, targets, act=act) as change:
        condition = _required(change.connection, number)
        if obstacle := obstacle_to_confirm(condition, as_now(change.connection, actor)):
            raise (NotAllowedError if condition.is_open else ConflictError)(obstacle)
        conditions.confirm(change.connection, number, by=actor.name, remark=remark, at=change.at)
        late = {"late": True} if condition.is_late(change.at) else {}
        detail = {"condition": number, **condition.plain, "approver": condition.approver, "remark": remark}
        change.record("condition.confirmed", f"request {condition.request_id}", {**detail, **late})
        return _required(change.connection, number)


def list_conditions(services: Services, actor: Actor, *, open_only: bool = True) -> list[Condition]:
    """Conditions that are open, the earliest due first; all of them, newest first."""
    with reading(services, actor) as connection:
        return conditions.open_ones(connection) if open_only else conditions.every(connection)


def late_and_own(services: Services, actor: Actor) -> tuple[list[Condition], list[Condition]]:
    """Conditions that are late, whoever confirms them, and those that wait for the actor: late, or due within a week."""
    with reading(services, actor) as connection:
        now, reader = present(services, connection), as_now(connection, actor)
        open_ones = conditions.open_ones(connection)
    own = [one for one in open_ones if one.waits(now) and not obstacle_to_confirm(one, reader)]
    return [one for one in open_ones if one.is_late(now)], own


def _required(connection: Connection, number: int) -> Condition:
    condition = conditions.find(connection, number)
    if condition is None:
        raise NotFoundError(f"there is no condition {number}: pilothouse conditions list --all names them")
    return condition
