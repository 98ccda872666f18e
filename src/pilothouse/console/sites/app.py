"""The console of several sites. It changes nothing itself: what is opened is the site's own console, in this terminal."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import App, ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.filter import LineFilter
from textual.message import Message
from textual.widgets import Input, Static

from pilothouse.console.dialogs import Help
from pilothouse.console.sanitise import Sanitiser
from pilothouse.console.sites.board import Board
from pilothouse.console.sites.keys import LISTS, SITE_ACTIONS, SITES
from pilothouse.console.widgets.frame_parts import Footer, OneLine
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.console.widgets.tones import line, paragraph
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.sites.answers import SiteItem
from pilothouse.domain.sites.readings import Reading, with_followed
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.site_tiles import detail, summary
from pilothouse.presentation.tables.site_rows import items_table
from pilothouse.presentation.width import clip, display_width
from pilothouse.sites.asking import Site, SiteWatch, console_command
from pilothouse.sites.last_states import LastStates

if TYPE_CHECKING:
    from textual.driver import Driver

_AGE_S = 1.0
"""How often ages are written anew."""
_TABS = (("1", "sites"), ("3", "approvals"), ("5", "jobs"), ("7", "fleet"), ("8", "alerts"))


class SitesConsole(App[int]):
    """One list over all sites. ``kept`` are the last states of those that are away."""

    CSS_PATH = "../styles/console.tcss"
    TITLE = "pilothouse"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS = [Binding(one.keys, f"act('{one.name}')", one.label, show=False) for one in SITE_ACTIONS]

    class Heard(Message):
        """A site was asked, in a thread."""

        def __init__(self, reading: Reading) -> None:
            super().__init__()
            self.reading = reading

    def __init__(self, sites: Sequence[Site], kept: LastStates, *, read_only: bool = False) -> None:
        super().__init__(ansi_color=True, watch_css=False)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.view = SITES
        self._sites = {site.name: site for site in sites}
        self._readings = {site.name: Reading(site=site.name) for site in sites}
        self._read_only = read_only
        self._sanitiser = Sanitiser()
        self._filter = ""
        self.watch_sites = SiteWatch(sites, lambda reading: self.post_message(self.Heard(reading)), kept)

    @property
    def readings(self) -> list[Reading]:
        """Every site, in the order in which they were named, each with those that it follows."""
        return with_followed(list(self._readings.values()))

    @property
    def crash(self) -> Exception | None:
        """The error that ended the console; None where it ended otherwise."""
        return self._exception

    def get_driver_class(self) -> "type[Driver]":
        """Our driver, whatever the environment names."""
        from pilothouse.console.terminal import TerminalDriver

        return TerminalDriver

    def get_line_filters(self) -> list[LineFilter]:
        """The sanitiser comes last: nothing after it can bring a control character back."""
        return [*super().get_line_filters(), self._sanitiser]

    def panic(self, *renderables: object) -> None:
        """End without printing: ``launch`` raises the error once the terminal is as it was before."""
        self._close_messages_no_wait()

    def _fatal_error(self) -> None:
        """As ``panic``. Textual would print a traceback with the values of all variables on the terminal."""
        self._close_messages_no_wait()

    def compose(self) -> ComposeResult:
        yield OneLine(id="place", classes="line", markup=False)
        yield OneLine(id="tabs", classes="line", markup=False)
        yield Board()
        yield Grid(id="grid")
        yield Static(markup=False, id="site-detail")
        yield Prompt(later=True)
        yield Footer(markup=False, id="footer")

    def on_mount(self) -> None:
        self._go(SITES)
        self.watch_sites.start()
        self.set_interval(_AGE_S, self._show)

    def on_unmount(self) -> None:
        self.watch_sites.stop()

    def on_sites_console_heard(self, message: Heard) -> None:
        """Show what a site says now."""
        self._readings[message.reading.site] = message.reading
        self._show()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    # ---- drawing

    def _go(self, view: str) -> None:
        self.view = view
        board, grid = self.query_one(Board), self.query_one(Grid)
        board.display, grid.display = view == SITES, view != SITES
        self._set_filter("")
        self._show()
        self.screen.set_focus(board if view == SITES else grid)

    def _show(self) -> None:
        if self.screen is not self.screen_stack[0]:
            return
        now = datetime.now(UTC)
        self._show_place()
        if self.view == SITES:
            self.query_one(Board).put(self.readings)
        else:
            self.query_one(Grid).put(items_table(LISTS[self.view], self.readings, now))
        self._show_detail(now)
        self.query_one(Footer).put(
            [
                (one, True)
                for one in SITE_ACTIONS
                if one.footer and not (one.name == "filter" and self.view == SITES)
            ]
        )

    def _show_place(self) -> None:
        width, said = self.size.width, summary(self.readings)
        said = f"READ-ONLY  {said}" if self._read_only else said
        left = (" sites" if self.view == SITES else f" sites › {self.view}") + (
            f" /{safe(self._filter, 40)}" if self._filter else ""
        )
        right = clip(said, max(1, min(display_width(said), width - display_width(left) - 3)))
        gap = " " * max(1, width - display_width(left) - display_width(right) - 1)
        self.query_one("#place", OneLine).put(Cell(left, "strong"), Cell(gap), Cell(right, "dim"))
        tabs = [
            part
            for key, view in _TABS
            for part in (
                Cell(" "),
                Cell(
                    f"[{key} {view.capitalize()}]" if view == self.view else f" {key} {view.capitalize()} ",
                    "strong" if view == self.view else "dim",
                ),
            )
        ]
        self.query_one("#tabs", OneLine).put(*tabs)

    def _show_detail(self, now: datetime) -> None:
        reading, widget = self._reading(), self.query_one("#site-detail", Static)
        if reading is None:
            widget.update("")
            return
        where, why = detail(reading, self._place(reading), now)
        room = max(10, self.size.width - 2 - display_width(where[0].text))
        where = (where[0], Cell(clip(where[1].text, min(room, display_width(where[1].text)))))
        widget.update(Text("\n").join([line(*where), paragraph(*why)]), layout=False)

    def _place(self, reading: Reading) -> str:
        return f"followed by {reading.via}" if reading.via else self._sites[reading.site].address.text

    def on_board_moved(self) -> None:
        self._show_detail(datetime.now(UTC))

    def on_grid_moved(self) -> None:
        if self.view != SITES:
            self._show_detail(datetime.now(UTC))

    # ---- what the cursor is on

    def _row(self) -> tuple[str, str]:
        """Site and key of the item under the cursor of a list."""
        site, _, key = (self.query_one(Grid).key or "").partition("\n")
        return site, key

    def _reading(self) -> Reading | None:
        if self.view == SITES:
            return self.query_one(Board).reading
        return self._readings.get(self._row()[0])

    def _item(self) -> SiteItem | None:
        site, key = self._row()
        reading = self._readings.get(site)
        items = reading.answer.items if reading and reading.answer else ()
        kind = LISTS.get(self.view)
        return next((one for one in items if one.kind == kind and one.key == key), None)

    # ---- actions

    async def action_act(self, name: str) -> None:
        """Perform an action of the table."""
        self.query_one(Footer).clear()
        if name.startswith("go_"):
            self._go(name.removeprefix("go_"))
        else:
            getattr(self, f"do_{name}")()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters belong to a filter while it is typed."""
        if action == "act" and isinstance(self.focused, Input):
            return parameters == ("back",)
        if action == "act" and len(self.screen_stack) > 1:
            return False
        return super().check_action(action, parameters)

    def on_board_chosen(self) -> None:
        self.do_open()

    def on_grid_chosen(self) -> None:
        self.do_open()

    def do_open(self) -> None:
        """Open the site's own console in this terminal, and come back when it is left."""
        reading = self._reading()
        if reading is None:
            return
        if reading.via:
            self.say(f"{reading.site} is known by what {reading.via} read of it: open it alone, with -w")
            return
        if not reading.standing.opens:
            why = reading.said or "it did not answer"
            self.say(f"{reading.site} is not opened, {reading.standing}: {why}")
            return
        item = self._item() if self.view != SITES else None
        command = console_command(self._sites[reading.site], item, read_only=self._read_only)
        try:
            with self.suspend():
                code = _run(command)
        except SuspendNotSupported:
            self.say("this terminal cannot be handed over: open the site alone, with pilothouse -w")
            return
        self.refresh(layout=True)
        self.watch_sites.look_again(reading.site)
        if code:
            self.say(f"the console of {reading.site} ended with exit code {code}")

    def do_again(self) -> None:
        reading = self._reading()
        if reading is not None:
            self.watch_sites.look_again(reading.via or reading.site)
            self.say(f"{reading.via or reading.site} is asked …")

    def do_filter(self) -> None:
        if self.view != SITES:
            self.query_one(Footer).display = False
            self.query_one(Prompt).open("/", self._filter)

    def on_prompt_filtered(self, message: Prompt.Filtered) -> None:
        """Filter while the text is typed."""
        self._set_filter(message.text)
        if message.done:
            self._close_prompt()
        self._show_place()

    def _set_filter(self, text: str) -> None:
        if text != self._filter:
            self._filter = text
            self.query_one(Grid).set_filter(text)

    def _close_prompt(self) -> None:
        self.query_one(Prompt).close()
        self.query_one(Footer).display = True
        self.screen.set_focus(self.query_one(Grid))

    def do_back(self) -> None:
        if self.query_one(Prompt).display:
            self._close_prompt()
        elif self._filter:
            self._set_filter("")
            self._show_place()
        else:
            self._go(SITES)

    def do_help(self) -> None:
        self.push_screen(Help(SITES, {}, SITE_ACTIONS, self.query_one(Footer).last_message))

    def do_leave(self) -> None:
        self.exit(0)

    def say(self, text: str) -> None:
        """Show a message until the next key."""
        self.query_one(Footer).say(text, "warn")


def _run(command: Sequence[str]) -> int:
    """Run to its end in the terminal. Raises nothing: ``suspend`` would not take the terminal back."""
    try:
        return subprocess.call(list(command))
    except OSError:
        return 127
