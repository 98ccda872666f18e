"""Versions that are requested beside another one: the further arms of its canaries, an A/B test of several."""

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.persons import Author
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.models.evaluation import GateResult
from pilothouse.domain.records import PromotionRequest, Version
from pilothouse.domain.rollouts.plan import Plan, StepKind
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.plans.plans_in_force import plan_in_force
from pilothouse.operations.promotion.accounted_rows import check_version
from pilothouse.operations.promotion.request_authors import authors_of
from pilothouse.operations.promotion.rules_in_force import judged_looser
from pilothouse.sqlite import Connection

MOST_ARMS = 4
"""Versions beside the requested one: each more takes as much evidence again."""


def arms_asked(connection: Connection, version: Version, numbers: Sequence[int]) -> list[Version]:
    """Versions to try beside another one, in their order. Raises NotFoundError, InvalidInputError (one of them twice, too many)
    or ConflictError (live already, no plan with a canary, shares that do not fit)."""
    if not numbers:
        return []
    if len(numbers) > MOST_ARMS:
        raise InvalidInputError(
            f"{len(numbers)} versions beside {version.number}: a roll-out tries {MOST_ARMS} at most beside its own"
        )
    twice = next((n for n in numbers if numbers.count(n) > 1 or n == version.number), None)
    if twice is not None:
        raise InvalidInputError(f"version {twice} is named twice: expected other versions beside it")
    arms = [require_version(connection, version_uri(version.model, number)) for number in numbers]
    for arm in arms:
        if arm.live_on:
            raise ConflictError(
                f"{version_uri(arm.model, arm.number)} is live on {', '.join(arm.live_on)}: every arm is compared with what "
                "is live"
            )
    plan = plan_in_force(connection, version.model)
    if plan is None or not (shares := _shares(plan)):
        raise ConflictError(
            f"{version.model} goes out by no plan with a canary, where several versions share the requests: "
            "name one in promotion.plan"
        )
    if max(shares) * (1 + len(arms)) >= 1:
        raise ConflictError(
            f"{1 + len(arms)} versions with {max(shares):g} of the requests each leave none to the live one: "
            f"expected a share below {1 / (1 + len(arms)):.3g} in the plan {plan.name}, or fewer versions"
        )
    return arms


def _shares(plan: Plan) -> list[float]:
    return [step.share or 0.0 for _, _, step in plan.steps() if step.kind is StepKind.CANARY]


def arms_evidence(
    connection: Connection, arms: Sequence[Version], again: Mapping[int, Sequence[GateResult]]
) -> dict[str, Any]:
    """What an approver is shown of the versions beside the requested one; empty where there are none. ``again``: comparisons of
    each with what went live since its training."""
    if not arms:
        return {}
    return {
        "beside": [
            {
                "version": arm.number,
                "metrics": to_plain(arm.metrics),
                "gates": [
                    {**to_plain(gate), "outcome": str(gate.outcome)}
                    for gate in (*arm.gates, *again[arm.number])
                ],
                "model": arm.model_digest,
                "schema": arm.schema_digest,
                "run": arm.run_id,
                "started_by": require_run(connection, arm).started_by,
            }
            for arm in arms
        ]
    }


def arms_shown(request: PromotionRequest) -> list[int]:
    """Numbers of the versions that a request's evidence shows beside its own."""
    return [int(one["version"]) for one in request.evidence.get("beside", ())]


def authors_of_arms(
    connection: Connection, arms: Sequence[Version], incumbents: dict[str, int | None]
) -> tuple[Author, ...]:
    """Everybody with a part in one of the arms, its trainer too: who has one approves none of the request."""
    found: list[Author] = []
    for arm in arms:
        uri = f"{arm.model}/{arm.number}"
        found += [
            Author(require_run(connection, arm).started_by, f"trained {uri}, which is tried beside it"),
            *authors_of(connection, arm, incumbents),
        ]
    return tuple(dict.fromkeys(author for author in found if author.name != DAEMON.name))


def check_arms(connection: Connection, request: PromotionRequest) -> None:
    """Raise IntegrityError (a row that was changed past Pilothouse) or ConflictError (an arm that was judged by looser gates
    than those in force) of a request that is to be approved."""
    for number in arms_shown(request):
        arm = require_version(connection, version_uri(request.model, number))
        check_version(connection, arm, request.targets)
        if lines := judged_looser(connection, arm):
            raise ConflictError(
                f"request {request.id}: {version_uri(arm.model, number)}, which is tried beside it, was judged by looser gates "
                f"than those in force ({lines[0]}): ask anew without it"
            )
