"""Handling all alerts of one incident or several at once: shared by the list of incidents and the incident itself."""

from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.incidents import Incident
from pilothouse.domain.records import AlertStatus
from pilothouse.domain.roles import Actor

_LISTED = 6
Act = Callable[[Any, Actor, int], object]
"""What is done to the incident of a number."""


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


def acknowledge(view: View[Any], chosen: Sequence[Incident]) -> None:
    """Ask for a note, then say that somebody is on each of them."""
    waiting = [a.summary for i in chosen for a in i.alerts if a.status is AlertStatus.OPEN]
    question = Ask(
        f"Acknowledge {_named(chosen)}?",
        [*_each(chosen, waiting), "They stay until their monitors are quiet or somebody resolves them."],
        field="note",
        confirm=_counted("acknowledge", chosen),
    )

    def go(note: str) -> None:
        def act(services: Any, actor: Actor, number: int) -> None:
            from pilothouse.operations.alerts import incidents

            incidents.acknowledge(services, actor, number, note)

        _perform(view, chosen, act, lambda which, are: f"{which} {are} acknowledged")

    view.ask(question, go)


def resolve(view: View[Any], chosen: Sequence[Incident]) -> None:
    """Ask for the reason, then close each of them."""
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

    def go(reason: str) -> None:
        def act(services: Any, actor: Actor, number: int) -> None:
            from pilothouse.operations.alerts import incidents

            incidents.resolve(services, actor, number, reason)

        _perform(view, chosen, act, lambda which, are: f"{which} {are} resolved")

    view.ask(question, go)


def assign(view: View[Any], chosen: Sequence[Incident]) -> None:
    """Ask for the name."""
    keepers = [name for name in dict.fromkeys(i.assignee for i in chosen) if name]
    now = f"{' and '.join(keepers)} looks after it now." if keepers else "Nobody looks after it yet."
    question = Ask(
        f"Who looks after {_named(chosen)}?",
        [
            *_each(chosen, [i.cause for i in chosen]),
            f"{now if len(chosen) == 1 else ''} Leave the name empty for nobody.".strip(),
        ],
        field="name",
        confirm=_counted("assign", chosen),
    )

    def go(name: str) -> None:
        def act(services: Any, actor: Actor, number: int) -> None:
            from pilothouse.operations.alerts import incidents

            incidents.assign(services, actor, number, name)

        _perform(view, chosen, act, lambda which, _: f"{name.strip() or 'nobody'} looks after {which}")

    view.ask(question, go)


def _perform(view: View[Any], chosen: Sequence[Incident], act: Act, words: Callable[[str, str], str]) -> None:
    """One incident after the other, each in its own transaction: one that is refused leaves the others done."""

    def operation(services: Any, actor: Actor) -> str:
        done: list[str] = []
        refused: list[str] = []
        for incident in chosen:
            try:
                act(services, actor, incident.id)
                done.append(str(incident.id))
            except PilothouseError as error:
                if len(chosen) == 1:
                    raise
                refused.append(f"incident {incident.id}: {error}")
        said = words(
            f"incident{'' if len(done) == 1 else 's'} {', '.join(done)}", "is" if len(done) == 1 else "are"
        )
        if refused:
            told = said if done else "nothing was done"
            raise PilothouseError(f"{len(done)} of {len(chosen)}: {told}; refused: {'; '.join(refused)}")
        return said

    view.perform("", operation)


def _named(chosen: Sequence[Incident]) -> str:
    return f"incident {chosen[0].id}" if len(chosen) == 1 else f"{len(chosen)} incidents"


def _counted(verb: str, chosen: Sequence[Incident]) -> str:
    return verb if len(chosen) == 1 else f"{verb} {len(chosen)} incidents"


def _each(chosen: Sequence[Incident], of_one: Sequence[str]) -> list[str]:
    """What a single incident is about; of several, each by name."""
    if len(chosen) > 1:
        return [f"incident {i.id}: {i.cause}, {i.model} on {' '.join(i.targets)}, {i.status}" for i in chosen]
    more = len(of_one) - _LISTED
    return [*of_one[:_LISTED], *([f"… and {more} more"] if more > 0 else [])]
