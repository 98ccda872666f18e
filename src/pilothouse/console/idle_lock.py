"""Idle lock: a console that nobody has pressed a key in for a time shows nothing but that it is locked, and whose it is.

Keys count, and not what is drawn: a screen that follows changes would keep itself awake.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pilothouse.console.widgets.field import TextField
from pilothouse.console.widgets.tones import line
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.presentation.cell import Cell

if TYPE_CHECKING:
    from pilothouse.console.contract import ConsoleApp

CHECK_S = 1.0
_NO_WAY = "no passphrase of yours unlocks it: leave, and come again"
_LEAVE = "Ctrl+D leaves"


class IdleLock:
    """When a console is locked. ``clock`` gives seconds."""

    def __init__(self, app: "ConsoleApp", clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._pressed_at = clock()
        self.locked = False
        """Whether the console shows its lock, and does nothing else."""

    def pressed(self) -> None:
        """A key was pressed."""
        self._pressed_at = self._clock()

    def check(self) -> None:
        """Lock the console where its time has come."""
        status = self._app.session.status
        after_s = status.idle_lock_s if status else None
        if self.locked or after_s is None or self._clock() - self._pressed_at < after_s:
            return
        self.locked = True
        self._app.push_screen(Locked(), self._unlocked)

    def _unlocked(self, _: object) -> None:
        self.locked = False


class Locked(ModalScreen[None]):
    """The lock: over everything, until the user's passphrase is given or the console is left."""

    BINDINGS = [Binding("ctrl+d", "leave", show=False, priority=True)]

    app: "ConsoleApp"

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(
                line(Cell(f"locked: {safe(self.app.session.actor.name)}", "strong")), markup=False, id="title"
            )
            yield Static(markup=False, id="message")
            yield TextField(id="secret", password=True, disabled=True)
            yield Static(line(Cell(_LEAVE, "dim")), markup=False, id="keys")

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self.run_worker(self._begin, thread=True, exit_on_error=False, group="lock")

    def _begin(self) -> None:
        """Record the lock, and find out what unlocks it."""
        from pilothouse.operations.identity import idle_lock

        session = self.app.session
        assert session.services is not None
        try:
            idle_lock.note_lock(session.services, session.actor, session.number)
            can_unlock = idle_lock.can_unlock(session.services, session.actor)
        except PilothouseError as error:
            self.app.call_from_thread(self._say, str(error))
        else:
            self.app.call_from_thread(
                self._ask if can_unlock else self._say, *([] if can_unlock else [_NO_WAY])
            )

    def _say(self, text: str) -> None:
        self.query_one("#message", Static).update(safe(text))

    def _ask(self, text: str = "your passphrase unlocks it") -> None:
        self._say(text)
        field = self.query_one(Input)
        field.value, field.disabled, field.display = "", False, True
        self.set_focus(field)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        field = self.query_one(Input)
        given, field.value, field.disabled = field.value, "", True
        self.run_worker(lambda: self._try(given), thread=True, exit_on_error=False, group="lock")

    def _try(self, given: str) -> None:
        from pilothouse.operations.identity import idle_lock

        session = self.app.session
        assert session.services is not None
        try:
            idle_lock.unlock(session.services, session.actor, session.number, given)
        except PilothouseError as error:
            self.app.call_from_thread(self._ask, str(error))
        else:
            self.app.call_from_thread(self.dismiss, None)

    def action_leave(self) -> None:
        self.app.exit(0)
