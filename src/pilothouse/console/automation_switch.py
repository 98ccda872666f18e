"""The one key that stops everything that runs by itself, and lets it run again."""

from typing import Any

from pilothouse.console.contract import ViewLike
from pilothouse.console.dialogs import Ask


def ask(view: ViewLike) -> None:
    """Ask for the reason, say what it means, and switch."""
    status = view.session.status
    if status is None:
        return
    if status.automation.paused:
        question = Ask(
            "Resume all automation?",
            [
                f"Paused by {status.automation.actor}: {status.automation.reason}",
                "",
                "Schedules, retraining on alerts and automatic deployment run again.",
            ],
            field="reason",
            confirm="resume",
        )
    else:
        question = Ask(
            "Pause all automation?",
            [
                "No schedule fires, no alert starts a retraining, nothing is deployed automatically, until somebody resumes.",
                "Serving, monitoring and people go on. Every screen says so.",
            ],
            field="reason",
            required=True,
            confirm="pause",
            tone="warn",
        )
    view.ask(question, lambda reason: _switch(view, reason, paused=status.automation.paused))


def _switch(view: ViewLike, reason: str, *, paused: bool) -> None:
    def operation(services: Any, actor: Any) -> None:
        from pilothouse.operations import automation_switch

        if paused:
            automation_switch.resume(services, actor, reason)
        else:
            automation_switch.pause(services, actor, reason)

    view.perform("automation runs again" if paused else "automation is paused", operation, view.app.look)
