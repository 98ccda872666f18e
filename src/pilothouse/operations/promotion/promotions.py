"""Promotion requests: filing, decisions, withdrawal, comments, expiry. The last approval deploys in its transaction."""

from collections import Counter
from collections.abc import Sequence

from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.domain.identifiers import VersionReference, parse_reference, version_uri
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.promotion import request_rules as rules
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.promotion.decisions import Comment, Decision, DecisionSignature
from pilothouse.domain.promotion.documents import digests_of
from pilothouse.domain.promotion.refusals import OF_THE_REQUEST, refusal_text
from pilothouse.domain.promotion.request_rules import RequestAct
from pilothouse.domain.promotion.request_standing import WaitingRequest
from pilothouse.domain.promotion.statements import Declaration
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.authorisation import (
    Change,
    as_now,
    changing,
    clean_text,
    present,
    reading,
    reason_given,
)
from pilothouse.operations.catalogue import require_in_use, require_request, require_version
from pilothouse.operations.identity.passphrases import Proof
from pilothouse.operations.plans.plans_in_force import is_by_another_plan
from pilothouse.operations.promotion.accounted_rows import check_request, check_rules, check_version
from pilothouse.operations.promotion.activation import deploy_request, drop_challenger, was
from pilothouse.operations.promotion.attached.arms import arms_asked, arms_shown, check_arms
from pilothouse.operations.promotion.attached.compared_again import Made, compare_again
from pilothouse.operations.promotion.attached.conditions import check_conditional, record_condition
from pilothouse.operations.promotion.components import (
    SecondComponent,
    Signed,
    checked,
    proved,
    signed_with,
)
from pilothouse.operations.promotion.evidence import check_current
from pilothouse.operations.promotion.request_filing import (
    carry_documents,
    check_before_request,
    file_request,
    targets_to_request,
)
from pilothouse.operations.promotion.rules_in_force import require_with_rules, waiting_for_person, with_rules
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import requests
from pilothouse.store.promotion.requests import Candidate

_FEWEST_DIGITS = 12
"""Digits of the digest of the evidence by which an approver names it at least."""


def request_promotion(
    services: Services,
    actor: Actor,
    reference: str,
    targets: Sequence[str] | None = None,
    reason: str = "",
    *,
    beside: Sequence[int] = (),
) -> PromotionRequest:
    """Request a version on targets (where None, on all of the model). Open requests for any of them are superseded.
    ``beside``: numbers of versions that its canaries try too, each for as large a share.

    Where the policy in force is automatic, no hold is set and automation runs, the version goes live at once and the
    request is returned as deployed. Raises NotFoundError, NotAllowedError (role, failed gate) or ConflictError
    (live there already, not compared with what is live, not replayed).
    """
    reason = clean_text(reason, "the reason")
    asked = parse_reference(reference)
    candidates = [asked, *(VersionReference(asked.model, number) for number in beside)]
    made = compare_again(services, actor, candidates, targets)
    with changing(services, actor, Permission.REQUEST, asked.model, targets) as change:
        version = require_version(change.connection, reference)
        targets = targets_to_request(change.connection, version, targets)
        arms = arms_asked(change.connection, version, beside)
        for one in (version, *arms):
            check_before_request(services, change.connection, one, targets, made)
        return file_request(services, change, version, targets, reason, arms, made)


def request_again(services: Services, actor: Actor, request_id: int) -> PromotionRequest:
    """Request anew what an outdated, expired or withdrawn request asked for, or one whose evidence shows another plan than the
    one in force, with fresh evidence against what is live now.

    The targets, the reason and the documents are the old request's, without targets that are gone or where the version is
    live; an open one is superseded in the same transaction. Raises NotFoundError, NotAllowedError (role, failed gate) or
    ConflictError (still decidable, decided, live there already, not compared with what is live).
    """
    act = f"ask anew for request {request_id}"
    made = _compared_for(services, actor, request_id)
    with changing(services, actor, Permission.REQUEST, *reach_of(services, request_id), act=act) as change:
        old = require_with_rules(change.connection, request_id)
        if not is_by_another_plan(change.connection, old):
            _refuse_obstacle(change, old, RequestAct.AGAIN)
        version = require_version(change.connection, version_uri(old.model, old.version))
        existing = target_store.targets_of(change.connection, old.model)
        left = [target for target in old.targets if target in existing]
        if not left:
            raise ConflictError(
                f"the model file of {old.model} names none of the targets of request {request_id} any more: "
                f"request {version_uri(old.model, old.version)} for others"
            )
        targets = targets_to_request(change.connection, version, left)
        arms = arms_asked(change.connection, version, arms_shown(old))
        for one in (version, *arms):
            check_before_request(services, change.connection, one, targets, made)
        filed = file_request(services, change, version, targets, old.reason, arms, made)
        carry_documents(change, old, filed)
        return require_with_rules(change.connection, filed.id)


def _compared_for(services: Services, actor: Actor, request_id: int) -> Made:
    """Comparisons that the versions of a request lack with what is live on its targets now."""
    with reading(services, actor) as connection:
        old = requests.find(connection, request_id)
    if old is None:
        return {}
    candidates = [VersionReference(old.model, number) for number in (old.version, *arms_shown(old))]
    return compare_again(services, actor, candidates, old.targets)


def approve(
    services: Services,
    actor: Actor,
    request_id: int,
    evidence_digest: str,
    reason: str = "",
    component: SecondComponent | None = None,
    condition: NewCondition | None = None,
) -> PromotionRequest:
    """Approve a request; ``evidence_digest`` is that of what the approver was shown (``shown_digest``), or its first digits.
    ``component``: what the policy asks for beside the session; ``condition``: what somebody confirms after the deployment.

    The last approval that the rules in force need deploys, or makes a roll-out by the plan of the evidence, in the same
    transaction. Where none is missing any more, because
    somebody joined a team or the rules ask for less, an approver who says so again deploys. Raises NotFoundError,
    NotAllowedError (role, four eyes, second component) or ConflictError (closed, expired, outdated, other evidence).
    """
    reason = clean_text(reason, "the reason")
    proof = proved(services, actor, component)
    act = f"approve request {request_id}"
    with changing(services, actor, Permission.DECIDE, *reach_of(services, request_id), act=act) as change:
        request = open_request(change, request_id, RequestAct.APPROVE)
        if len(evidence_digest) < _FEWEST_DIGITS or not request.shown_digest.startswith(evidence_digest):
            attached = " with its documents" if request.documents else ""
            raise ConflictError(
                f"request {request_id}: the evidence named ({evidence_digest}) is not the one on file{attached}; "
                f"read it with pilothouse evidence {request_id} and name its digest (at least {_FEWEST_DIGITS} digits)"
            )
        require_in_use(change.connection, request.model)
        check_current(change.connection, request)
        _check_rows(change.connection, request)
        declared = Declaration("approve", reason, condition)
        if rules.completes(request, as_now(change.connection, change.actor)):
            reason = _complete(change, request, declared, proof)
        else:
            reason = _decide(change, request, declared, proof)
        if rules.is_agreed(require_with_rules(change.connection, request_id)):
            version = require_version(change.connection, version_uri(request.model, request.version))
            deploy_request(
                services, change, request, version, kind="promotion", reason=reason or request.reason
            )
        return require_with_rules(change.connection, request_id)


def reject(
    services: Services, actor: Actor, request_id: int, reason: str, component: SecondComponent | None = None
) -> PromotionRequest:
    """Reject and close a request, with the second component that the policy asks for.

    Raises NotFoundError, NotAllowedError, ConflictError or InvalidInputError (no reason)."""
    reason = reason_given(reason, "rejecting a request")
    proof = proved(services, actor, component)
    act = f"reject request {request_id}"
    with changing(services, actor, Permission.DECIDE, *reach_of(services, request_id), act=act) as change:
        request = open_request(change, request_id, RequestAct.REJECT)
        _check_rows(change.connection, request)
        _decide(change, request, Declaration("reject", reason), proof)
        _close(change, request, RequestStatus.REJECTED, reason)
        return require_with_rules(change.connection, request_id)


def withdraw(services: Services, actor: Actor, request_id: int, reason: str = "") -> PromotionRequest:
    """Withdraw a request, as its requester or an admin. Raises NotFoundError, NotAllowedError or ConflictError."""
    reason = clean_text(reason, "the reason")
    act = f"withdraw request {request_id}"
    with changing(services, actor, Permission.REQUEST, *reach_of(services, request_id), act=act) as change:
        request = open_request(change, request_id, RequestAct.WITHDRAW)
        _close(change, request, RequestStatus.WITHDRAWN, reason)
        return require_with_rules(change.connection, request_id)


def comment(services: Services, actor: Actor, request_id: int, text: str) -> PromotionRequest:
    """Comment on a request, open or closed. Raises NotFoundError, NotAllowedError or InvalidInputError (no text)."""
    text = reason_given(text, "a comment")
    act = f"comment on request {request_id}"
    with changing(services, actor, Permission.COMMENT, *reach_of(services, request_id), act=act) as change:
        requests.add_comment(change.connection, request_id, Comment(actor.name, text, change.at))
        change.record("request.commented", f"request {request_id}", {"text": text})
        return require_with_rules(change.connection, request_id)


def list_requests(
    services: Services,
    actor: Actor,
    status: RequestStatus | None = None,
    *,
    model: str | None = None,
    limit: int | None = None,
) -> list[PromotionRequest]:
    """Requests, newest first, without their comments; all of them without a limit."""
    with reading(services, actor) as connection:
        return with_rules(connection, requests.listed(connection, status=status, model=model, limit=limit))


def get_request(services: Services, actor: Actor, request_id: int) -> PromotionRequest:
    """Request with its evidence, decisions and comments. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return require_with_rules(connection, request_id)


def waiting_for(services: Services, actor: Actor) -> list[WaitingRequest]:
    """Every open request that the actor could approve now, oldest first."""
    with reading(services, actor) as connection:
        return requests.waiting(connection, [one.id for one in _waiting(services, connection, actor)])


def count_waiting(services: Services, actor: Actor) -> dict[str, int]:
    """Number of requests that the actor could approve now, by model; models without one are left out."""
    with reading(services, actor) as connection:
        return dict(Counter(one.model for one in _waiting(services, connection, actor)))


def _waiting(services: Services, connection: Connection, actor: Actor) -> list[Candidate]:
    reader, now = as_now(connection, actor), present(services, connection)
    return waiting_for_person(connection, reader, decidable_models(connection, reader), now)


def expire_requests(services: Services) -> list[PromotionRequest]:
    """Close the requests that have expired, for the daemon; returns them."""
    with services.registry.read() as connection:
        if not requests.expired(connection, present(services, connection)):
            return []
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        expired = with_rules(change.connection, requests.expired(change.connection, change.at))
        for request in expired:
            _close(change, request, RequestStatus.EXPIRED, f"not decided by {request.expires_by.isoformat()}")
        return expired


def withdraw_solo_requests(change: Change, approver: str) -> None:
    """Withdraw the open requests on which four eyes was off, now that somebody else may approve."""
    for request in requests.listed(change.connection, status=RequestStatus.OPEN):
        if request.policy.solo:
            reason = f"{approver} may approve now, so that four eyes holds: ask anew"
            _close(change, request, RequestStatus.WITHDRAWN, reason)


def withdraw_of_retired(change: Change, model: str, why: str) -> None:
    """Withdraw the open requests of a model that was retired."""
    for request in requests.listed(change.connection, status=RequestStatus.OPEN, model=model):
        _close(change, request, RequestStatus.WITHDRAWN, f"{model} was retired: {why}")


def decidable_models(connection: Connection, actor: Actor) -> list[str]:
    """Models with open requests on which the actor may decide now."""
    reader = as_now(connection, actor)
    return [
        model for model in requests.models_with_open(connection) if reader.might(Permission.DECIDE, model)
    ]


def _check_rows(connection: Connection, request: PromotionRequest) -> None:
    """Raise IntegrityError that names a row that the decision rests on, and that was changed past Pilothouse."""
    check_request(connection, request)
    check_rules(connection, request.model)
    version = require_version(connection, version_uri(request.model, request.version))
    check_version(connection, version, request.targets)
    check_arms(connection, request)


def _decide(
    change: Change, request: PromotionRequest, declared: Declaration, component: Proof | Signed | None
) -> str:
    """Record a decision; returns its reason."""
    signature, declared = checked(change, request, declared, component)
    check_conditional(change, request, declared)
    verdict = declared.verdict
    decision = Decision(
        change.actor.name,
        verdict,
        declared.reason,
        request.evidence_digest,
        request.policy_digest,
        change.at,
        signature,
        change.actor.identity,
        documents=digests_of(request.documents),
    )
    requests.add_decision(change.connection, request.id, decision)
    record_condition(change, request, declared.condition)
    action = "request.approved" if verdict == "approve" else "request.refused"
    _record(change, action, request, declared, request.approvals + (verdict == "approve"), signature)
    return declared.reason


def _complete(
    change: Change, request: PromotionRequest, declared: Declaration, proof: Proof | Signed | None
) -> str:
    """Record that somebody who approved before deploys what all have approved; returns the reason. Their decision stays as it
    is; a component that is handed in with it must hold."""
    signature, declared = checked(change, request, declared, proof) if proof else (None, declared)
    if declared.condition is not None:
        raise ConflictError(
            f"{change.actor.name} has approved request {request.id} before: a condition is made with it; comment on it"
        )
    _record(change, "request.completed", request, declared, request.approvals, signature)
    return declared.reason


def _record(
    change: Change,
    action: str,
    request: PromotionRequest,
    declared: Declaration,
    approvals: int,
    signature: DecisionSignature | None,
) -> None:
    change.record(
        action,
        f"request {request.id}",
        {
            "version": version_uri(request.model, request.version),
            "targets": list(request.targets),
            "reason": declared.reason,
            "evidence_digest": request.evidence_digest,
            "policy_digest": request.policy_digest,
            "approvals": approvals,
            "needed": request.approvals_needed,
            "policy_in_force": request.rules.to_plain(),
            **({"documents": attached} if (attached := digests_of(request.documents)) else {}),
            **({"condition": declared.condition.plain} if declared.condition else {}),
            **signed_with(signature),
        },
    )


def _close(change: Change, request: PromotionRequest, status: RequestStatus, reason: str) -> None:
    requests.close(change.connection, request.id, status, by=change.actor.name, at=change.at)
    drop_challenger(change, request)
    change.record(f"request.{status}", f"request {request.id}", {"reason": reason, **was(request)})


def open_request(change: Change, request_id: int, act: RequestAct) -> PromotionRequest:
    """Open request on which the actor may do this. Raises NotFoundError, ConflictError or NotAllowedError."""
    request = require_with_rules(change.connection, request_id)
    _refuse_obstacle(change, request, act)
    return request


def _refuse_obstacle(change: Change, request: PromotionRequest, act: RequestAct) -> None:
    actor = as_now(change.connection, change.actor)
    obstacle = rules.obstacle_to(act, request, actor, change.at)
    if obstacle is None:
        return
    message = refusal_text(obstacle, act, request, actor, change.at)
    raise (ConflictError if obstacle in OF_THE_REQUEST else NotAllowedError)(message)


def reach_of(services: Services, request_id: int) -> tuple[str, tuple[str, ...]]:
    """Model and targets that a request is about. Raises NotFoundError."""
    with services.registry.read() as connection:
        request = require_request(connection, request_id)
        return request.model, request.targets
