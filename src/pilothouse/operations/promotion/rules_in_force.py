"""What the rules in force ask of open requests: gates, policy, and who may approve."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.identity.persons import Author, Persons, folded
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec, PromotionSpec
from pilothouse.domain.promotion.decisions import Decision
from pilothouse.domain.promotion.documents import names_text, replaced_since
from pilothouse.domain.promotion.freezes import freeze_of
from pilothouse.domain.promotion.gates_in_force import Judge, not_passed
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.domain.promotion.request_rules import (
    REPLACED,
    RequestAct,
    effective_policy,
    obstacle_to,
    parts_of,
    personal_obstacle,
)
from pilothouse.domain.promotion.request_standing import RulesAtDecision, RulesInForce
from pilothouse.domain.promotion.teams import missing_of
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.domain.records import PromotionRequest, RequestStatus, Version
from pilothouse.operations.authorisation import permits
from pilothouse.operations.catalogue import require_request, spec_of_model
from pilothouse.operations.plans.plans_in_force import by_another_plan, is_by_another_plan
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.governance import access, freezes, persons, teams, users
from pilothouse.store.log import audit
from pilothouse.store.models import models, versions
from pilothouse.store.models.models import StoredSpec
from pilothouse.store.promotion import requests
from pilothouse.store.promotion.requests import Candidate


def require_with_rules(connection: Connection, request_id: int) -> PromotionRequest:
    """Promotion request of that number with the rules in force, in the caller's transaction. Raises NotFoundError."""
    return with_rules(connection, [require_request(connection, request_id)])[0]


def with_rules(connection: Connection, records: Sequence[PromotionRequest]) -> list[PromotionRequest]:
    """Requests: open ones with what the rules in force ask of them, closed ones with the rules by which they were decided."""
    if all(record.status is not RequestStatus.OPEN for record in records):
        return [_with_decision(connection, record) for record in records]
    known = persons.persons(connection)
    grants = access.all_grants(connection)
    people = [Actor(name, held, also=known.names(name)) for name, held in grants.items()]
    return [
        _with_rules(connection, record, known, people)
        if record.status is RequestStatus.OPEN
        else _with_decision(connection, record)
        for record in records
    ]


def _with_decision(connection: Connection, request: PromotionRequest) -> PromotionRequest:
    """The closed request with the rules of its last decision, as the audit log has them."""
    if not request.decisions:
        return request
    entries = audit.about(
        connection, f"request {request.id}", ("request.approved", "request.refused", "request.completed")
    )
    detail = entries[-1].detail if entries else {}
    if "policy_in_force" not in detail:  # of an older release, which knew the frozen policy alone
        return request
    policy = EffectivePolicy.from_plain(detail["policy_in_force"])
    return replace(request, decided_by=RulesAtDecision(policy, detail["approvals"]))


def present_policy(connection: Connection, model: str) -> EffectivePolicy:
    """Policy of a model that a request takes which is made now."""
    return effective_policy(spec_of_model(connection, model).promotion, workspace.policy(connection))


def judged_looser(connection: Connection, version: Version) -> tuple[str, ...]:
    """Gates in force that a version has not passed, since it was judged by looser ones; a line each."""
    return _looser(connection, version.model, version.number)


def _looser(connection: Connection, model: str, number: int) -> tuple[str, ...]:
    if models.is_by_file_in_force(connection, model, number):
        return ()
    version = versions.find(connection, VersionReference(model, number))
    assert version is not None
    in_force = models.spec_in_force(connection, model)
    judged_by = models.spec_of_run(connection, version.run_id)
    assert in_force is not None
    return tuple(not_passed(_judge(in_force), _judge(judged_by), version.metrics))


def _judge(stored: StoredSpec) -> Judge:
    return Judge(_parsed(canonical_json(stored.spec)), stored.judging_code)


def waiting_for_person(
    connection: Connection, actor: Actor, model_names: Sequence[str], now: datetime
) -> list[Candidate]:
    """Open requests of these models that the person could approve now, oldest first: as ``obstacle_to`` says of one. Of their
    roles only the targets are looked at, where a grant is for some."""
    for_targets = any(grant.targets for grant in actor.grants)
    candidates = requests.candidates(connection, sorted(actor.names), model_names, now)
    policies: dict[str, EffectivePolicy] = {}
    windows = freezes.in_force(connection)
    other_plan = by_another_plan(connection) if candidates else frozenset()
    for candidate in candidates:
        if candidate.model not in policies:
            policies[candidate.model] = present_policy(connection, candidate.model)
    return [
        candidate
        for candidate in candidates
        if candidate.id not in other_plan
        and not (candidate.own and (candidate.four_eyes or policies[candidate.model].four_eyes))
        and not _looser(connection, candidate.model, candidate.version)
        and not freeze_of(windows, candidate.model, now)
        and not (for_targets and not _for_its_targets(connection, actor, candidate))
        and _is_ready(connection, actor, candidate, policies[candidate.model], now)
    ]


def _is_ready(
    connection: Connection, actor: Actor, candidate: Candidate, policy: EffectivePolicy, now: datetime
) -> bool:
    """True where the rule itself lets the person approve. It is asked of few: of those that somebody completes who approved
    before, once enough approvals are there, and of those that documents are asked for."""
    if candidate.decided and candidate.approvals < policy.needed:
        return False
    if not (candidate.decided or candidate.asks_documents or policy.documents):
        return True
    request = require_with_rules(connection, candidate.id)
    return obstacle_to(RequestAct.APPROVE, request, actor, now) is None


def _for_its_targets(connection: Connection, actor: Actor, candidate: Candidate) -> bool:
    targets = requests.target_names(connection, candidate.id)
    return permits(connection, actor, Permission.DECIDE, candidate.model, targets)


def _with_rules(
    connection: Connection, request: PromotionRequest, known: Persons, people: Sequence[Actor]
) -> PromotionRequest:
    policy = request.policy.tightened_by(present_policy(connection, request.model))
    looser = _looser(connection, request.model, request.version)
    frozen = tuple(freezes.in_force(connection))
    rules = RulesInForce(
        policy,
        _tightened(connection, request, policy),
        looser,
        freezes=frozen,
        other_plan=is_by_another_plan(connection, request),
    )
    request = replace(request, in_force=rules)
    request = replace(request, decisions=_decisions(connection, request, known, people))
    if policy.teams:
        agreed = [d.person for d in request.decisions if d.verdict == "approve" and not d.void]
        missing = missing_of(policy.teams, agreed, teams.teams_of(connection, known))
        rules = replace(rules, missing_teams=missing)
        request = replace(request, in_force=rules)
    able: dict[str, Actor] = {}
    for actor in people:
        may = permits(connection, actor, Permission.DECIDE, request.model, request.targets)
        may = may and not users.ending(connection, actor.name, None)
        if may and personal_obstacle(RequestAct.APPROVE, request, actor) is None:
            able.setdefault(known.subject(actor.name), actor)
    names = tuple(actor.name for actor in able.values())
    also = {name: tuple(n for n in known.names(name) if n != folded(name)) for name in names}
    also_named = {name: others for name, others in also.items() if others}
    return replace(request, in_force=replace(rules, can_approve=names, also_named=also_named))


def _decisions(
    connection: Connection, request: PromotionRequest, known: Persons, people: Sequence[Actor]
) -> tuple[Decision, ...]:
    """Decisions with the person of each, and why an approval does not count by the rules in force."""
    decided: list[Decision] = []
    for decision in request.decisions:
        person = known.subject(decision.actor)
        actor = Actor(decision.actor, also=known.names(decision.actor))
        before = next((other for other in decided if other.person == person), None)
        may_decide = any(
            permits(connection, one, Permission.DECIDE, request.model, request.targets)
            for one in people
            if one.name == decision.actor
        )
        void = ""
        if decision.verdict == "approve" and not may_decide:
            void = f"{decision.actor} may no longer approve"
        elif decision.verdict == "approve" and (parts := parts_where_four_eyes(request, actor)):
            void = f"four eyes: {parts[0]}"
        elif decision.verdict == "approve" and (
            replaced := replaced_since(decision.documents, request.documents)
        ):
            void = f"{REPLACED} {names_text(replaced)} than is attached now"
        elif before is not None:
            void = f"{decision.actor} and {before.actor} are one person"
        decided.append(replace(decision, person=person, void=void))
    return tuple(decided)


def parts_where_four_eyes(request: PromotionRequest, actor: Actor) -> list[Author]:
    """The person's parts in what is asked for, where the rules in force say four eyes."""
    return parts_of(request, actor) if request.rules.four_eyes else []


def _tightened(connection: Connection, request: PromotionRequest, policy: EffectivePolicy) -> tuple[str, ...]:
    """Respects in which the rules in force are tighter than the frozen policy, and since when."""
    tighter = dict(policy.tighter_than(request.policy))
    if not tighter:
        return ()
    history = list(_history(connection, request.model))
    texts = []
    for name, words in tighter.items():
        at = None
        for time, one in history:
            is_so = getattr(request.policy.tightened_by(one), name) == getattr(policy, name)
            at = (at or time) if is_so else None
        since = f"since the policy of {at:%Y-%m-%d}" if at is not None else "since the policy was tightened"
        texts.append(f"{words} {since}")
    return tuple(texts)


def _history(connection: Connection, model: str) -> Iterator[tuple[datetime, EffectivePolicy]]:
    """Every policy that was in force for a model, and since when. Where one person ran the workspace is not dated, and is as
    it is now."""
    present = workspace.policy(connection)
    floors = [(at, replace(floor, solo=present.solo)) for at, floor in workspace.policies(connection)]
    applied = [(at, PromotionSpec(**plain)) for at, plain in models.promotions_applied(connection, model)]
    floor = replace(WorkspacePolicy(), solo=present.solo)
    promotion: PromotionSpec | None = None
    changes: list[tuple[datetime, PromotionSpec | WorkspacePolicy]] = [*floors, *applied]
    for at, changed in sorted(changes, key=lambda change: change[0]):
        if isinstance(changed, WorkspacePolicy):
            floor = changed
        else:
            promotion = changed
        if promotion is not None:
            yield at, effective_policy(promotion, floor)


@lru_cache(maxsize=256)
def _parsed(text: str) -> ModelSpec:
    return spec_from_plain(json.loads(text))
