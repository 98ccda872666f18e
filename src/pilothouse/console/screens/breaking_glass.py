"""Breaking the glass, and looking at what somebody so deployed: shared by a version and a request."""

from collections.abc import Sequence
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.break_glass import REVIEWERS, USUAL, BrokenGlass, Review, obstacle_to_review
from pilothouse.presentation.break_glass import looked, standing

KEEP, TAKE_BACK, BREAK = "keep", "take_back", "break_glass"
"""Names of the actions."""


def ask(view: View[Any], model: str, number: int, targets: Sequence[str]) -> None:
    """Ask for the reason, then deploy alone."""
    hours = int(USUAL.total_seconds() // 3_600)
    question = Ask(
        f"Break the glass: {model} version {number} live at once, alone?",
        [
            f"Targets: {' '.join(targets)}. No approval is asked for.",
            f"You do it as {view.session.actor.name}. Every console shows it until {REVIEWERS} others have looked at it.",
            f"After {hours} hours the daemon goes back to what is live now, unless {REVIEWERS} others let it stand.",
        ],
        field="reason",
        required=True,
        confirm="break the glass",
        tone="bad",
    )

    def operation(services: Any, actor: Any, reason: str) -> str:
        from pilothouse.operations.promotion import break_glass

        glass = break_glass.break_glass(
            services, actor, f"models:/{model}/{number}", list(targets), reason=reason
        )
        return f"break-glass {glass.id}: version {number} is live {standing(glass)}"

    view.confirm(question, operation)


def refusal_to_review(glass: BrokenGlass | None, actor: Actor) -> str:
    """The reason why this person does not review it; empty where they may."""
    if glass is None:
        return "nobody broke the glass for this request"
    return obstacle_to_review(glass, actor)


def ask_review(view: View[Any], glass: BrokenGlass, verdict: Review) -> None:
    """Ask for the reason, then record the review."""
    taking = verdict is Review.TAKE_BACK
    done = glass.taken_back_at is not None
    effect = {
        (True, False): "What was live before goes live again at once.",
        (True, True): "It was taken back already: nothing changes but the record.",
        (False, False): f"It stays once {REVIEWERS} others say so; then the item is closed.",
        (False, True): "It was taken back already: nothing changes but the record.",
    }[taking, done]
    question = Ask(
        f"{'Take back' if taking else 'Let stand'} version {glass.version} on {' '.join(glass.targets)}?",
        [f"{glass.actor} broke the glass: {glass.reason}", effect],
        field="reason",
        required=True,
        confirm="take back" if taking else "let it stand",
        tone="bad" if taking else "strong",
    )

    def operation(services: Any, actor: Any, reason: str) -> str:
        from pilothouse.operations.promotion import break_glass

        after = break_glass.review(services, actor, glass.id, verdict, reason)
        return f"break-glass {glass.id}: {standing(after)}, {looked(after)} of {REVIEWERS} reviews"

    view.confirm(question, operation)
