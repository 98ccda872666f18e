"""Filing of a promotion request: the checks before it, what is frozen in it, and automatic deployment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from pilothouse.domain.errors import ConflictError, IntegrityError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.jobs.replays import is_worse
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.promotion.documents import current, digests_of
from pilothouse.domain.promotion.freezes import freeze_of
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.domain.promotion.request_rules import effective_policy
from pilothouse.domain.promotion.request_standing import judged_looser_text
from pilothouse.domain.records import PromotionRequest, RequestStatus, Version, VersionStatus
from pilothouse.operations.authorisation import Change, changing
from pilothouse.operations.catalogue import require_in_use, require_request, require_run, spec_of_model
from pilothouse.operations.plans.plans_in_force import plan_evidence
from pilothouse.operations.promotion.accounted_rows import check_rules, check_version
from pilothouse.operations.promotion.activation import (
    CHALLENGER,
    deploy_request,
    drop_challenger,
    move_alias,
    was,
)
from pilothouse.operations.promotion.attached.arms import arms_evidence, authors_of_arms
from pilothouse.operations.promotion.attached.compared_again import Made, check_compared
from pilothouse.operations.promotion.attached.required_replay import check_replayed
from pilothouse.operations.promotion.evidence import (
    gather_evidence,
    incumbents,
    worst_replays,
)
from pilothouse.operations.promotion.request_authors import authors_of
from pilothouse.operations.promotion.rules_in_force import judged_looser, present_policy, require_with_rules
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import deployments
from pilothouse.store.governance import documents, freezes
from pilothouse.store.models import targets
from pilothouse.store.promotion import requests


def advance_automatically(
    services: Services, version: Version, *, by_automation: bool
) -> PromotionRequest | None:
    """Request a newly trained version without a person; called in the transaction that records the version.

    A candidate whose policy is automatic is requested (and goes live, see ``request_promotion``), and so is one that an
    alert or a schedule trained (``by_automation``) where the model file sets ``automation.request``. Where a check refuses
    the request, the audit log says why. None where nothing was requested.
    """
    if not asks_itself(services, version, by_automation=by_automation):
        return None
    with services.registry.read() as connection:
        paused = workspace.automation(connection).paused
    with changing(services, DAEMON, Permission.REQUEST, version.model) as change:
        try:
            if paused:
                raise ConflictError("automation is paused")
            targets = targets_to_request(change.connection, version, None)
            check_requestable(change.connection, version, targets)
            check_replayed(services, change.connection, version, targets)
            check_rules(change.connection, version.model)
        except (ConflictError, IntegrityError, NotAllowedError) as obstacle:
            change.record(
                "promotion.not_requested", version_uri(version.model, version.number), {"why": str(obstacle)}
            )
            return None
        return file_request(
            services, change, version, targets, "passed every gate after a training without hands"
        )


def asks_itself(services: Services, version: Version, *, by_automation: bool) -> bool:
    """True for a candidate that is requested without a person."""
    if version.status is not VersionStatus.CANDIDATE:
        return False
    with services.registry.read() as connection:
        spec = spec_of_model(connection, version.model)
        policy = effective_policy(spec.promotion, workspace.policy(connection))
    return policy.automatic or (by_automation and spec.automation.request)


def file_request(
    services: Services,
    change: Change,
    version: Version,
    targets: Sequence[str],
    reason: str,
    beside: Sequence[Version] = (),
    made: Made | None = None,
) -> PromotionRequest:
    """Record a request with its evidence and policy, and deploy it at once where the policy is automatic; one with versions to
    try beside it waits for people. ``made``: comparisons since the training of the versions."""
    connection = change.connection
    policy = present_policy(connection, version.model)
    again = {one.number: check_compared(connection, one, targets, made or {}) for one in (version, *beside)}
    evidence = gather_evidence(connection, version, targets, again[version.number])
    evidence |= arms_evidence(connection, beside, again)
    compared = evidence["incumbents"]
    authors = authors_of(connection, version, compared) + authors_of_arms(connection, beside, compared)
    superseded = requests.open_for(connection, version.model, targets)
    for old in superseded:
        drop_challenger(change, old)
    new = requests.NewRequest(
        model=version.model,
        version=version.number,
        targets=tuple(targets),
        requested_by=change.actor.name,
        trained_by=require_run(connection, version).started_by,
        reason=reason,
        expires_at=change.at + timedelta(seconds=policy.expires),
        policy=policy,
        evidence=evidence,
        evidence_digest=canonical_digest(evidence),
        authors=authors,
    )
    number = requests.add(connection, new, at=change.at, supersedes=[old.id for old in superseded])
    for old in superseded:
        change.record("request.superseded", f"request {old.id}", {"by": number, **was(old)})
    change.record(
        "request.made",
        f"request {number}",
        {
            "version": version_uri(version.model, version.number),
            "targets": list(new.targets),
            "reason": reason,
            "policy": policy.to_plain(),
            "policy_digest": policy.digest,
            "evidence_digest": new.evidence_digest,
            **({"beside": [arm.number for arm in beside]} if beside else {}),
            "with_part": [[author.name, author.part] for author in authors],
        },
    )
    move_alias(change, version.model, CHALLENGER, version.number)
    if not beside and _deploys_itself(change, version, targets, policy):
        deploy_request(
            services, change, require_request(connection, number), version, kind="automatic", reason=reason
        )
    return require_with_rules(connection, number)


def carry_documents(change: Change, old: PromotionRequest, new: PromotionRequest) -> None:
    """Attach the documents of a request to the one that asks anew for the same, as they are on record."""
    carried = [replace(one, recorded_at=change.at) for one in current(old.documents)]
    if new.status is not RequestStatus.OPEN or not carried:
        return
    for one in carried:
        documents.add(change.connection, new.id, one)
    detail = {"from": old.id, "documents": digests_of(carried)}
    change.record("documents.carried_over", f"request {new.id}", detail)


def _deploys_itself(
    change: Change, version: Version, targets: Sequence[str], policy: EffectivePolicy
) -> bool:
    """True where the policy is automatic, nothing stops it, a gate has compared the version with what it replaces, and no
    replay of the evidence shows it to be worse."""
    connection = change.connection
    replaces = any(incumbents(connection, version.model, targets).values())
    uncompared = any(
        gate.gate.startswith("comparison") and gate.outcome is GateOutcome.NOT_COMPARABLE
        for gate in version.gates
    )
    return (
        policy.automatic
        and not (replaces and uncompared)
        and not any(is_worse(replay) for _, replay in worst_replays(connection, version, targets))
        and not workspace.automation(connection).paused
        and not deployments.holds(connection, version.model)
        and not freeze_of(freezes.in_force(connection), version.model, change.at)
    )


def targets_to_request(
    connection: Connection, version: Version, requested: Sequence[str] | None
) -> list[str]:
    """Targets to request, without those where the version is live. Raises NotFoundError or ConflictError (the model is retired,
    the version live on all of them)."""
    require_in_use(connection, version.model)
    existing = targets.targets_of(connection, version.model)
    for target in requested or ():
        if target not in existing:
            raise NotFoundError(
                f"{version.model} has no target {target!r}: its model file names {', '.join(existing) or 'none'}"
            )
    wanted = list(dict.fromkeys(requested or existing))
    left = [target for target in wanted if target not in version.live_on]
    if not left:
        raise ConflictError(
            f"{version_uri(version.model, version.number)} is live already on {', '.join(wanted) or 'every target'}"
        )
    return left


def check_gates_in_force(connection: Connection, version: Version) -> None:
    """Raise NotAllowedError where the version was judged by looser gates than those in force, and may not pass these."""
    if lines := judged_looser(connection, version):
        raise NotAllowedError(judged_looser_text(version.model, version.number, lines))


def check_before_request(
    services: Services, connection: Connection, version: Version, targets: Sequence[str], made: Made
) -> None:
    """All that stands against a request of a version on these targets; ``made``: comparisons since its training. Raises
    NotAllowedError, ConflictError (not compared with what is live, not replayed) or IntegrityError (a row that it rests on was
    changed past Pilothouse)."""
    check_requestable(connection, version, targets, made)
    check_replayed(services, connection, version, targets)
    check_rules(connection, version.model)
    check_version(connection, version, targets)


def check_requestable(
    connection: Connection, version: Version, targets: Sequence[str], made: Made | None = None
) -> None:
    """Raise NotAllowedError (a gate failed, or tightened since) or ConflictError (not compared with what is live, neither
    in the training nor by one of the comparisons ``made`` since; a target that no wave of the plan selects)."""
    uri = version_uri(version.model, version.number)
    if version.status is not VersionStatus.CANDIDATE:
        failed = [
            f"{gate.gate} ({gate.reason})" for gate in version.gates if gate.outcome is GateOutcome.FAILED
        ]
        raise NotAllowedError(
            f"{uri} failed {'; '.join(failed) or 'a gate'}: it cannot be requested; train another version"
        )
    check_gates_in_force(connection, version)
    plan_evidence(connection, version.model, targets)  # raises where no wave selects one of them
    check_compared(connection, version, targets, made or {})
