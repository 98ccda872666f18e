"""Acknowledging and resolving an alert: shared by the list of alerts and the alert itself."""

from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.domain.roles import Actor


def refusal(name: str, alert: Alert | None) -> str:
    """Why an alert cannot be handled so now; empty if it can."""
    if alert is None:
        return "there is no alert here"
    if name == "acknowledge" and alert.status is not AlertStatus.OPEN:
        return f"alert {alert.id} is {alert.status}"
    if name == "resolve" and alert.status is AlertStatus.RESOLVED:
        return f"alert {alert.id} is resolved"
    return ""


def acknowledge(view: View[Any], alert: Alert) -> None:
    """Ask for a note, then say that somebody is on it."""
    question = Ask(
        f"Acknowledge alert {alert.id}?",
        [alert.summary, "It stays until its monitor is quiet or somebody resolves it."],
        field="note",
        confirm="acknowledge",
    )

    def go(note: str) -> None:
        def operation(services: Any, actor: Actor) -> None:
            from pilothouse.operations.alerts import alerts

            alerts.acknowledge(services, actor, alert.id, note)

        view.perform(f"alert {alert.id} is acknowledged", operation)

    view.ask(question, go)


def resolve(view: View[Any], alert: Alert) -> None:
    """Ask for the reason, then close it."""
    question = Ask(
        f"Resolve alert {alert.id}?",
        [alert.summary, "It opens again if its monitor still finds it significant."],
        field="reason",
        required=True,
        confirm="resolve",
    )

    def go(reason: str) -> None:
        def operation(services: Any, actor: Actor) -> None:
            from pilothouse.operations.alerts import alerts

            alerts.resolve(services, actor, alert.id, reason)

        view.perform(f"alert {alert.id} is resolved", operation)

    view.ask(question, go)
