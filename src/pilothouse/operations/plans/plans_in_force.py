"""Which plan a model's versions go out by, with the targets of each wave; the plan that the workspace asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.rollouts.plan import Plan, placed, uncovered_text
from pilothouse.domain.rollouts.plan_changes import looser
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import requests, rollouts


@dataclass(frozen=True, slots=True)
class PlanInForce:
    """Plan of a workspace. ``models``: those that go out by it by their file."""

    plan: Plan
    applied_by: str
    is_floor: bool
    """The workspace's policy asks every model for it, or for one that asks for as much."""


def plan_in_force(connection: Connection, model: str) -> Plan | None:
    """Plan by which a model's versions go out: its file's, or the workspace's where the file names none or one that asks for
    less. None: all targets at once. Raises ConflictError where one is named that is not there."""
    plans = {name: recorded.plan for name, recorded in rollouts.plans(connection).items()}
    floor, own = workspace.policy(connection).plan, spec_of_model(connection, model).promotion.plan or ""
    for name in filter(None, (floor, own)):
        if name not in plans:
            by = (
                "the workspace's policy (pilothouse policy set --plan)" if name == floor else "promotion.plan"
            )
            raise ConflictError(
                f"there is no plan {name!r}, which {by} asks for: write it into plans.toml, then pilothouse apply"
            )
    if floor and (not own or any(looser(plans[floor], plans[own]))):
        return plans[floor]
    return plans[own] if own else None


def plan_evidence(connection: Connection, model: str, targets: Sequence[str]) -> dict[str, Any]:
    """Plan as an approver is shown it, with the targets of each wave; empty where the model has none. Raises ConflictError
    where no wave selects one of the targets."""
    plan = plan_in_force(connection, model)
    if plan is None:
        return {}
    wanted = set(targets)
    placing = placed(plan, [one for one in target_store.all_targets(connection) if one.name in wanted])
    if placing.left:
        raise ConflictError(f"{model}: {uncovered_text(plan.name, placing.left)}")
    waves = [list(names) for names in placing.waves]
    return {"plan": {"name": plan.name, "digest": plan.digest, "plan": plan.to_plain(), "targets": waves}}


def check_plan(connection: Connection, request_id: int, model: str, shown: dict[str, Any] | None) -> None:
    """Raise ConflictError where a request's version would go out by another plan now than its evidence shows."""
    now = plan_in_force(connection, model)
    if _digest(now) != (shown["digest"] if shown else None):
        names = f"the plan {now.name} as it is now" if now else "no plan: to all targets at once"
        raise ConflictError(
            f"request {request_id}: its evidence shows another plan than the one in force ({names}): "
            f"ask anew with pilothouse request --again {request_id}"
        )


def is_by_another_plan(connection: Connection, request: PromotionRequest) -> bool:
    """True where an open request's evidence shows another plan than the one in force: nobody can approve it."""
    shown = request.evidence.get("plan")
    is_open = request.status is RequestStatus.OPEN
    return is_open and _digest_now(connection, request.model) != (shown["digest"] if shown else None)


def by_another_plan(connection: Connection) -> frozenset[int]:
    """Numbers of the open requests whose evidence shows another plan than the one in force."""
    known: dict[str, str | None] = {}
    found = []
    for number, model, shown in requests.open_plans(connection):
        if model not in known:
            known[model] = _digest_now(connection, model)
        if known[model] != shown:
            found.append(number)
    return frozenset(found)


def _digest_now(connection: Connection, model: str) -> str | None:
    """Digest of the plan in force; a word that is none where it names one that is not there."""
    try:
        return _digest(plan_in_force(connection, model))
    except ConflictError:
        return "gone"


def _digest(plan: Plan | None) -> str | None:
    return plan.digest if plan else None


def list_plans(services: Services, actor: Actor) -> list[PlanInForce]:
    """Plans in force, by name."""
    with reading(services, actor) as connection:
        floor = workspace.policy(connection).plan
        return [
            PlanInForce(recorded.plan, recorded.applied_by, name == floor)
            for name, recorded in rollouts.plans(connection).items()
        ]


def set_floor_plan(services: Services, actor: Actor, name: str, reason: str) -> WorkspacePolicy:
    """Ask every model for a plan, or with an empty name for none. Raises NotFoundError, NotAllowedError."""
    reason = clean_text(reason, "the reason")
    with changing(services, actor, Permission.SET_POLICY) as change:
        known = rollouts.plans(change.connection)
        if name and name not in known:
            raise NotFoundError(
                f"there is no plan {name!r}: plans.toml describes {', '.join(known) or 'none'}"
            )
        before = workspace.policy(change.connection)
        workspace.add_policy(
            change.connection, replace(before, plan=name), by=change.actor.name, at=change.at
        )
        detail = {"reason": reason, "before": {"plan": before.plan}, "after": {"plan": name}}
        change.record("policy.set", "workspace", detail)
        return workspace.policy(change.connection)
