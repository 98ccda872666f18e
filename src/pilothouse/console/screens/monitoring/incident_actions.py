"""Handling the alerts of one incident or several: shared by the list of incidents and the incident itself."""

from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.incidents import Incident
from pilothouse.domain.records import AlertStatus

_LISTED = 6
"""Alerts that a question names."""
Act = Callable[[Any, Actor, int, str], object]
"""An operation on the incident of a number, with the text typed."""


def refusal(name: str, incident: Incident | None) -> str:
    """The reason why an incident cannot be handled so now; empty if it can."""
    if incident is None:
        return "there is no incident here"
    if name == "acknowledge" and incident.status is not AlertStatus.OPEN:
        return f"incident {incident.id} is {incident.status}"
    if name in ("resolve", "assign") and incident.status is AlertStatus.RESOLVED:
        return f"incident {incident.id} is over"
    if name == "job" and not incident.retrainings:
        return f"incident {incident.id} has started no retraining"
    return ""


def acknowledge(view: View[Any], chosen: Sequence[Incident]) -> None:
    """Ask for a note, then acknowledge each incident."""
    from pilothouse.operations.alerts import incidents

    waiting = [a.summary for i in chosen for a in i.alerts if a.status is AlertStatus.OPEN]
    question = Ask(
        f"Acknowledge {_named(chosen)}?",
        [
            *_each(chosen, waiting),
            "They stay until their monitors are quiet or somebody resolves them. You look after what nobody does yet.",
        ],
        field="note",
        confirm=_counted("acknowledge", chosen),
    )

    _confirm(
        view, chosen, question, incidents.acknowledge, lambda names, are, _: f"{names} {are} acknowledged"
    )


def resolve(view: View[Any], chosen: Sequence[Incident]) -> None:
    """Ask for the reason, then resolve each incident."""
    from pilothouse.operations.alerts import incidents

    question = Ask(
        f"Resolve {_named(chosen)}?",
        [
            *_each(chosen, [a.summary for i in chosen for a in i.unresolved]),
            "A new one opens if their monitors still find them significant.",
        ],
        field="reason",
        required=True,
        confirm=_counted("resolve", chosen),
    )

    _confirm(view, chosen, question, incidents.resolve, lambda names, are, _: f"{names} {are} resolved")


def assign(view: View[Any], chosen: Sequence[Incident]) -> None:
    """Ask for a name, then assign each incident."""
    from pilothouse.operations.alerts import incidents

    assignees = [name for name in dict.fromkeys(i.assignee for i in chosen) if name]
    now = f"{' and '.join(assignees)} looks after it now." if assignees else "Nobody looks after it yet."
    question = Ask(
        f"Who looks after {_named(chosen)}?",
        [
            *_each(chosen, [i.cause for i in chosen]),
            f"{now if len(chosen) == 1 else ''} Leave the name empty for nobody.".strip(),
        ],
        field="name",
        confirm=_counted("assign", chosen),
    )

    _confirm(
        view,
        chosen,
        question,
        incidents.assign,
        lambda names, _, person: f"{person.strip() or 'nobody'} looks after {names}",
    )


def _confirm(
    view: View[Any],
    chosen: Sequence[Incident],
    question: Ask,
    act: Act,
    message: Callable[[str, str, str], str],
) -> None:
    """Ask, then handle one incident after the other, each in its own transaction: a refusal leaves the others done.

    ``message`` is made of the incidents, "is" or "are", and the text typed.
    """

    def operation(services: Any, actor: Actor, text: str) -> str:
        done: list[str] = []
        refused: list[str] = []
        for incident in chosen:
            try:
                act(services, actor, incident.id, text)
                done.append(str(incident.id))
            except PilothouseError as error:
                if len(chosen) == 1:
                    raise
                refused.append(f"incident {incident.id}: {error}")
        plural = len(done) != 1
        result = message(
            f"incident{'s' if plural else ''} {', '.join(done)}", "are" if plural else "is", text
        )
        if refused:
            result = result if done else "nothing was done"
            raise PilothouseError(f"{len(done)} of {len(chosen)}: {result}; refused: {'; '.join(refused)}")
        return result

    view.confirm(question, operation)


def _named(chosen: Sequence[Incident]) -> str:
    return f"incident {chosen[0].id}" if len(chosen) == 1 else f"{len(chosen)} incidents"


def _counted(verb: str, chosen: Sequence[Incident]) -> str:
    return verb if len(chosen) == 1 else f"{verb} {len(chosen)} incidents"


def _each(chosen: Sequence[Incident], facts: Sequence[str]) -> list[str]:
    """The facts of a single incident; of several, each by name."""
    if len(chosen) > 1:
        return [f"incident {i.id}: {i.cause}, {i.model} on {' '.join(i.targets)}, {i.status}" for i in chosen]
    more = len(facts) - _LISTED
    return [*facts[:_LISTED], *([f"… and {more} more"] if more > 0 else [])]
