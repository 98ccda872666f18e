"""The console of several sites. It changes nothing itself: a site's own console opens in this terminal, and an act is a
command in the site."""

import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text
from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input, Static

from pilothouse.console.dialogs import Help
from pilothouse.console.session.actions import EVERYWHERE, Action, key_of
from pilothouse.console.session.config import ConsoleConfig
from pilothouse.console.session.typeahead import TypeAhead
from pilothouse.console.sites.acting import NOT_KNOWN, Acts, act_of, refusals, why_not
from pilothouse.console.sites.board import Board
from pilothouse.console.sites.header import place_cells, tab_cells
from pilothouse.console.sites.keys import LISTS, SEARCH, SITE_ACTIONS, SITES, actions_in
from pilothouse.console.sites.lock import CHECK_S, Lockable, SitesLock
from pilothouse.console.terminal_app import wait_to_be_read, without_echo
from pilothouse.console.widgets.frame_parts import Footer, OneLine
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.console.widgets.tones import line, paragraph, use_skin
from pilothouse.domain.listing import parse_filter
from pilothouse.domain.sites.answers import SiteItem
from pilothouse.domain.sites.one_site import merged
from pilothouse.domain.sites.readings import Reading, aged, badness, with_followed
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.site_tiles import detail, filter_cells, summary
from pilothouse.presentation.tables.site_rows import heard_text, item_key, items_table
from pilothouse.presentation.width import clip, display_width
from pilothouse.sites.asking import Site, SiteWatch, console_command, site_command
from pilothouse.sites.last_states import LastStates

_AGE_S = 1.0
"""How often ages are written anew."""


class SitesConsole(Lockable):
    """One list over all sites. ``kept`` are the last states of those that are away; ``fault`` is what is wrong with the
    configuration, and ``config_path`` where it was named."""

    CSS_PATH = "../styles/console.tcss"
    TITLE = "pilothouse"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS = [
        Binding(one.keys, f"act('{one.name}')", one.label, id=one.id, show=False) for one in SITE_ACTIONS
    ]

    class Heard(Message):
        """A site was asked, in a thread."""

        def __init__(self, reading: Reading) -> None:
            super().__init__()
            self.reading = reading

    def __init__(
        self,
        sites: Sequence[Site],
        kept: LastStates,
        *,
        read_only: bool = False,
        config: ConsoleConfig | None = None,
        config_path: Path | None = None,
        fault: str = "",
    ) -> None:
        super().__init__(ansi_color=True, watch_css=False)
        self._config, self._config_path, self._fault = config or ConsoleConfig(), config_path, fault
        self.theme = "ansi-light" if self._config.skin == "light" else "ansi-dark"
        self.animation_level = "none"
        use_skin(self._config.tones)
        if self._config.keys:
            self.set_keymap(dict(self._config.keys))
        self.view = SITES
        self._sites = {site.name: site for site in sites}
        self._readings = {site.name: Reading(site=site.name) for site in sites}
        self._read_only = read_only
        self._filter = ""
        self._worst_first = True
        self._leaving = False
        self.lock = SitesLock(self)
        self._typed = TypeAhead(self, super().on_event, lambda: True)
        self.acts = Acts(self, self._act_ended, lambda: self.lock.locked)
        self.watch_sites = SiteWatch(sites, lambda reading: self.post_message(self.Heard(reading)), kept)

    @property
    def readings(self) -> list[Reading]:
        """Every site once, in the order in which they were named, each with those that it follows."""
        now = datetime.now(UTC)
        return merged(with_followed([aged(one, now) for one in self._readings.values()]))

    async def on_event(self, event: events.Event) -> None:
        """Deliver keys one after the other: what is typed ahead of a question or a filter must not act on a row."""
        if isinstance(event, events.Key | events.Paste):
            self.lock.pressed()  # and nothing that is drawn
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._typed.put(event)
        else:
            await super().on_event(event)

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
        self.set_interval(CHECK_S, self.lock.check)
        if self._fault:
            self.say(self._fault)

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
        board, grid = self.query_one(Board), self.query_one(Grid)
        if view != self.view:  # one grid shows every list: the row of the one before is no place in this one
            grid.begin_at_top()
        self.view = view
        board.display, grid.display = view == SITES, view != SITES
        self._set_filter("")
        self._show()
        self.screen.set_focus(board if view == SITES else grid)

    def _show(self) -> None:
        if len(self.screen_stack) != 1 or len(self.screen.query("#place, #site-detail, #footer")) < 3:
            return  # a question is over it, or it is ending
        now = datetime.now(UTC)
        self._show_place()
        if self.view == SITES:
            passing = parse_filter(self._filter)
            shown = [one for one in self.readings if not passing or passing.matches(filter_cells(one))]
            shown.sort(key=badness if self._worst_first else lambda _: 0)
            self.query_one(Board).put(shown, f"no site passes /{self._filter}; Esc clears the filter")
        else:
            self.query_one(Grid).put(items_table(LISTS[self.view], self.readings, now))
        self._show_detail(now)

    def _show_place(self) -> None:
        readings, first = self.readings, "READ-ONLY  " if self._read_only else ""
        said = [first + summary(readings), first + summary(readings, short=True)]
        self.query_one("#place", OneLine).put(*place_cells(self.view, self._filter, said, self.size.width))
        self.query_one("#tabs", OneLine).put(*tab_cells(self.view, self._actions()))

    def _actions(self) -> tuple[Action, ...]:
        item = self._item()
        return actions_in(self.view, item.kind if item is not None else "", self._config.keys)

    def _refusals(self) -> dict[str, str]:
        return refusals(self._actions(), self._item(), self._reading(), read_only=self._read_only)

    def _show_keys(self) -> None:
        refusals = self._refusals()
        self.query_one(Footer).put([(one, one.name not in refusals) for one in self._actions() if one.footer])

    def _show_detail(self, now: datetime) -> None:
        self._show_keys()
        reading, widget = self._reading(), self.query_one("#site-detail", Static)
        if reading is None:
            widget.update("")
            return
        where, why = detail(reading, self._place(reading), now, self._item())
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

    def _reading(self) -> Reading | None:
        if self.view == SITES:
            return self.query_one(Board).reading
        name = (self.query_one(Grid).key or "").partition("\n")[0]
        return next((one for one in self.readings if one.site == name), None)

    def _item(self) -> SiteItem | None:
        reading = self._reading() if self.view != SITES else None
        items = reading.answer.items if reading is not None and reading.answer else ()
        key = self.query_one(Grid).key
        return next((one for one in items if reading and item_key(reading, one) == key), None)

    # ---- actions

    async def action_act(self, name: str) -> None:
        """Perform an action of the table."""
        self.query_one(Footer).clear()
        if name != "leave":
            self._leaving = False
        if name.startswith("go_"):
            self._go(name.removeprefix("go_"))
            if name == f"go_{SEARCH}":
                self.do_filter()
        elif hasattr(self, f"do_{name}"):
            getattr(self, f"do_{name}")()
        else:
            self._act(name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters belong to a filter while it is typed."""
        if action == "act" and (isinstance(self.focused, Input) or self.query_one(Prompt).display):
            return parameters == ("back",)
        if action == "act" and len(self.screen_stack) > 1:
            return False
        if action == "act" and not any(one.name == parameters[0] for one in self._actions()):
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
            alone = "; pilothouse -w opens it alone" if reading.is_doubled else ""
            self.say(f"{reading.site} is not opened, {reading.standing}: {why}{alone}")
            return
        site = self._sites[reading.site]
        command = console_command(site, self._item(), read_only=self._read_only, config=self._config_path)
        code = self._in_terminal(reading.site, command)
        if code:
            self.say(f"the console of {reading.site} ended with exit code {code}")

    def _in_terminal(self, site: str, command: Sequence[str], *, hidden: bool = False) -> int | None:
        """Exit code of a command that had the terminal; None where the terminal cannot be handed over. ``hidden``: nothing that
        is typed is shown, also before the command asks."""
        try:
            with self.suspend(), without_echo() if hidden else nullcontext():
                code = _run(command)
                if hidden and code:
                    wait_to_be_read()
        except SuspendNotSupported:
            self.say("this terminal cannot be handed over: open the site alone, with pilothouse -w")
            return None
        self.lock.pressed()
        self._typed.resumed()
        self.refresh(layout=True)
        self.watch_sites.look_again(site)
        return code

    def run_in_site(self, name: str, words: Sequence[str]) -> int | None:
        """Run a command of a site in this terminal, which shows nothing that is typed; its exit code."""
        return self._in_terminal(name, site_command(self._sites[name], words, terminal=True), hidden=True)

    def _act(self, name: str) -> None:
        """Ask whether to do something to what the cursor is on, in its site."""
        item, reading = self._item(), self._reading()
        act = act_of(name, item)
        if item is None or reading is None or act is None:
            return
        if why := why_not(act, item, reading, read_only=self._read_only):
            self.say(why)
            return
        self.acts.ask(act, self._sites[reading.site], reading, item, heard_text(reading, datetime.now(UTC)))

    def _act_ended(self, site: str, said: str) -> None:
        self.say(said)
        if not self.acts.pending.get(site):
            self.watch_sites.look_again(site)

    def do_order(self) -> None:
        self._worst_first = not self._worst_first
        self._show()
        self.say("the worst first" if self._worst_first else "in the order in which they were named", "")

    def do_refresh(self) -> None:
        reading = self._reading()
        if reading is not None:
            asked = {reading.site, reading.via} & self._sites.keys()
            for name in asked:
                self.watch_sites.look_again(name)
            self.say(f"{' and '.join(sorted(asked))} is asked …")

    def do_filter(self) -> None:
        self.query_one(Footer).display = False
        self.query_one(Prompt).open("/", self._filter)

    def on_prompt_filtered(self, message: Prompt.Filtered) -> None:
        """Filter while the text is typed."""
        self._set_filter(message.text)
        if message.done:
            self._close_prompt()
        self._show()

    def _set_filter(self, text: str) -> None:
        if text != self._filter:
            self._filter = text
            self.query_one(Grid).set_filter(text)

    def _close_prompt(self) -> None:
        self.query_one(Prompt).close()
        self.query_one(Footer).display = True
        self.screen.set_focus(self.query_one(Board) if self.view == SITES else self.query_one(Grid))

    def do_back(self) -> None:
        if self.query_one(Prompt).display:
            self._close_prompt()
        elif self._filter:
            self._set_filter("")
            self._show()
        else:
            self._go(SITES)

    def do_help(self) -> None:
        keys = self._config.keys
        shown = [
            replace(
                one, keys=keys.get(one.id, one.keys), scope=EVERYWHERE if one.scope == EVERYWHERE else SITES
            )
            for one in SITE_ACTIONS
        ]
        self.push_screen(Help(SITES, self._refusals(), shown, self.query_one(Footer).last_message))

    def do_leave(self) -> None:
        waiting = [site for site, number in self.acts.pending.items() if number]
        if waiting and not self._leaving:
            self._leaving = True
            again = key_of(self._actions(), "leave")
            self.say(f"{waiting[0]} has not answered yet: {again} again leaves, and {NOT_KNOWN}")
            return
        self.exit(0)

    def say(self, text: str, tone: Tone = "warn") -> None:
        """Show a message until the next key."""
        self.query_one(Footer).say(text, tone)


def _run(command: Sequence[str]) -> int:
    """Run to its end in the terminal. Raises nothing: ``suspend`` would not take the terminal back."""
    try:
        return subprocess.call(list(command))
    except OSError:
        return 127
