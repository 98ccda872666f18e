"""What a roll-back will do, said before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.domain.records import Deployment


@dataclass(frozen=True, slots=True)
class RollBackStep:
    """On ``target`` version ``then`` takes the place of ``now``."""

    target: str
    now: int
    then: int


def rollback_plan(
    history: Sequence[Deployment], model: str, targets: Sequence[str] | None
) -> list[RollBackStep]:
    """The steps for these targets (all where None); targets without a version before are left out.

    ``history`` holds every deployment of the model, newest first.
    """
    steps = []
    of_model = [d for d in history if d.model == model]
    for target in dict.fromkeys(d.target for d in of_model):
        there = [d for d in of_model if d.target == target]
        live = next((d for d in there if d.ended_at is None), None)
        if live is None or (targets is not None and target not in targets):
            continue
        before = _before(there)
        if before is not None:
            steps.append(RollBackStep(target, live.version, before))
    return sorted(steps, key=lambda step: step.target)


def _before(there: Sequence[Deployment]) -> int | None:
    """The version that the live one took the place of; after a roll-back, not the one that was rolled back from."""
    path: list[int] = []
    for deployment in sorted(there, key=lambda d: d.id):
        if deployment.kind == "rollback" and deployment.version in path:
            del path[len(path) - path[::-1].index(deployment.version) :]
        elif not path or path[-1] != deployment.version:
            path.append(deployment.version)
    return path[-2] if len(path) > 1 else None
