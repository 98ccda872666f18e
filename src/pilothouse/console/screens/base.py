"""What every view has: chrome, loading in a thread, actions with reasons, filter and command line."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult

from pilothouse.console import describing, navigation
from pilothouse.console.dialogs import Ask, Help
from pilothouse.console.frame import Frame, notes_of
from pilothouse.console.refusals import why_not
from pilothouse.console.screens.reading import Answered, ReadingScreen, T
from pilothouse.console.session.actions import Action, actions_of, bindings_of
from pilothouse.console.session.views import VIEWS, Destination
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.presentation.cell import Tone
from pilothouse.presentation.documents import Line


class View(ReadingScreen[T]):
    """A screen of the console. Subclasses give ``SCOPE``, ``TOP``, ``body``, ``load`` and ``show``."""

    SCOPE: ClassVar[str] = ""
    TOP: ClassVar[str] = ""
    """The top view whose tab is lit."""
    AUTO_FOCUS = ""
    """Nothing takes keys by itself: Textual would choose the hidden prompt where a view has no list (``focus_body``)."""
    NO_HEALTH: ClassVar[str] = ""
    """Why its rows are neither healthy nor not, where they are so."""
    WIDENS: ClassVar[bool] = False
    """Whether Esc shows everything again where ``:view WHAT`` asked for less."""

    PROMPT_LATER: ClassVar[bool] = False
    """Whether the field to type in is made only when it is wanted: a tenth of what the first frame costs."""

    def __init_subclass__(cls, **options: Any) -> None:
        cls.BINDINGS = bindings_of(cls.SCOPE)
        super().__init_subclass__(**options)

    def __init__(self) -> None:
        super().__init__()
        self.frame = Frame(prompt_later=self.PROMPT_LATER)
        self._frame_due = False
        self.lists: list[Grid | Pager] = []
        """Its lists and texts, in their order."""
        self.destination = Destination(self.SCOPE)
        """Where the history finds this view again."""

    # ---- what a view is made of

    def body(self) -> ComposeResult:
        """The widgets between header and footer."""
        yield Grid()

    def crumbs(self) -> Sequence[str]:
        """Where this is."""
        return (self.SCOPE,)

    def notes(self) -> list[str]:
        """How its rows are narrowed and ordered, for the frame."""
        return notes_of(self)

    def refusal(self, action: Action) -> str:
        """Why the state does not allow an action of this view now; empty if it does. What works everywhere is not asked for."""
        return ""

    def subject_model(self) -> str:
        """The model that actions are about: roles may be held for one model alone."""
        return ""

    def set_arguments(self, *arguments: str) -> None:
        """What ``:view argument`` asks of a top view."""

    def subject(self) -> Any:
        """The record that ``d`` describes and ``y`` shows: what the cursor is on, else what the view is of; None without."""
        for name in ("record", "selected"):
            with contextlib.suppress(AttributeError):
                return getattr(self, name)
        return self.data

    def copy_text(self) -> str:
        """What ``c`` copies: the marked rows' names, the row's, or the text of the page."""
        widget = self.list_or_text()
        if self.fault:
            return self.fault
        if isinstance(widget, Grid):
            return "\n".join(sorted(widget.marked)) or widget.key or ""
        return widget.text if widget is not None else " ".join(self.crumbs())

    def trouble(self, words: str) -> None:
        """The workspace cannot be read just now; what was read before stays."""
        self.say(words, "bad")

    def ways_out(self) -> str:
        """What to do where what was asked for is not there."""
        ways = ["^r reads again"]
        if self.filter_text:
            ways = ["Esc clears the filter", *ways]
        elif len(self.app.screen_stack) > 1:
            ways = ["Esc goes back", f":{self.TOP} lists what there is", *ways]
        elif self.WIDENS and self.destination.arguments:
            ways = ["Esc shows all", *ways]
        if self.session.at is not None:
            ways = [":now goes to the present", "← → to other times", *ways]
        return f"{', '.join(ways)}."

    def show_fault(self, words: str) -> None:
        """The reason in place of the body, with what to do."""
        self.frame.put_fault(words, self.ways_out())
        self.focus_body()

    # ---- life

    def compose(self) -> ComposeResult:
        """Header, banner, body, prompt, footer."""
        yield self.frame.header
        yield self.frame.banner
        with self.frame.body:
            yield from self.body()
        yield self.frame.fault
        yield self.frame.prompt
        yield self.frame.footer

    def on_mount(self) -> None:
        """Show the frame at once; the data comes from a thread."""
        self.lists = [w for w in self.query("Grid, Pager") if isinstance(w, Grid | Pager)]
        self.frame.prompt.display = False
        self.focus_body()
        self._paint_frame()
        self.reload()

    def on_screen_resume(self) -> None:
        """Others may have changed what this shows while it was covered."""
        self.refresh_chrome()
        self.reload()

    def on_resize(self, event: events.Resize) -> None:
        """The frame fits another width."""
        self.refresh_chrome()

    def refresh_chrome(self) -> None:
        """Header, banner and footer as they are now: after what the key changed, which is painted first."""
        if not self._frame_due:
            self._frame_due = True
            self.call_after_refresh(self._paint_frame)

    def _paint_frame(self) -> None:
        self._frame_due = False
        if self.frame.footer.is_mounted:
            self.frame.paint(self)

    def actions(self) -> tuple[Action, ...]:
        """What keys do here, the reader's own keys and plugins among them."""
        config = self.session.config
        if not config.plugins:
            return actions_of(self.SCOPE, config.keys)
        from pilothouse.console import plugins

        return (*actions_of(self.SCOPE, config.keys), *plugins.actions_in(config.plugins, self.SCOPE))

    # ---- actions

    def why_not(self, action: Action) -> str:
        """Why an action would be refused now; empty if it would not."""
        return self.NO_HEALTH if self.NO_HEALTH and action.name == "unhealthy" else why_not(self, action)

    async def action_act(self, name: str) -> None:
        """Do an action of this view, or say why not."""
        action = next((action for action in self.actions() if action.name == name), None)
        if action is None:
            return
        reason = self.why_not(action)
        if reason:
            self.say(f"{action.shown_keys} {action.word or action.name}: {reason}", "warn")
            return
        if name.startswith("go_"):
            await navigation.go(self.app, Destination(name.removeprefix("go_")))
            return
        if name.startswith("plugin_"):
            self._start_plugin(name)
            return
        method = getattr(self, f"do_{name}", None) or getattr(self.app, f"do_{name}")
        method()

    def open_view(self, view: str, *arguments: object) -> None:
        """Go in: put another view on top, or to its place where it is a top view."""
        destination = Destination(view, tuple(str(argument) for argument in arguments))
        if VIEWS[view].top == view:
            self.app.call_later(navigation.go, self.app, destination)
        else:
            self.app.push_screen(navigation.make(destination))
            self.app.history.visit(destination)

    def ask(self, question: Ask, then: Callable[[str], None]) -> None:
        """Ask, and go on only with a yes. What was typed for it before and came to nothing stands in the field."""
        question.propose(self._unsent.get(question.title_text, ""))

        def answered(answer: str | None) -> None:
            if answer is not None:
                self._answered = Answered(question.title_text, answer)
                then(answer)
                self._answered = None

        self.app.push_screen(question, answered)

    def say(self, text: str, tone: Tone = "") -> None:
        """One line at the bottom until the next key."""
        if self.frame.footer.is_mounted:
            self.frame.footer.say(text, tone)
        else:
            self.call_after_refresh(self.say, text, tone)  # opened a moment ago

    def on_key(self, event: events.Key) -> None:
        """What was said is read by now."""
        if event.key not in ("shift", "ctrl"):
            self.frame.footer.clear()
        if not self.session.config.plugins:
            return
        plugin = next(
            (a for a in self.actions() if a.name.startswith("plugin_") and event.key in a.key_list), None
        )
        if plugin is not None:
            event.stop()
            self.call_later(self.action_act, plugin.name)

    # ---- everywhere

    def do_help(self) -> None:
        """The keys of this view."""
        actions = self.actions()
        refusals = {a.name: self.why_not(a) for a in actions}
        why_not = {name: why for name, why in refusals.items() if why}
        self.app.push_screen(Help(self.SCOPE, why_not, actions, self.frame.footer.said))

    def do_command(self) -> None:
        """Open the command line."""
        prompt = self.frame.prompt
        prompt.models, prompt.targets = self.session.models, self.session.targets
        prompt.aliases = tuple(self.session.config.aliases)
        prompt.lines = tuple(self.app.commands.lines)
        self._open_prompt(":")

    def ask_command(self, text: str) -> None:
        """Open the command line with its beginning typed already."""
        self._open_prompt(":", text)

    def do_filter(self) -> None:
        """Open the filter."""
        if self.list_or_text() is None:
            self.say("there is nothing to filter in this view", "warn")
        else:
            self._open_prompt("/", self.filter_text)

    filter_text = ""

    def _open_prompt(self, kind: str, text: str = "") -> None:
        self.frame.footer.display = False
        self.frame.prompt.open(kind, text)

    def close_prompt(self) -> None:
        """Keys go to the view again."""
        self.frame.prompt.close()
        self.frame.footer.display = True
        self.focus_body()

    def focus_body(self) -> None:
        """Keys go to the view; but never away from a line that is being typed, or its letters would act."""
        if not self.frame.prompt.display:
            self.take_keys()

    def take_keys(self) -> None:
        """Where keys go when nothing else takes them: the list or the text, unless a fault stands in their place."""
        target = None if self.fault else self.list_or_text()
        if target is not None:
            target.focus()
        else:
            self.set_focus(None)

    def on_prompt_entered(self, message: Prompt.Entered) -> None:
        """Go where the command says. The application goes: a view that waited for its own end would wait for ever."""
        self.close_prompt()
        self.app.call_later(self.app.run_command, message.text)

    def on_prompt_filtered(self, message: Prompt.Filtered) -> None:
        """Filter while it is typed."""
        self.filter_text = message.text
        self._apply_filter()
        if message.done:
            self.close_prompt()
            self.refresh_chrome()

    def list_or_text(self) -> Grid | Pager | None:
        """What is filtered, marked and copied: the list or the text that is shown."""
        return next((w for w in self.lists if w.display), None)

    def _apply_filter(self) -> None:
        widget = self.list_or_text()
        if widget is not None:
            widget.set_filter(self.filter_text)

    def do_back(self) -> None:
        """Close the prompt, else take marks away, else clear the filter, else show everything, else leave the view."""
        widget = self.list_or_text()
        if self.frame.prompt.display:
            self.close_prompt()
        elif isinstance(widget, Grid) and widget.clear_marks():
            self.refresh_chrome()
        elif self.filter_text:
            self.filter_text = ""
            self._apply_filter()
            self.refresh_chrome()
        elif not self._widen():
            self.app.go_back()

    def _widen(self) -> bool:
        """Show everything again where a command asked this list for less."""
        if not (self.WIDENS and self.destination.arguments):
            return False
        self.set_arguments("all")
        self.destination = Destination(self.SCOPE)
        self.app.history.visit(self.destination)
        return True

    # ---- what the cursor is on

    def do_describe(self) -> None:
        """Every field of it, to read."""
        describing.read_record(self, described=True)

    def do_raw(self) -> None:
        """The record itself."""
        describing.read_record(self, described=False)

    def do_copy(self) -> None:
        """Hand it to the terminal."""
        describing.copy(self)

    def read_text(self, title: str, text: str, lines: Callable[[str], list[Line]]) -> None:
        """Show a text over the whole screen."""
        describing.read_text(self, title, text, lines)

    def do_mark(self) -> None:
        """Mark the row, or take the mark away."""
        self._with_grid(Grid.toggle_mark)

    def do_unhealthy(self) -> None:
        """Only what is unhealthy, or everything."""
        self._with_grid(Grid.toggle_unhealthy)

    def do_wide(self) -> None:
        """Every column whole, or what fits."""
        self._with_grid(Grid.toggle_wide)

    def _with_grid(self, change: Callable[[Grid], object]) -> None:
        widget = self.list_or_text()
        if isinstance(widget, Grid):
            change(widget)
            self.refresh_chrome()
        else:
            self.say("this view has no table", "warn")

    def _start_plugin(self, name: str) -> None:
        from pilothouse.console import plugins

        found = plugins.named(self.session.config.plugins, name)
        if found is not None:
            plugins.start(found, self)

    def on_grid_chosen(self) -> None:
        """A double click opens, as Enter does."""
        self.call_later(self.action_act, "open")

    def on_grid_moved(self) -> None:
        """Which keys are allowed depends on the row."""
        self.refresh_chrome()
