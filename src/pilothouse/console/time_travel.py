"""Time travel: ``:at TIME`` shows every view at a time by the data's clock; arrows step from event to event."""

from typing import TYPE_CHECKING

from textual.binding import Binding

from pilothouse.domain.errors import PilothouseError
from pilothouse.presentation.texts import time_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pilothouse.console.contract import ConsoleApp
    from pilothouse.operations.services import Services

STEP_BINDINGS = [
    Binding("left", "step(-1)", show=False, priority=True),
    Binding("right", "step(1)", show=False, priority=True),
]
"""They precede every view's own arrows, and work only in the past (``Console.check_action``)."""


class TimeTravel:
    """The time that one user looks at. Another time is opened in a thread; then the views load again."""

    def __init__(self, app: "ConsoleApp") -> None:
        self._app = app
        self._going = False

    @staticmethod
    def understands(text: str) -> bool:
        """True for ``at …`` and ``now``."""
        return (text.split() or [""])[0].casefold() in ("at", "now")

    @property
    def settled(self) -> bool:
        """False while another time is being opened."""
        return not self._going

    def command(self, text: str) -> None:
        """Run ``at TIME`` or ``now``."""
        name, _, argument = text.strip().partition(" ")
        if name.casefold() == "now" or argument.strip().casefold() == "now":
            self._arrive(None, "this is the present")
        elif not argument.strip():
            self._app.view.say(
                "expected :at TIME, e.g. :at 2013-07-04 14:00 or :at -7d; :now returns", "warn"
            )
        else:
            self._go(lambda services: self._parsed(services, argument))

    def step(self, steps: int) -> None:
        """Go to an event after or before."""
        at = self._app.session.at
        if at is not None:
            self._go(lambda services: self._neighbour(services, at, steps))

    def _parsed(self, services: "Services", text: str) -> "tuple[datetime, str]":
        from pilothouse.operations.workspace import time_machine

        seen = self._app.session.seen or services
        at = time_machine.read_time(
            seen if text.strip().startswith("-") else services, self._app.session.actor, text
        )
        return at, f"everything as it was at {time_text(at)}"

    def _neighbour(self, services: "Services", at: "datetime", steps: int) -> "tuple[datetime, str] | str":
        from pilothouse.operations.workspace import time_machine

        event = time_machine.step(services, self._app.session.actor, at, steps)
        if event is None:
            return (
                "nothing happened before this" if steps < 0 else "nothing happened after this; :now returns"
            )
        return event.at, f"{time_text(event.at)} {event.text}"

    def _go(self, find: "Callable[[Services], tuple[datetime, str] | str]") -> None:
        """Open the time that ``find`` answers with, or show its message where it is a text."""
        services = self._app.session.services
        if services is None or self._going:
            return
        self._going = True

        def work() -> None:
            from pilothouse.operations.workspace import time_machine

            past: Services | None = None
            try:
                answer = find(services)
                if isinstance(answer, str):
                    message = answer
                else:
                    at, message = answer
                    past = time_machine.open_past(services, self._app.session.actor, at)
            except PilothouseError as error:
                message = str(error)
            except BaseException:  # an internal error is reported by the worker; the next key may try again
                self._going = False
                raise
            self._app.call_from_thread(self._arrive if past else self._stay, past, message)

        self._app.run_worker(work, thread=True, exit_on_error=False, group="past")

    def _stay(self, _: None, message: str) -> None:
        self._going = False
        self._app.view.say(message, "warn")

    def _arrive(self, past: "Services | None", message: str) -> None:
        self._going = False
        session = self._app.session
        before, session.past = session.past, past
        self._app.view.invalidate()
        self._app.view.say(message, "info")
        if before is not None:
            before.close()
