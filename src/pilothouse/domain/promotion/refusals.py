"""Sentences of refusals: why an act on a request cannot be done, and what to do. Pure."""

from datetime import datetime

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.documents import names_text
from pilothouse.domain.promotion.freezes import freeze_of, freeze_text
from pilothouse.domain.promotion.request_rules import (
    Obstacle,
    RequestAct,
    missing_documents,
    outdated_text,
    parts_of,
)
from pilothouse.domain.promotion.request_standing import judged_looser_text
from pilothouse.domain.records import PromotionRequest

OF_THE_REQUEST = frozenset(
    {
        Obstacle.CLOSED,
        Obstacle.EXPIRED,
        Obstacle.OUTDATED,
        Obstacle.WAITS,
        Obstacle.GATES,
        Obstacle.FROZEN,
        Obstacle.DOCUMENTS,
    }
)
"""Obstacles that lie in the request, whoever acts."""


def refusal_text(
    obstacle: Obstacle, act: RequestAct, request: PromotionRequest, actor: Actor, now: datetime
) -> str:
    """What is said where the obstacle is in the way of the act."""
    number = request.id
    match obstacle:
        case Obstacle.CLOSED:
            done = "ask for another version" if act is RequestAct.AGAIN else "nothing can be decided on it"
            return f"request {number} is {request.status} already: {done}"
        case Obstacle.EXPIRED:
            return (
                f"request {number} expired at {request.expires_by:%Y-%m-%d %H:%M} UTC: "
                f"ask anew with pilothouse request --again {number}"
            )
        case Obstacle.OUTDATED:
            return (
                f"request {number} is outdated, {outdated_text(request)}: "
                f"ask anew with pilothouse request --again {number}"
            )
        case Obstacle.WAITS:
            return f"request {number} waits for a decision, and its evidence holds: nothing needs asking anew"
        case Obstacle.OF_ANOTHER:
            return f"{actor.name} may not withdraw request {number}: only {request.requested_by}, who made it, or an admin"
        case Obstacle.DECIDED:
            another = ": another person's approval is needed" if act is RequestAct.APPROVE else ""
            return f"{actor.name} has decided on request {number} already{another}"
        case Obstacle.AUTHOR:
            part = parts_of(request, actor)[0]
            return f"{part}, and the policy says four eyes: somebody else must approve"
        case Obstacle.GATES:
            assert request.in_force is not None
            return judged_looser_text(request.model, request.version, request.in_force.judged_looser)
        case Obstacle.DOCUMENTS:
            missing = missing_documents(request)
            return (
                f"request {number} lacks {names_text(missing)}, which the policy asks for: "
                f'pilothouse attach {number} --document "{missing[0]}" FILE'
            )
        case Obstacle.FROZEN:
            assert request.in_force is not None
            frozen = freeze_of(request.in_force.freezes, request.model, now)
            assert frozen is not None
            return f"{request.model} is {freeze_text(*frozen)}: approve then; rolling back and breaking the glass go on"
