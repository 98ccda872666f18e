"""Roll-back over a selection of targets, of one model or of every one that is live there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.domain.errors import ConflictError, PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.selection_text import parse_selection
from pilothouse.domain.models.target_selection import selector
from pilothouse.domain.records import Deployment, RollBackStep
from pilothouse.operations.authorisation import reading, reason_given
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.promotion.deployments import roll_back, roll_back_steps
from pilothouse.operations.promotion.records import with_records
from pilothouse.operations.services import Services
from pilothouse.store.deployed import deployments
from pilothouse.store.models import targets as target_store


@dataclass(frozen=True, slots=True)
class SelectedSteps:
    """Steps back on the selected targets by model and target, and places from which there is no way back."""

    steps: tuple[RollBackStep, ...]
    stay: tuple[tuple[str, str], ...]
    """Model and target where nothing was live before what is live now."""

    @property
    def by_model(self) -> dict[str, list[str]]:
        """Targets of each model."""
        found: dict[str, list[str]] = {}
        for step in self.steps:
            found.setdefault(step.model, []).append(step.target)
        return found


@dataclass(frozen=True, slots=True)
class SelectedRollBack:
    """What was rolled back, and why it was not for models of which nothing was: one's fault keeps none of the others."""

    deployed: tuple[Deployment, ...]
    faults: Mapping[str, str]
    stay: tuple[tuple[str, str], ...]


def selected_steps(services: Services, actor: Actor, where: str, model: str | None = None) -> SelectedSteps:
    """Steps that a roll-back over a selection would take now (``selection_text``). Raises InvalidInputError, NotFoundError (no
    such model) or ConflictError (nothing selected can go back)."""
    fits = selector(parse_selection(where))
    found = roll_back_steps(services, actor, model)
    with reading(services, actor) as connection:
        if model is not None:
            require_model(connection, model)
        chosen = {one.name for one in target_store.all_targets(connection) if fits(one)}
        live = [
            (one.model, one.target)
            for one in deployments.live(connection, model=model)
            if one.target in chosen
        ]
        steps = with_records(services, connection, [step for step in found if step.target in chosen])
    going = {(step.model, step.target) for step in steps}
    stay = tuple(place for place in live if place not in going)
    if not live:
        raise ConflictError(
            f"nothing is live on a target with {where}: pilothouse targets lists them with their labels"
        )
    if not steps:
        raise ConflictError(f"nothing was live before on any target with {where}")
    return SelectedSteps(tuple(steps), stay)


def roll_back_selected(
    services: Services, actor: Actor, where: str, model: str | None = None, reason: str = ""
) -> SelectedRollBack:
    """Roll back every model that is live on the selected targets (or one) to what was live there before, each in a transaction
    of its own with a hold. Raises as ``selected_steps``, and InvalidInputError without a reason."""
    reason = reason_given(reason, "rolling back")
    planned = selected_steps(services, actor, where, model)
    deployed: list[Deployment] = []
    faults: dict[str, str] = {}
    for name, targets in planned.by_model.items():
        try:
            deployed += _of(roll_back(services, actor, name, targets, reason), targets)
        except PilothouseError as error:  # a right that is for some models, a damaged row: the others go back
            faults[name] = str(error)
    return SelectedRollBack(tuple(deployed), faults, planned.stay)


def _of(deployed: Sequence[Deployment], targets: Sequence[str]) -> list[Deployment]:
    return [one for one in deployed if one.target in targets]
