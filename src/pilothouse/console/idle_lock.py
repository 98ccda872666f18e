"""Idle lock: a console that nobody has pressed a key in for a time shows nothing but that it is locked, and whose it is.

Keys count, and not what is drawn: a screen that follows changes would keep itself awake.
"""

import time
from collections.abc import Callable
from functools import partial
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
    from pilothouse.domain.identity.roles import Actor
    from pilothouse.operations.identity.idle_lock import Ways
    from pilothouse.operations.services import Services

CHECK_S = 1.0
_NO_WAY = (
    "nothing of yours unlocks it: you have no passphrase, and {why}. Leave, and come again: what you had not sent is lost. To "
    "unlock it the next time, connect with ssh -A, or set a passphrase (pilothouse passphrase set)."
)
_LONGEST = 600
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
    """The lock: over everything, until the user's key or passphrase unlocks it, or the console is left."""

    BINDINGS = [
        Binding("ctrl+d", "leave", show=False, priority=True),
        Binding("enter", "ask_agent", show=False),
    ]

    app: "ConsoleApp"
    _by_key = ""
    """What is said of the key that unlocks; empty where there is none."""
    _by_passphrase = False

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
        self._work(self._begin)

    def _work(self, work: Callable[[], None]) -> None:
        self.run_worker(work, thread=True, exit_on_error=False, group="lock")

    def _begin(self) -> None:
        """Record the lock, and find out what unlocks it."""
        from pilothouse.operations.identity import idle_lock
        from pilothouse.signing.agent import socket_of

        session = self.app.session
        assert session.services is not None
        try:
            idle_lock.note_lock(session.services, session.actor, session.number)
            found = idle_lock.ways(session.services, session.actor, socket_of())
        except PilothouseError as error:
            self.app.call_from_thread(self._say, str(error))
        else:
            self.app.call_from_thread(self._offer, found)

    def _offer(self, found: "Ways") -> None:
        self._by_passphrase = found.passphrase
        self._by_key = f"Enter unlocks it with {found.key} of your SSH agent" if found.key else ""
        if self._by_key or self._by_passphrase:
            self._ask()
        else:
            self._say(f"{_NO_WAY.format(why=found.why_no_key)}")

    def _say(self, text: str) -> None:
        self.query_one("#message", Static).update(safe(text, _LONGEST))

    def _ask(self, before: str = "") -> None:
        """Say what unlocks it, after what was wrong with the try before."""
        field = self.query_one(Input)
        typed = (
            "or type your passphrase" if self._by_key else "your passphrase unlocks it"
        ) * self._by_passphrase
        self._say("; ".join(filter(None, [before, self._by_key, typed])))
        field.value, field.disabled, field.display = "", not self._by_passphrase, self._by_passphrase
        self.set_focus(field if self._by_passphrase else None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        field = self.query_one(Input)
        given, field.value = field.value, ""
        if given or not self._by_key:
            field.disabled = True
            self._work(lambda: self._try(partial(self._by_typing, given=given)))
        else:
            self.action_ask_agent()

    def action_ask_agent(self) -> None:
        """Unlock by the key in the agent."""
        if self._by_key:
            self.query_one(Input).disabled = True
            self._say("the SSH agent is asked to sign: confirm there, or touch the key …")
            self._work(lambda: self._try(self._by_agent))

    def _try(self, unlock: "Callable[[Services, Actor, int | None], None]") -> None:
        session = self.app.session
        assert session.services is not None
        try:
            unlock(session.services, session.actor, session.number)
        except PilothouseError as error:
            self.app.call_from_thread(self._ask, str(error))
        else:
            self.app.call_from_thread(self.dismiss, None)

    @staticmethod
    def _by_typing(services: "Services", actor: "Actor", session: int | None, given: str) -> None:
        from pilothouse.operations.identity import idle_lock

        idle_lock.unlock(services, actor, session, given)

    @staticmethod
    def _by_agent(services: "Services", actor: "Actor", session: int | None) -> None:
        from pilothouse.operations.identity import idle_lock
        from pilothouse.signing.agent import socket_of

        idle_lock.unlock_with_agent(services, actor, session, socket_of())

    def action_leave(self) -> None:
        self.app.exit(0)
