"""The switch that pauses and resumes all automation."""

from typing import Any

from pilothouse.console.contract import ViewLike
from pilothouse.console.dialogs import Ask


def ask(view: ViewLike) -> None:
    """Ask for a reason, then pause or resume."""
    status = view.session.status
    if status is None:
        return
    if status.automation.paused:
        question = Ask(
            "Resume all automation?",
            [
                f"Paused by {status.automation.actor}: {status.automation.reason}",
                "",
                "Schedules, retraining on alerts, automatic deployment and roll-outs run again.",
            ],
            field="reason",
            confirm="resume",
        )
    else:
        question = Ask(
            "Pause all automation?",
            [
                "No schedule fires, no alert starts a retraining, nothing is deployed automatically, until somebody resumes.",
                "No roll-out takes a step forward. Serving, monitoring and people go on. Every screen says so.",
            ],
            field="reason",
            required=True,
            confirm="pause",
            tone="warn",
        )

    paused = status.automation.paused

    def operation(services: Any, actor: Any, reason: str) -> None:
        from pilothouse.operations import automation_switch

        switch = automation_switch.resume if paused else automation_switch.pause
        switch(services, actor, reason)

    message = "automation runs again" if paused else "automation is paused"
    view.confirm(question, operation, message, view.app.look)
