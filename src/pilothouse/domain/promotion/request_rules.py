"""The rules of promotion, pure: which policy is in force, and who may approve. What loosens one: ``loosening``."""

from datetime import datetime
from enum import StrEnum

from pilothouse.domain.identity.persons import Author
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.model_spec import PromotionSpec
from pilothouse.domain.promotion.documents import missing_of, names_text, replaced_since
from pilothouse.domain.promotion.freezes import freeze_of
from pilothouse.domain.promotion.policies import EffectivePolicy, all_documents, team_counts
from pilothouse.domain.promotion.request_standing import RequestState, changes_text
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.domain.records import PromotionRequest, RequestStatus


def effective_policy(model: PromotionSpec, floor: WorkspacePolicy) -> EffectivePolicy:
    """The tighter of both in every respect.

    A floor that asks for approvals rules automatic deployment out, else a model file could walk round it; so does a
    signature, team or document that either asks for.
    Whatever is not automatic takes at least one approval. In a workspace of one person a model's four eyes is off, and the
    policy says so; the floor's own four eyes holds.
    """
    signature = max(Component(model.signature or Component.NONE), floor.signature, key=lambda one: one.rank)
    teams = team_counts(model.teams or {}, floor.teams)
    documents = all_documents(model.documents or (), floor.documents)
    decided = floor.approvals > 0 or signature is not Component.NONE or bool(teams or documents)
    automatic = model.automatic and floor.allow_automatic and not decided
    approvals = max(model.approvals, floor.approvals)
    return EffectivePolicy(
        approvals=approvals if automatic else max(1, approvals),
        four_eyes=floor.four_eyes or (model.four_eyes and not floor.solo),
        automatic=automatic,
        expires=model.expires,
        solo=bool(floor.solo) and model.four_eyes and not floor.four_eyes,
        signature=signature,
        teams=teams,
        documents=documents,
    )


class RequestAct(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    ATTACH = "attach"
    AGAIN = "again"
    """Ask anew for what an outdated or lapsed request asked for."""


class Obstacle(StrEnum):
    """Obstacle to an act on a request."""

    CLOSED = "closed"
    EXPIRED = "expired"
    OUTDATED = "outdated"
    """Something else is live than its evidence compares with."""
    WAITS = "waits"
    """It can still be decided, so there is no reason to ask anew."""
    DECIDED = "decided"
    """The actor has approved or rejected it before."""
    AUTHOR = "author"
    """Four eyes: the actor has a part in what is asked for."""
    FROZEN = "frozen"
    """Nothing is promoted now."""
    GATES = "gates"
    """The version was judged by looser gates than those in force."""
    DOCUMENTS = "documents"
    """A document that the policy asks for is not attached."""
    OF_ANOTHER = "of another"
    """The actor neither asked for it nor is an admin."""


def state_of(request: PromotionRequest, now: datetime) -> RequestState:
    """State in which a request is shown."""
    if request.ended_by and request.ended_by[-1].everywhere:
        return RequestState(request.ended_by[-1].how)
    if request.status is RequestStatus.APPROVED and request.went_out:
        return RequestState(request.went_out)
    if request.status is not RequestStatus.OPEN:
        return RequestState(request.status)
    if request.expires_by <= now:
        return RequestState.EXPIRED
    by_other_plan = request.in_force is not None and request.in_force.other_plan
    return RequestState.OUTDATED if request.outdated_by or by_other_plan else RequestState.OPEN


def outdated_text(request: PromotionRequest) -> str:
    """Why an open request is outdated: other versions are live than its evidence compares with, or another plan is in force."""
    if request.outdated_by:
        return changes_text(request.outdated_by, request.version)
    return "its evidence shows another plan than the one in force"


REPLACED = "given on another"
"""Beginning of the reason why an approval on a document that was replaced does not count."""

_LAPSED = (RequestState.OUTDATED, RequestState.EXPIRED, RequestState.WITHDRAWN)
"""States in which what was asked for is neither decided nor waits for a decision."""


def obstacle_to(act: RequestAct, request: PromotionRequest, actor: Actor, now: datetime) -> Obstacle | None:
    """Obstacle to ``actor``'s act under the rules in force, or None. Whether the role permits the act is not looked at."""
    state = state_of(request, now)
    if act is RequestAct.AGAIN:
        if state is RequestState.OPEN and not documents_replaced(request):
            return Obstacle.WAITS
        if state is RequestState.OPEN:
            return None
        return None if state in _LAPSED else Obstacle.CLOSED
    if request.status is not RequestStatus.OPEN:
        return Obstacle.CLOSED
    if state is RequestState.EXPIRED:
        return Obstacle.EXPIRED
    if act is RequestAct.ATTACH:
        return None
    if act is RequestAct.APPROVE and state is RequestState.OUTDATED:
        return Obstacle.OUTDATED
    if act is RequestAct.APPROVE and request.in_force and request.in_force.judged_looser:
        return Obstacle.GATES
    if (
        act is RequestAct.APPROVE
        and request.in_force
        and freeze_of(request.in_force.freezes, request.model, now)
    ):
        return Obstacle.FROZEN
    if act is RequestAct.APPROVE and missing_documents(request):
        return Obstacle.DOCUMENTS
    if act is RequestAct.WITHDRAW:
        is_theirs = actor.has_name(request.requested_by) or actor.might(Permission.SET_POLICY, request.model)
        return None if is_theirs else Obstacle.OF_ANOTHER
    return personal_obstacle(act, request, actor)


def personal_obstacle(act: RequestAct, request: PromotionRequest, actor: Actor) -> Obstacle | None:
    """Obstacle that lies in who decides: in what this person did before."""
    decided = [decision for decision in request.decisions if actor.has_name(decision.actor)]
    if decided and not (act is RequestAct.APPROVE and completes(request, actor)):
        return Obstacle.DECIDED
    if act is RequestAct.APPROVE and request.rules.four_eyes and parts_of(request, actor):
        return Obstacle.AUTHOR
    return None


def missing_documents(request: PromotionRequest) -> tuple[str, ...]:
    """Documents that the rules ask for and that are not attached."""
    return missing_of(request.rules.documents, request.documents)


def documents_replaced(request: PromotionRequest) -> bool:
    """True where somebody approved on a document that was replaced since: that approval counts no more, and nobody decides
    twice, so the request can be made anew while it is open."""
    return any(
        decision.verdict == "approve" and replaced_since(decision.documents, request.documents)
        for decision in request.decisions
    )


def is_agreed(request: PromotionRequest) -> bool:
    """True where enough persons have approved, and of each team as many as the rules in force ask for."""
    missing = request.in_force.missing_teams if request.in_force else {}
    return request.approvals >= request.approvals_needed and not missing


def is_left_to_deploy(request: PromotionRequest) -> bool:
    """True of an open request that got its last approval otherwise than by a decision: somebody joined a team, or the rules in
    force ask for less. Nothing deploys by that alone."""
    return request.status is RequestStatus.OPEN and request.in_force is not None and is_agreed(request)


def policy_met_text(request: PromotionRequest) -> str:
    """Whether the policy was met when a request was approved or deployed, in words; empty where it was neither."""
    if request.status not in (RequestStatus.APPROVED, RequestStatus.DEPLOYED):
        return ""
    given = f"{request.approvals} of {request.approvals_needed} approvals"
    if request.glass is not None:
        lacking = names_text(missing_documents(request))
        without = f", without {lacking}" if lacking else ""
        return f"no: {request.glass.actor} broke the glass and deployed it alone, with {given}{without}"
    return f"yes: {given}" if request.decisions else "yes: it asks for no approval"


def completes(request: PromotionRequest, actor: Actor) -> bool:
    """True where somebody's own approval, which counts by the rules in force, lets them deploy what all have approved."""
    signature = request.rules.signature
    return is_left_to_deploy(request) and any(
        decision.verdict == "approve"
        and not decision.void
        and (decision.signature.kind if decision.signature else Component.NONE).rank >= signature.rank
        for decision in request.decisions
        if actor.has_name(decision.actor)
    )


def parts_of(request: PromotionRequest, actor: Actor) -> list[Author]:
    """The person's parts in what is asked for, under whatever name."""
    return [author for author in request.authors if actor.has_name(author.name)]
