"""Question before a roll-back, as deployments and fleet ask it."""

from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import RollBackStep
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.registry_rows import roll_back_lines


async def ask_roll_back(view: View[Any], model: str, targets: list[str] | None) -> None:
    """Read what a roll-back would do (``targets`` None: on all of the model), and ask. Of several targets those go back that
    have a version before."""
    going = targets

    def read(services: Services, actor: Actor) -> list[RollBackStep]:
        from pilothouse.operations.promotion import deployments

        nonlocal going
        if targets is not None and len(targets) > 1:
            able = {step.target for step in deployments.roll_back_steps(services, actor, model)}
            going = [name for name in targets if name in able] or targets
        return deployments.roll_back_plan(services, actor, model, going)

    plan = await view.read(read)
    if plan is None:
        return
    question = Ask(
        f"Roll back {model}?",
        [
            *roll_back_lines(plan),
            "",
            f"Automatic deployment of {model} is held until somebody lifts it (u in deployments). No approval is needed.",
        ],
        field="reason",
        required=True,
        confirm="roll back",
        tone="bad",
    )

    def operation(services: Services, actor: Actor, reason: str) -> str:
        from pilothouse.operations.promotion import deployments

        restored = deployments.roll_back(services, actor, model, going, reason)
        return f"{model} is back: " + ", ".join(f"{d.target} at version {d.version}" for d in restored)

    view.confirm(question, operation)
