"""Handling all alerts of an incident at once: shared by the list of incidents and the incident itself."""

from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.incidents import Incident
from pilothouse.domain.records import AlertStatus
from pilothouse.domain.roles import Actor

_LISTED = 6


def refusal(name: str, incident: Incident | None) -> str:
    """Why an incident cannot be handled so now; empty if it can."""
    if incident is None:
        return "there is no incident here"
    if name == "acknowledge" and incident.status is not AlertStatus.OPEN:
        return f"incident {incident.id} is {incident.status}"
    if name in ("resolve", "assign") and incident.status is AlertStatus.RESOLVED:
        return f"incident {incident.id} is over"
    if name == "job" and not incident.retrainings:
        return f"incident {incident.id} has started no retraining"
    return ""


def acknowledge(view: View[Any], incident: Incident) -> None:
    """Ask for a note, then say that somebody is on it."""
    waiting = [a.summary for a in incident.alerts if a.status is AlertStatus.OPEN]
    question = Ask(
        f"Acknowledge incident {incident.id}?",
        [*_some(waiting), "They stay until their monitors are quiet or somebody resolves them."],
        field="note",
        confirm="acknowledge",
    )

    def go(note: str) -> None:
        def operation(services: Any, actor: Actor) -> None:
            from pilothouse.operations import incidents

            incidents.acknowledge(services, actor, incident.id, note)

        view.perform(f"incident {incident.id} is acknowledged", operation)

    view.ask(question, go)


def resolve(view: View[Any], incident: Incident) -> None:
    """Ask for the reason, then close it."""
    question = Ask(
        f"Resolve incident {incident.id}?",
        [*_some([a.summary for a in incident.unresolved]), "A new one opens if their monitors still speak."],
        field="reason",
        required=True,
        confirm="resolve",
    )

    def go(reason: str) -> None:
        def operation(services: Any, actor: Actor) -> None:
            from pilothouse.operations import incidents

            incidents.resolve(services, actor, incident.id, reason)

        view.perform(f"incident {incident.id} is resolved", operation)

    view.ask(question, go)


def assign(view: View[Any], incident: Incident) -> None:
    """Ask for the name."""
    now = f"{incident.assignee} looks after it now." if incident.assignee else "Nobody looks after it yet."
    question = Ask(
        f"Who looks after incident {incident.id}?",
        [incident.cause, f"{now} Leave the name empty for nobody."],
        field="name",
        confirm="assign",
    )

    def go(name: str) -> None:
        def operation(services: Any, actor: Actor) -> None:
            from pilothouse.operations import incidents

            incidents.assign(services, actor, incident.id, name)

        view.perform(f"{name.strip() or 'nobody'} looks after incident {incident.id}", operation)

    view.ask(question, go)


def _some(summaries: list[str]) -> list[str]:
    more = len(summaries) - _LISTED
    return [*summaries[:_LISTED], *([f"… and {more} more"] if more > 0 else [])]
