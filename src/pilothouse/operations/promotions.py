"""Promotion: request, decide, withdraw, comment, expire. The last approval deploys, in its own transaction."""

from collections.abc import Sequence

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.errors import ConflictError, NotAllowedError, NotFoundError
from pilothouse.domain.evaluation import GateOutcome
from pilothouse.domain.identifiers import parse_reference, version_uri
from pilothouse.domain.promotion import (
    EffectivePolicy,
    approvals_needed,
    effective_policy,
    may_approve,
    why_not_approve,
)
from pilothouse.domain.records import (
    Comment,
    Decision,
    PromotionRequest,
    RequestStatus,
    Version,
    VersionStatus,
)
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.sqlite import Connection
from pilothouse.store import deployments, requests, targets, workspace

from .authorisation import Change, changing, check, clean_text, reading, reason_given
from .catalogue import require_run, require_version, spec_of_model
from .evidence import compared_versions, gather_evidence, incumbents
from .rollout import CHALLENGER, drop_challenger, move_alias, put_live
from .services import Services


def request_promotion(
    services: Services,
    actor: Actor,
    reference: str,
    targets: Sequence[str] | None = None,
    reason: str = "",
) -> PromotionRequest:
    """Ask for a version on targets (all of the model's where None). Open requests for any of them are superseded.

    Where the policy in force is automatic, nothing holds the model and automation runs, the version goes live at once
    and the request comes back deployed. Raises NotFoundError, NotAllowedError (role, failed gate) or ConflictError
    (live there already, not compared with what is live).
    """
    words = clean_text(reason, "the reason")
    with changing(services, actor, Permission.REQUEST, parse_reference(reference).model) as change:
        version = require_version(change.connection, reference)
        asked = _targets_to_ask(change.connection, version, targets)
        _check_requestable(change.connection, version, asked)
        return _file(services, change, version, asked, words)


def advance_automatically(
    services: Services, version: Version, *, by_automation: bool
) -> PromotionRequest | None:
    """What follows a training without anybody asking; call it in the transaction that records the version.

    A candidate whose policy is automatic is requested (and goes live, see ``request_promotion``); so is one that an
    alert or a schedule trained (``by_automation``) where the model file says ``automation.request``. Where it cannot be
    requested, the audit log says why. None where nothing was requested.
    """
    if version.status is not VersionStatus.CANDIDATE:
        return None
    with services.registry.read() as connection:
        spec = spec_of_model(connection, version.model)
        policy = effective_policy(spec.promotion, workspace.policy(connection))
        paused = workspace.automation(connection).paused
    if not (policy.automatic or (by_automation and spec.automation.request)):
        return None
    with changing(services, DAEMON, Permission.REQUEST, version.model) as change:
        try:
            if paused:
                raise ConflictError("automation is paused")
            asked = _targets_to_ask(change.connection, version, None)
            _check_requestable(change.connection, version, asked)
        except (ConflictError, NotAllowedError) as obstacle:
            change.record(
                "promotion.not_requested", version_uri(version.model, version.number), {"why": str(obstacle)}
            )
            return None
        return _file(services, change, version, asked, "passed every gate after a training without hands")


def approve(
    services: Services, actor: Actor, request_id: int, evidence_digest: str, reason: str = ""
) -> PromotionRequest:
    """Approve what was shown: ``evidence_digest`` is that of the evidence that the approver read.

    The approval that completes the policy frozen in the request deploys, in the same transaction. Raises NotFoundError,
    NotAllowedError (role, four eyes) or ConflictError (closed, expired, other evidence, another version live since).
    """
    words = clean_text(reason, "the reason")
    with changing(services, actor, Permission.DECIDE, _model_of(services, request_id)) as change:
        request = _open_request(change, request_id)
        if evidence_digest != request.evidence_digest:
            raise ConflictError(
                f"request {request_id}: the evidence shown is not the one on file "
                f"({request.evidence_digest[:12]}…): read it again and approve that"
            )
        obstacle = why_not_approve(request, actor.name)
        if obstacle:
            raise NotAllowedError(obstacle)
        _check_incumbents(change.connection, request)
        _decide(change, request, "approve", words)
        needed = approvals_needed(request.policy)
        if request.approvals + 1 >= needed:
            version = require_version(change.connection, version_uri(request.model, request.version))
            _deploy(services, change, request, version, kind="promotion", reason=words or request.reason)
        return _require(change.connection, request_id)


def reject(services: Services, actor: Actor, request_id: int, reason: str) -> PromotionRequest:
    """Reject and close a request. Raises NotFoundError, NotAllowedError, ConflictError or InvalidInputError (no reason)."""
    words = reason_given(reason, "rejecting a request")
    with changing(services, actor, Permission.DECIDE, _model_of(services, request_id)) as change:
        request = _open_request(change, request_id)
        if any(decision.actor == actor.name for decision in request.decisions):
            raise NotAllowedError(f"{actor.name} has decided on request {request_id} already")
        _decide(change, request, "reject", words)
        _close(change, request, RequestStatus.REJECTED, words)
        return _require(change.connection, request_id)


def withdraw(services: Services, actor: Actor, request_id: int, reason: str = "") -> PromotionRequest:
    """Take a request back: whoever made it, or an admin. Raises NotFoundError, NotAllowedError or ConflictError."""
    words = clean_text(reason, "the reason")
    with changing(services, actor, Permission.REQUEST, _model_of(services, request_id)) as change:
        request = _open_request(change, request_id)
        if request.requested_by != actor.name and not _holds(
            change.connection, actor, Permission.SET_POLICY, request.model
        ):
            raise NotAllowedError(
                f"{actor.name} may not withdraw request {request_id}: only {request.requested_by}, who made it, or an admin"
            )
        _close(change, request, RequestStatus.WITHDRAWN, words)
        return _require(change.connection, request_id)


def comment(services: Services, actor: Actor, request_id: int, text: str) -> PromotionRequest:
    """Remark on a request, open or closed. Raises NotFoundError, NotAllowedError or InvalidInputError (no text)."""
    words = reason_given(text, "a comment")
    with changing(services, actor, Permission.COMMENT, _model_of(services, request_id)) as change:
        requests.add_comment(change.connection, request_id, Comment(actor.name, words, change.at))
        change.record("request.commented", f"request {request_id}", {"text": words})
        return _require(change.connection, request_id)


def list_requests(
    services: Services,
    actor: Actor,
    status: RequestStatus | None = None,
    *,
    model: str | None = None,
    limit: int = 500,
) -> list[PromotionRequest]:
    """Requests, newest first."""
    with reading(services, actor) as connection:
        return requests.listed(connection, status=status, model=model, limit=limit)


def get_request(services: Services, actor: Actor, request_id: int) -> PromotionRequest:
    """One request with its evidence, decisions and comments. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return _require(connection, request_id)


def waiting_for(services: Services, actor: Actor) -> list[PromotionRequest]:
    """The open requests that this actor could decide now, oldest first."""
    with reading(services, actor) as connection:
        found = requests.listed(connection, status=RequestStatus.OPEN)
        now = services.now()
        return [
            request
            for request in reversed(found)
            if request.expires_at > now
            and _holds(connection, actor, Permission.DECIDE, request.model)
            and may_approve(request, actor.name)
        ]


def expire_requests(services: Services) -> list[PromotionRequest]:
    """Close the requests whose time has run out; for the daemon."""
    with services.registry.read() as connection:
        if not requests.expired(connection, services.now()):
            return []
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        found = requests.expired(change.connection, change.at)
        for request in found:
            _close(change, request, RequestStatus.EXPIRED, f"not decided by {request.expires_at.isoformat()}")
        return found


def _file(
    services: Services, change: Change, version: Version, asked: Sequence[str], reason: str
) -> PromotionRequest:
    connection = change.connection
    spec = spec_of_model(connection, version.model)
    policy = effective_policy(spec.promotion, workspace.policy(connection))
    evidence = gather_evidence(connection, version, asked)
    superseded = requests.open_for(connection, version.model, asked)
    for old in superseded:
        _drop_challenger_of(change, old)
    number = requests.add(
        connection,
        model=version.model,
        version=version.number,
        targets=asked,
        requested_by=change.actor.name,
        trained_by=require_run(connection, version).started_by,
        reason=reason,
        at=change.at,
        expires_at=change.at + policy.expires,
        policy=policy.to_plain(),
        policy_digest=policy.digest,
        evidence=evidence,
        evidence_digest=canonical_digest(evidence),
        supersedes=[old.id for old in superseded],
    )
    for old in superseded:
        change.record("request.superseded", f"request {old.id}", {"by": number})
    change.record(
        "request.made",
        f"request {number}",
        {
            "version": version_uri(version.model, version.number),
            "targets": list(asked),
            "reason": reason,
            "policy": policy.to_plain(),
            "policy_digest": policy.digest,
            "evidence_digest": canonical_digest(evidence),
        },
    )
    move_alias(change, version.model, CHALLENGER, version.number)
    if _deploys_itself(connection, version, asked, policy):
        _deploy(services, change, _require(connection, number), version, kind="automatic", reason=reason)
    return _require(connection, number)


def _deploys_itself(
    connection: Connection, version: Version, asked: Sequence[str], policy: EffectivePolicy
) -> bool:
    """Without hands only where a gate has really held the version against what it replaces."""
    replaces = any(incumbents(connection, version.model, asked).values())
    uncompared = any(
        gate.gate.startswith("comparison") and gate.outcome is GateOutcome.NOT_COMPARABLE
        for gate in version.gates
    )
    return (
        policy.automatic
        and not (replaces and uncompared)
        and not workspace.automation(connection).paused
        and not deployments.holds(connection, version.model)
    )


def _targets_to_ask(connection: Connection, version: Version, asked: Sequence[str] | None) -> list[str]:
    """The targets of the request, without those where the version is live. Raises NotFoundError or ConflictError."""
    known = targets.targets_of(connection, version.model)
    for target in asked or ():
        if target not in known:
            raise NotFoundError(
                f"{version.model} has no target {target!r}: its model file names {', '.join(known) or 'none'}"
            )
    wanted = list(dict.fromkeys(asked or known))
    left = [target for target in wanted if target not in version.live_on]
    if not left:
        raise ConflictError(
            f"{version_uri(version.model, version.number)} is live already on {', '.join(wanted) or 'every target'}"
        )
    return left


def _check_requestable(connection: Connection, version: Version, asked: Sequence[str]) -> None:
    uri = version_uri(version.model, version.number)
    if version.status is not VersionStatus.CANDIDATE:
        failed = [
            f"{gate.gate} ({gate.reason})" for gate in version.gates if gate.outcome is GateOutcome.FAILED
        ]
        raise NotAllowedError(
            f"{uri} failed {'; '.join(failed) or 'a gate'}: it cannot be requested; train another version"
        )
    if spec_of_model(connection, version.model).gates.comparison is None:
        return
    compared = compared_versions(connection, require_run(connection, version))
    live = {number for number in incumbents(connection, version.model, asked).values() if number is not None}
    if compared is not None and not live <= {*compared, version.number}:
        missing = ", ".join(str(number) for number in sorted(live - set(compared)))
        raise ConflictError(
            f"{uri} was not compared with version {missing}, which went live since: train again, or roll back to {uri}"
        )


def _check_incumbents(connection: Connection, request: PromotionRequest) -> None:
    now = incumbents(connection, request.model, request.targets)
    shown = request.evidence.get("incumbents")
    if now != shown:
        raise ConflictError(
            f"request {request.id}: what is live on {', '.join(request.targets)} has changed since the evidence was "
            "frozen: withdraw it and request again"
        )


def _decide(change: Change, request: PromotionRequest, verdict: str, reason: str) -> None:
    decision = Decision(
        change.actor.name, verdict, reason, request.evidence_digest, request.policy_digest, change.at
    )
    requests.add_decision(change.connection, request.id, decision)
    change.record(
        "request.approved" if verdict == "approve" else "request.refused",
        f"request {request.id}",
        {
            "version": version_uri(request.model, request.version),
            "targets": list(request.targets),
            "reason": reason,
            "evidence_digest": request.evidence_digest,
            "policy_digest": request.policy_digest,
            "approvals": request.approvals + (verdict == "approve"),
            "needed": approvals_needed(request.policy),
        },
    )


def _deploy(
    services: Services, change: Change, request: PromotionRequest, version: Version, *, kind: str, reason: str
) -> None:
    requests.close(change.connection, request.id, RequestStatus.DEPLOYED, by=change.actor.name, at=change.at)
    change.record(f"request.{RequestStatus.DEPLOYED}", f"request {request.id}", {"kind": kind})
    drop_challenger(change, version)
    put_live(services, change, version, request.targets, kind=kind, reason=reason, request_id=request.id)


def _close(change: Change, request: PromotionRequest, status: RequestStatus, reason: str) -> None:
    requests.close(change.connection, request.id, status, by=change.actor.name, at=change.at)
    _drop_challenger_of(change, request)
    change.record(f"request.{status}", f"request {request.id}", {"reason": reason})


def _drop_challenger_of(change: Change, request: PromotionRequest) -> None:
    drop_challenger(change, require_version(change.connection, version_uri(request.model, request.version)))


def _open_request(change: Change, request_id: int) -> PromotionRequest:
    request = _require(change.connection, request_id)
    if request.status is not RequestStatus.OPEN:
        raise ConflictError(f"request {request_id} is {request.status} already: nothing can be decided on it")
    if request.expires_at <= change.at:
        raise ConflictError(
            f"request {request_id} expired at {request.expires_at:%Y-%m-%d %H:%M} UTC: request the promotion again"
        )
    return request


def _require(connection: Connection, request_id: int) -> PromotionRequest:
    found = requests.find(connection, request_id)
    if found is None:
        raise NotFoundError(f"there is no request {request_id}: list them with pilothouse requests")
    return found


def _model_of(services: Services, request_id: int) -> str:
    with services.registry.read() as connection:
        return _require(connection, request_id).model


def _holds(connection: Connection, actor: Actor, permission: Permission, model: str) -> bool:
    try:
        check(connection, actor, permission, model)
    except NotAllowedError:
        return False
    return True
