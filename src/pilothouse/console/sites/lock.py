"""Idle lock of the console of several sites: after the shortest of its sites, unlocked by one that its user has named.

How soon a site locks says nothing of how well it knows its user, and a site can say what it likes: so the shortest lock does
not choose who unlocks. The first that was named does, of those that have a lock and answer; the user may take another of them.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from pilothouse.console.terminal_app import TerminalApp
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.sites.readings import Reading, Standing
from pilothouse.presentation.cell import Cell

CHECK_S = 1.0
_SHORTEST_S = 30
"""The shortest that a site can set; one that says less lies, and locks nobody out."""

_ANSWERING = (Standing.ANSWERS, Standing.READ_ONLY)


class Lockable(TerminalApp):
    """What a console of several sites gives to its lock."""

    @property
    @abstractmethod
    def readings(self) -> list[Reading]:
        """Every site."""

    @abstractmethod
    def run_in_site(self, name: str, words: Sequence[str]) -> int | None:
        """Run a command of a site in this terminal; its exit code."""


def strictest(readings: Iterable[Reading]) -> tuple[str, int] | None:
    """The site whose consoles lock themselves soonest, and after how many seconds; None where none does."""
    found = [
        (max(_SHORTEST_S, one.answer.idle_lock_s), one.site)
        for one in readings
        if one.answer is not None and one.answer.idle_lock_s and not one.via
    ]
    return (min(found)[1], min(found)[0]) if found else None


def unlocking(readings: Iterable[Reading]) -> list[str]:
    """Sites that can unlock it, as they were named: those that have a lock themselves and answer."""
    return [
        one.site
        for one in readings
        if one.answer is not None and one.answer.idle_lock_s and not one.via and one.standing in _ANSWERING
    ]


class SitesLock:
    """When the console is locked. ``clock`` gives seconds."""

    def __init__(self, app: Lockable, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._pressed_at = clock()
        self.locked = False

    def pressed(self) -> None:
        """A key was pressed, here or in a site's own console."""
        self._pressed_at = self._clock()

    def check(self) -> None:
        """Lock the console where its time has come."""
        found = strictest(self._app.readings)
        if self.locked or found is None or self._clock() - self._pressed_at < found[1]:
            return
        self.locked = True
        self._app.push_screen(LockedSites(*found), self._unlocked)

    def _unlocked(self, _: object) -> None:
        self.locked = False
        self.pressed()


class LockedSites(ModalScreen[None]):
    """The lock: over everything, until a site unlocks it in this terminal, or the console is left."""

    BINDINGS = [
        Binding("ctrl+d", "leave", show=False, priority=True),
        Binding("enter", "unlock", show=False, priority=True),
        Binding("n", "another", show=False, priority=True),
    ]

    app: Lockable

    def __init__(self, site: str, after_s: int) -> None:
        super().__init__()
        self._site, self._after_s = site, after_s
        self._by = ""
        """The site that is asked to unlock it."""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(line(Cell("locked", "strong")), markup=False, id="title")
            yield Static(markup=False, id="message")
            yield Static(markup=False, id="keys")

    def on_mount(self) -> None:
        self._show()
        self.set_interval(CHECK_S, self._show)  # sites come and go

    def _show(self) -> None:
        able = unlocking(self.app.readings)
        if self._by not in able:
            self._by = able[0] if able else ""
        why = f"{safe(self._site)} locks its consoles after {format_duration(self._after_s)} without a key. "
        if self._by:
            how = (
                f"Enter unlocks this one by your SSH agent or your passphrase in {safe(self._by)}, asked for in this "
                "terminal."
            )
        else:
            how = "None of the sites that lock their consoles answers now: wait, or leave and come again."
        keys = (
            f"n another site than {safe(self._by)} ({len(able)} can) · " if len(able) > 1 else ""
        ) + "Ctrl+D leaves"
        self.query_one("#message", Static).update(Text(why + how))
        self.query_one("#keys", Static).update(line(Cell(keys, "dim")))

    def action_another(self) -> None:
        able = unlocking(self.app.readings)
        if self._by in able:
            self._by = able[(able.index(self._by) + 1) % len(able)]
        self._show()

    def action_unlock(self) -> None:
        if not self._by:
            return
        if self.app.run_in_site(self._by, ["site", "unlock"]) == 0:
            self.dismiss(None)
        else:
            self.query_one("#title", Static).update(
                line(Cell(f"locked: {safe(self._by)} did not unlock it", "bad"))
            )

    def action_leave(self) -> None:
        self.app.exit(0)
