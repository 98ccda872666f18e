"""Asking anew for what a request asked for that can no longer be decided: shared by the inbox and the request itself."""

from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.promotion.request_rules import RequestAct, obstacle_to
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.presentation.pages.request_page import left_out_text, obstacle_text


def refusal(view: View[Any], request: PromotionRequest | None) -> str:
    """The reason why it cannot be asked anew; empty if it can."""
    services = view.session.services
    if request is None or services is None:
        return "there is no request"
    actor = view.session.actor
    obstacle = obstacle_to(RequestAct.AGAIN, request, actor, services.now())
    return obstacle_text(obstacle, request, actor) if obstacle else ""


def ask(view: View[Any], request: PromotionRequest) -> None:
    """Confirm, then file a new request; ``request`` is superseded where it is open."""
    was_open = request.status is RequestStatus.OPEN
    question = Ask(
        f"Ask anew for {request.model} version {request.version} on {' '.join(request.targets)}?",
        [
            "A new request is filed with fresh evidence, against what is live now, for the same reason."
            + (f" Request {request.id} is superseded." if was_open else ""),
            "You are its requester: where the policy says four eyes, somebody else approves it.",
        ],
        confirm="ask anew",
    )

    def operation(services: Any, actor: Any, _: str) -> str:
        from pilothouse.operations import catalogue
        from pilothouse.operations.promotion import promotions

        filed = promotions.request_again(services, actor, request.id)
        existing = catalogue.get_model(services, actor, filed.model).targets
        text = left_out_text(request.targets, filed, existing)
        done = f"request {filed.id} is {filed.status}; it asks for what request {request.id} asked for"
        return f"{done}; {text}" if text else done

    view.confirm(question, operation)
