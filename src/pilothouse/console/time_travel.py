"""Looking at the past: ``:at TIME`` puts every view at a time by the data's clock, arrows step from event to event."""

from typing import TYPE_CHECKING

from textual.binding import Binding

from pilothouse.domain.errors import PilothouseError
from pilothouse.presentation.texts import time_text

if TYPE_CHECKING:
    from datetime import datetime

    from pilothouse.console.contract import ConsoleApp
    from pilothouse.operations.services import Services

STEP_BINDINGS = [
    Binding("left", "step(-1)", show=False, priority=True),
    Binding("right", "step(1)", show=False, priority=True),
]
"""Before every view's own arrows, and only in the past (``Console.check_action``)."""


class TimeTravel:
    """One reader's place in time. Opening another time is done in a thread; the views read again when it is there."""

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
        """``at TIME`` or ``now``."""
        word, _, rest = text.strip().partition(" ")
        if word.casefold() == "now" or rest.strip().casefold() == "now":
            self._arrive(None, "this is the present")
        elif not rest.strip():
            self._app.view.say(
                "expected :at TIME, e.g. :at 2013-07-04 14:00 or :at -7d; :now returns", "warn"
            )
        else:
            self._go(lambda services: self._read(services, rest))

    def step(self, steps: int) -> None:
        """To the event after, or before."""
        at = self._app.session.at
        if at is not None:
            self._go(lambda services: self._neighbour(services, at, steps))

    def _read(self, services: "Services", text: str) -> "tuple[datetime, str] | str":
        from pilothouse.operations.workspace import time_machine

        seen = self._app.session.seen or services
        at = time_machine.read_time(
            seen if text.strip().startswith("-") else services, self._app.session.actor, text
        )
        return at, f"everything as it was at {time_text(at)}"

    def _neighbour(self, services: "Services", at: "datetime", steps: int) -> "tuple[datetime, str] | str":
        from pilothouse.operations.workspace import time_machine

        found = time_machine.step(services, self._app.session.actor, at, steps)
        if found is None:
            return (
                "nothing happened before this" if steps < 0 else "nothing happened after this; :now returns"
            )
        return found.at, f"{time_text(found.at)} {found.text}"

    def _go(self, find: object) -> None:
        services = self._app.session.services
        if services is None or self._going:
            return
        self._going = True

        def work() -> None:
            from pilothouse.operations.workspace import time_machine

            past: Services | None = None
            try:
                found = find(services)  # type: ignore[operator]
                if isinstance(found, str):
                    words = found
                else:
                    past = time_machine.open_past(services, self._app.session.actor, found[0])
                    words = found[1]
            except PilothouseError as error:
                words = str(error)
            except BaseException:  # a fault of ours is the worker's to tell; the next key may try again
                self._going = False
                raise
            self._app.call_from_thread(self._arrive if past else self._stay, past, words)

        self._app.run_worker(work, thread=True, exit_on_error=False, group="past")

    def _stay(self, _: None, words: str) -> None:
        self._going = False
        self._app.view.say(words, "warn")

    def _arrive(self, past: "Services | None", words: str) -> None:
        self._going = False
        session = self._app.session
        before, session.past = session.past, past
        self._app.view.ask_anew()
        self._app.view.say(words, "info")
        if before is not None:
            before.close()
