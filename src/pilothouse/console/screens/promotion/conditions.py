"""Conditions of approvals on a request's page: asked for with an approval, and confirmed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.conditions import (
    Condition,
    NewCondition,
    due_on,
    obstacle_to_confirm,
    wording,
)
from pilothouse.domain.records import PromotionRequest


def ask(view: View[Any], now: datetime, then: Callable[[NewCondition], None]) -> None:
    """Ask what is to be confirmed after the deployment, then by whom and when."""
    what = Ask(
        "On which condition do you approve?",
        ["Somebody confirms it after the deployment: it holds nothing up, and is an open item until then."],
        field="condition",
        required=True,
        confirm="say who confirms it",
    )

    def ask_who(text: str) -> None:
        who = Ask(
            f"Who confirms “{text}”, and by when?",
            ["A name, or a role for whoever holds it; then a time or a day: rui 30d, auditor 2027-03-31."],
            field="who and when",
            required=True,
            value="approver 30d",
            confirm="go on",
        )
        view.ask(who, lambda answer: _go_on(view, text, answer, now, then))

    view.ask(what, ask_who)


def _go_on(
    view: View[Any], text: str, answer: str, now: datetime, then: Callable[[NewCondition], None]
) -> None:
    by, _, when = answer.strip().rpartition(" ")
    try:
        then(NewCondition(text.strip(), by.strip(), due_on(when, now)))
    except InvalidInputError as error:
        view.say(str(error), "bad")


def to_confirm(request: PromotionRequest, actor: Actor) -> tuple[Condition | None, str]:
    """The condition that the reader can confirm, or None and why there is none."""
    made = [one.condition for one in request.decisions if one.condition is not None]
    if not made:
        return None, "nobody approved it on a condition"
    why = [obstacle_to_confirm(one, actor) for one in made]
    able = next((one for one, obstacle in zip(made, why, strict=True) if not obstacle), None)
    return able, "" if able else why[0]


def ask_to_confirm(view: View[Any], condition: Condition) -> None:
    """Ask what was found, then confirm."""
    question = Ask(
        f"Confirm condition {condition.id} of request {condition.request_id}?",
        [f"{condition.approver} approved on condition: {wording(condition)}."],
        field="what was found",
        required=True,
        confirm="confirm it",
    )

    def operation(services: Any, actor: Any, remark: str) -> str:
        from pilothouse.operations.promotion.attached import conditions

        done = conditions.confirm(services, actor, condition.id, remark)
        return f"condition {done.id} is confirmed"

    view.confirm(question, operation)
