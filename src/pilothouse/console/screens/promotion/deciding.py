"""Decisions on a request with the second component that the policy asks for: asked for, and handed to the operation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse.console.dialogs import Ask, AskPaste, AskSecret
from pilothouse.console.screens.base import View
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.promotion.statements import MEANINGS, Component
from pilothouse.domain.records import PromotionRequest
from pilothouse.presentation.cell import Tone
from pilothouse.presentation.texts import counted

if TYPE_CHECKING:
    from pilothouse.operations.promotion.components import SecondComponent
    from pilothouse.operations.promotion.statements import PrintedStatement

_AGENT = "the SSH agent is asked to sign: confirm there, or touch the key …"
_END = "-----END SSH SIGNATURE-----"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision to ask about. ``effect``: what it does, a line each."""

    name: str
    """``approve`` or ``reject``."""
    title: str
    effect: Sequence[str]
    tone: Tone = "strong"
    condition: NewCondition | None = None
    """Condition on which it approves."""

    @property
    def field(self) -> str:
        return "remark" if self.name == "approve" else "reason"

    @property
    def required(self) -> bool:
        return self.name == "reject"

    def asked(self, lines: Sequence[str], confirm: str) -> dict[str, Any]:
        """Arguments of the question."""
        return {
            "title": self.title,
            "lines": [*self.effect, *lines],
            "field": self.field,
            "required": self.required,
            "confirm": confirm,
            "tone": self.tone,
        }


async def ask(view: View[Any], request: PromotionRequest, verdict: Verdict) -> None:
    """Ask for the decision, and for the component that it needs; then decide."""
    match request.rules.signature:
        case Component.NONE:
            question = Ask(**verdict.asked([], verdict.name))
            view.ask(question, lambda text: _decide(view, request, verdict, text, None))
        case Component.PASSPHRASE:
            label = f"passphrase of {view.session.actor.name}"
            secret = AskSecret(**verdict.asked([], verdict.name), secret=label)
            view.ask(secret, lambda text: _with_passphrase(view, request, verdict, text, secret))
        case _:
            offered = await view.read(lambda services, actor: _fingerprint(services, actor, request.id))
            if offered is not None and offered.startswith("SHA256:"):
                touch = " (touch it)" if request.rules.signature is Component.HARDWARE_KEY else ""
                lines = [f"Your SSH agent signs with {offered}{touch}:", f"“{MEANINGS[verdict.name]}”"]
                view.ask(
                    Ask(**verdict.asked(lines, f"sign and {verdict.name}")),
                    lambda text: _by_agent(view, request, verdict, text),
                )
            elif offered is not None:
                lines = [f"It needs {request.rules.signature.words}; {offered}."]
                view.ask(
                    Ask(**verdict.asked(lines, "print the statement to sign elsewhere")),
                    lambda text: _print(view, request, verdict, text),
                )


def _fingerprint(services: Any, actor: Any, number: int) -> str:
    """Fingerprint of the key in the session's agent that can sign; why there is none otherwise."""
    from pilothouse.operations.promotion import statements
    from pilothouse.signing.agent import socket_of

    try:
        return statements.agent_key(services, actor, number, socket_of()).key.fingerprint
    except PilothouseError as error:
        return str(error)


def _with_passphrase(
    view: View[Any], request: PromotionRequest, verdict: Verdict, text: str, question: Ask
) -> None:
    from pilothouse.operations.promotion.components import Passphrase

    typed, question.secret = question.secret, ""
    _decide(view, request, verdict, text, Passphrase(typed))


def _by_agent(view: View[Any], request: PromotionRequest, verdict: Verdict, text: str) -> None:
    def operation(services: Any, actor: Any) -> str:
        from pilothouse.operations.promotion import statements
        from pilothouse.signing.agent import socket_of

        signed = statements.sign_with_agent(
            services,
            actor,
            request.id,
            verdict.name,
            text,
            request.shown_digest,
            socket_of(),
            verdict.condition,
        )
        return _decided(services, actor, request, verdict, text, signed)

    view.perform("", operation, waiting=_AGENT)


def _print(view: View[Any], request: PromotionRequest, verdict: Verdict, text: str) -> None:
    """Print the statement, then ask for its signature."""
    printed: list[PrintedStatement] = []

    def operation(services: Any, actor: Any) -> str:
        from pilothouse.operations.promotion import statements

        condition = verdict.condition
        printed.append(
            statements.print_statement(services, actor, request.id, verdict.name, text, condition=condition)
        )
        return f"the statement on request {request.id} can be signed for a day"

    view.perform("", operation, lambda: _ask_for_signature(view, request, verdict, text, printed[0]))


def _ask_for_signature(
    view: View[Any], request: PromotionRequest, verdict: Verdict, text: str, printed: "PrintedStatement"
) -> None:
    from pilothouse.console.session import clipboard
    from pilothouse.operations.promotion.components import Signed

    copied = clipboard.copy(view.app, printed.command, "the line that signs it")
    question = AskPaste(
        f"Signature of {printed.key}?",
        [
            f"{copied[:1].upper()}{copied[1:]}.",
            "Run it where your key is, and paste what it prints here.",
            f"Elsewhere: pilothouse statement {request.id} --{verdict.name}, then ssh-keygen -Y sign.",
        ],
        field="signature",
        required=True,
        confirm=verdict.name,
        until=_END,
    )
    view.ask(question, lambda paste: _decide(view, request, verdict, text, Signed(paste)))


def _decide(
    view: View[Any],
    request: PromotionRequest,
    verdict: Verdict,
    text: str,
    component: "SecondComponent | None",
) -> None:
    view.perform("", lambda services, actor: _decided(services, actor, request, verdict, text, component))


def _decided(
    services: Any,
    actor: Any,
    request: PromotionRequest,
    verdict: Verdict,
    text: str,
    component: "SecondComponent | None",
) -> str:
    """What has come of the decision."""
    from pilothouse.operations.promotion import promotions

    if verdict.name == "approve":
        condition = verdict.condition
        done = promotions.approve(
            services, actor, request.id, request.shown_digest, text, component, condition
        )
    else:
        done = promotions.reject(services, actor, request.id, text, component)
    approved = f"{done.approvals} of {counted(done.approvals_needed, 'approval')}"
    return f"request {done.id} is {done.status}: {approved}"
