"""Breaking the glass, and looking at what somebody so deployed: shared by a version and a request."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pilothouse.console.dialogs import Ask, AskSecret
from pilothouse.console.screens.base import View
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.break_glass import (
    REVIEWERS,
    USUAL,
    BrokenGlass,
    Emergency,
    Review,
    obstacle_to_review,
)
from pilothouse.domain.promotion.glass_statements import MEANING
from pilothouse.domain.promotion.statements import Component
from pilothouse.presentation.break_glass import looked, standing, superseded_text

if TYPE_CHECKING:
    from pilothouse.operations.promotion.components import SecondComponent

KEEP, TAKE_BACK, BREAK = "keep", "take_back", "break_glass"
"""Names of the actions."""


async def ask(view: View[Any], model: str, number: int, targets: Sequence[str]) -> None:
    """Ask for the reason, and for the second component that the policy asks for; then deploy alone."""
    reference = f"models:/{model}/{number}"
    asked = await view.read(lambda services, actor: _asked(services, actor, reference))
    if asked is None:
        return
    component, key = asked
    hours = int(USUAL.total_seconds() // 3_600)
    lines = [
        f"Targets: {' '.join(targets)}. No approval is asked for.",
        f"You do it as {view.session.actor.name}. Every console shows it until {REVIEWERS} others have looked at it.",
        f"After {hours} hours the daemon goes back to what is live now, unless {REVIEWERS} others let it stand.",
    ]
    title = f"Break the glass: {model} version {number} live at once, alone?"
    common: dict[str, Any] = {"field": "reason", "required": True, "tone": "bad"}
    emergency = partial(Emergency, reference, tuple(targets))
    if component is Component.PASSPHRASE:
        label = f"passphrase of {view.session.actor.name}"
        secret = AskSecret(title, lines, secret=label, confirm="break the glass", **common)
        view.ask(secret, lambda reason: _with_passphrase(view, emergency(reason), secret))
    elif component is Component.NONE:
        view.confirm(
            Ask(title, lines, confirm="break the glass", **common),
            lambda services, actor, reason: _break(services, actor, emergency(reason), None),
        )
    elif key.startswith("SHA256:"):
        lines.append(f"Your SSH agent signs with {key}: “{MEANING}”")
        question = Ask(title, lines, confirm="sign and break the glass", **common)
        view.ask(question, lambda reason: _by_agent(view, emergency(reason)))
    else:
        view.say(
            f"it needs {component.words}; {key}: pilothouse break-glass statement prints what to sign", "bad"
        )


def _asked(services: Any, actor: Actor, reference: str) -> tuple[Component, str]:
    """Component that it needs, and the fingerprint of the key in the session's agent, or why there is none."""
    from pilothouse.operations.promotion import break_glass, glass_components
    from pilothouse.signing.agent import socket_of

    component = break_glass.asked_component(services, actor, reference)
    if component.rank <= Component.PASSPHRASE.rank:
        return component, ""
    try:
        key = glass_components.glass_agent_key(services, actor, reference, socket_of())
    except PilothouseError as error:
        return component, str(error)
    return component, key.key.fingerprint


def _with_passphrase(view: View[Any], emergency: Emergency, question: Ask) -> None:
    from pilothouse.operations.promotion.components import Passphrase

    typed, question.secret = question.secret, ""
    view.perform("", lambda services, actor: _break(services, actor, emergency, Passphrase(typed)))


def _by_agent(view: View[Any], emergency: Emergency) -> None:
    def operation(services: Any, actor: Any) -> str:
        from pilothouse.operations.promotion import glass_components
        from pilothouse.signing.agent import socket_of

        signed = glass_components.sign_glass_with_agent(services, actor, emergency, socket_of())
        return _break(services, actor, emergency, signed)

    view.perform("", operation, waiting="the SSH agent is asked to sign: confirm there, or touch the key …")


def _break(services: Any, actor: Any, emergency: Emergency, component: "SecondComponent | None") -> str:
    from pilothouse.operations.promotion import break_glass

    glass = break_glass.break_glass(
        services,
        actor,
        emergency.reference,
        emergency.targets,
        reason=emergency.reason,
        component=component,
    )
    more = superseded_text(glass)
    done = f"break-glass {glass.id}: version {glass.version} is live {standing(glass)}"
    return f"{done}; {more}" if more else done


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
