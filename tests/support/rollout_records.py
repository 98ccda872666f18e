"""Roll-outs put into a registry as an approval does, without the operations."""

from datetime import datetime, timedelta
from typing import Any

from fixtures.registries import Example
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.domain.records import RequestStatus
from pilothouse.domain.rollouts.plan import Plan, placed
from pilothouse.domain.rollouts.rollout import first_wave
from pilothouse.operations.promotion.evidence import incumbents
from pilothouse.sqlite import Connection
from pilothouse.store.models import targets
from pilothouse.store.promotion import requests, rollouts

POLICY = EffectivePolicy(approvals=1, automatic=False, expires=86_400, four_eyes=True)


def approved_request(
    connection: Connection,
    at: datetime,
    version: int,
    names: tuple[str, ...],
    plan: Plan,
    model: str = "delay",
) -> int:
    """An approved request whose evidence shows a plan."""
    evidence: dict[str, Any] = {
        "incumbents": incumbents(connection, model, names),
        "plan": {"plan": plan.to_plain(), "digest": plan.digest},
    }
    new = requests.NewRequest(
        model=model,
        version=version,
        targets=names,
        requested_by="sam",
        trained_by="sam",
        reason="better",
        expires_at=at + timedelta(days=1),
        policy=POLICY,
        evidence=evidence,
        evidence_digest=canonical_digest(evidence),
    )
    number = requests.add(connection, new, at=at)
    requests.close(connection, number, RequestStatus.APPROVED, by="pat", at=at)
    return number


def recorded_rollout(
    connection: Connection,
    example: Example,
    plan: Plan,
    *,
    version: int = 2,
    names: tuple[str, ...] = ("ewr", "jfk"),
) -> int:
    """A running roll-out of a version over targets of the example."""
    return running_rollout(connection, example.time, plan, version, names)


def running_rollout(
    connection: Connection,
    at: datetime,
    plan: Plan,
    version: int,
    names: tuple[str, ...],
    model: str = "delay",
) -> int:
    """A running roll-out of any model's version, before its first step."""
    number = approved_request(connection, at, version, names, plan, model)
    known = [one for one in targets.all_targets(connection) if one.name in names]
    waves = placed(plan, known).waves
    used = {wave for wave, of_wave in enumerate(waves) if of_wave}
    return rollouts.add(
        connection,
        rollouts.NewRollout(
            request_id=number,
            model=model,
            version=version,
            kind="promotion",
            plan=plan,
            waves=waves,
            salt="5a" * 16,
            first_wave=first_wave(plan, used),
            made_by="pat",
        ),
        at=at,
    )
