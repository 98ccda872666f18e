"""The base of every view: frame, loading in a thread, actions with refusals, filter and command line."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult

from pilothouse.console import describing, navigation
from pilothouse.console.dialogs import Ask, Help
from pilothouse.console.frame import Frame, notes_of
from pilothouse.console.refusals import ways_out, why_not
from pilothouse.console.screens.loading import Answer, LoadingScreen, T, call
from pilothouse.console.session.actions import Action, actions_of, bindings_of
from pilothouse.console.session.views import Destination
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.presentation.cell import Tone
from pilothouse.presentation.documents import Line

if TYPE_CHECKING:
    from pilothouse.domain.identity.roles import Actor
    from pilothouse.operations.services import Services


class View(LoadingScreen[T]):
    """A screen of the console. Subclasses give ``SCOPE``, ``TOP``, ``body``, ``load`` and ``show``."""

    SCOPE: ClassVar[str] = ""
    TOP: ClassVar[str] = ""
    """The top view whose tab is lit."""
    AUTO_FOCUS = ""
    """No widget is focused automatically: Textual would choose the hidden prompt in a view without a list (``focus_body``)."""
    NO_HEALTH: ClassVar[str] = ""
    """The reason why rows of this view have no health; empty where they have."""
    WIDENS: ClassVar[bool] = False
    """Whether Esc shows everything again after ``:view ARGUMENT`` narrowed it."""
    PROMPT_LATER: ClassVar[bool] = False
    """Whether the prompt's field is made when first used: it costs a tenth of the first frame."""

    def __init_subclass__(cls, **options: Any) -> None:
        cls.BINDINGS = bindings_of(cls.SCOPE)
        super().__init_subclass__(**options)

    def __init__(self) -> None:
        super().__init__()
        self.frame = Frame(prompt_later=self.PROMPT_LATER)
        self._frame_due = False
        self.lists: list[Grid | Pager] = []
        """Its lists and texts, in order."""
        self.destination = Destination(self.SCOPE)
        """The view's entry in the history."""
        self.opened_by_key = False
        """Whether a key of another view has chosen what it shows: Esc goes back there and does not widen it."""

    # ---- for subclasses

    def body(self) -> ComposeResult:
        """The widgets between header and footer."""
        yield Grid()

    def crumbs(self) -> Sequence[str]:
        """The path to this view."""
        return (self.SCOPE,)

    def notes(self) -> list[str]:
        """How its rows are filtered and ordered, for the frame."""
        return notes_of(self)

    def refusal(self, action: Action) -> str:
        """The reason why the state does not allow an action of this view; empty if it does. Actions of other scopes do not
        ask."""
        return ""

    def show_selected(self) -> None:
        """Show the details of the row under the cursor; for subclasses."""

    def subject_model(self) -> str:
        """The model that actions are about: a role may be held for one model only."""
        return ""

    def set_arguments(self, *arguments: str) -> None:
        """Apply the arguments of ``:view ARGUMENT`` to a top view."""

    def subject(self) -> Any:
        """The record for ``d`` and ``y``: the one under the cursor, else that of the view; None where there is none."""
        for name in ("record", "selected"):
            with contextlib.suppress(AttributeError):
                return getattr(self, name)
        return self.data

    def copy_text(self) -> str:
        """The text for ``c``: the keys of the marked rows, the key of the row, or the page."""
        widget = self.list_or_text()
        if self.fault:
            return self.fault
        if isinstance(widget, Grid):
            return "\n".join(sorted(widget.marked)) or widget.key or ""
        return widget.text if widget is not None else " ".join(self.crumbs())

    def trouble(self, message: str) -> None:
        """Say that the workspace cannot be read at present; data on the screen stays."""
        self.say(message, "bad")

    def ways_out(self) -> str:
        """Keys and commands that help where the subject does not exist."""
        return f"{', '.join(ways_out(self, narrowed=self._narrowed))}."

    def show_loaded(self, data: T, *, news: bool) -> None:
        """Show loaded data. A cursor at the top of a list stays there when new rows come; elsewhere they are counted."""
        grids = [widget for widget in self.lists if isinstance(widget, Grid)]
        for grid in grids:
            grid.expects_news = news
        self.show(data)
        for grid in grids:
            grid.expects_news = False

    def show_fault(self, reason: str) -> None:
        self.frame.put_fault(reason, self.ways_out())
        self.focus_body()

    # ---- drawing

    def compose(self) -> ComposeResult:
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
        """Load again: others may have changed the data while the view was covered."""
        self.refresh_chrome()
        self.reload()

    def on_resize(self, event: events.Resize) -> None:
        self.refresh_chrome()

    def refresh_chrome(self) -> None:
        """Paint header, banner and footer again, after the change that the key made."""
        if not self._frame_due:
            self._frame_due = True
            self.call_after_refresh(self._paint_frame)

    def _paint_frame(self) -> None:
        self._frame_due = False
        if self.frame.footer.is_mounted:
            self.frame.paint(self)

    def actions(self) -> tuple[Action, ...]:
        """The actions of this view and those that work everywhere, plugins included."""
        config = self.session.config
        if not config.plugins:
            return actions_of(self.SCOPE, config.keys)
        from pilothouse.console import plugins

        return (*actions_of(self.SCOPE, config.keys), *plugins.actions_in(config.plugins, self.SCOPE))

    # ---- actions

    def why_not(self, action: Action) -> str:
        """The reason why an action is refused; empty if it is allowed."""
        return self.NO_HEALTH if self.NO_HEALTH and action.name == "unhealthy" else why_not(self, action)

    async def action_act(self, name: str) -> None:
        """Perform an action of this view, or say why it is refused."""
        action = next((action for action in self.actions() if action.name == name), None)
        if action is None:
            return
        reason = self.why_not(action)
        if reason:
            self.say(f"{action.shown_keys} {action.label or action.name}: {reason}", "warn")
            return
        if name.startswith("go_"):
            await navigation.to_top(self.app, Destination(name.removeprefix("go_")))
            return
        if name.startswith("plugin_"):
            from pilothouse.console import plugins

            plugins.start_named(name, self)
            return
        method = getattr(self, f"do_{name}", None) or getattr(self.app, f"do_{name}")
        await call(method)

    def open_view(self, view: str, *arguments: object, message: str = "") -> None:
        """Open a view, which shows the message; Esc comes back to this one."""
        destination = Destination(view, tuple(str(argument) for argument in arguments))
        self.app.call_later(navigation.follow, self.app, destination, by_key=True, message=message)

    def ask(self, question: Ask, then: Callable[[str], None]) -> None:
        """Ask, and continue with a yes. The field holds the text of an earlier attempt that failed."""
        question.propose(self._unsent.get(question.title_text, ""))

        def answered(answer: str | None) -> None:
            if answer is not None:
                self._answer = Answer(question.title_text, answer)
                then(answer)
                self._answer = None

        self.app.push_screen(question, answered)

    def confirm(
        self,
        question: Ask,
        operation: "Callable[[Services, Actor, str], Any]",
        message: str = "",
        after: Callable[[], None] | None = None,
    ) -> None:
        """Ask, and with a yes perform the operation, which is given the text typed."""
        self.ask(
            question,
            lambda text: self.perform(
                message, lambda services, actor: operation(services, actor, text), after
            ),
        )

    def offers(self, action: Action) -> bool:
        """Whether the footer has the key now: not where what it does is over for good."""
        return action.footer

    def say(self, text: str, tone: Tone = "") -> None:
        """Show a message in the footer until the next key."""
        self.frame.footer.say(text, tone)

    def on_key(self, event: events.Key) -> None:
        """Clear the message, and run a plugin that has the key."""
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
        actions = self.actions()
        refusals = {action.name: reason for action in actions if (reason := self.why_not(action))}
        self.app.push_screen(Help(self.SCOPE, refusals, actions, self.frame.footer.last_message))

    def do_command(self) -> None:
        prompt = self.frame.prompt
        prompt.models, prompt.targets = self.session.models, self.session.targets
        prompt.aliases = tuple(self.session.config.aliases)
        prompt.lines = tuple(self.app.commands.lines)
        self._open_prompt(":")

    @property
    def typed_line(self) -> str | None:
        """The command that is being typed."""
        return self.frame.prompt.typed if self.frame.prompt.display else None

    def ask_command(self, text: str) -> None:
        """Open the command line with a beginning."""
        self._open_prompt(":", text)

    def do_filter(self) -> None:
        if self.list_or_text() is None:
            self.say("there is nothing to filter in this view", "warn")
        else:
            self._open_prompt("/", self.filter_text)

    filter_text = ""

    def _open_prompt(self, kind: str, text: str = "") -> None:
        self.frame.footer.display = False
        self.frame.prompt.open(kind, text)

    def close_prompt(self) -> None:
        """Close the prompt and focus the view."""
        self.frame.prompt.close()
        self.frame.footer.display = True
        self.focus_body()

    def focus_body(self) -> None:
        """Focus the view; never while a line is being typed, or its letters would act."""
        if not self.frame.prompt.display:
            self.take_keys()

    def take_keys(self) -> None:
        """Focus the list or text, unless a fault stands in its place."""
        target = None if self.fault else self.list_or_text()
        if target is not None:
            self.set_focus(target)
        else:
            self.set_focus(None)

    def on_prompt_entered(self, message: Prompt.Entered) -> None:
        """Run a command. The application runs it: a view that waited for its own end would wait for ever."""
        self.close_prompt()
        self.app.call_later(self.app.run_command, message.text)

    def on_prompt_filtered(self, message: Prompt.Filtered) -> None:
        """Filter while the text is typed."""
        self.filter_text = message.text
        self._apply_filter()
        if message.done:
            self.close_prompt()
            self.refresh_chrome()

    def list_or_text(self) -> Grid | Pager | None:
        """The list or text on the screen, which is filtered, marked and copied."""
        return next((w for w in self.lists if w.display), None)

    def _apply_filter(self) -> None:
        widget = self.list_or_text()
        if widget is not None:
            widget.set_filter(self.filter_text)

    def do_back(self) -> None:
        """Close the prompt, else remove marks, else clear the filter, else show everything, else leave the view."""
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

    @property
    def _narrowed(self) -> bool:  # whether Esc shows everything again
        return self.WIDENS and bool(self.destination.arguments) and not self.opened_by_key

    def _widen(self) -> bool:
        """Show everything again where the command's arguments narrowed the list."""
        narrowed = self._narrowed
        if narrowed:
            self._show_all()
            self.app.history.visit(self.destination)
        return narrowed

    def forget_narrowing(self) -> None:
        """Show everything again where a key of another view narrowed the list: its digit is to show all of it."""
        if self.WIDENS and self.destination.arguments and self.opened_by_key:
            self._show_all()

    def _show_all(self) -> None:
        self.set_arguments("all")
        self.destination = Destination(self.SCOPE)

    # ---- the record under the cursor

    def do_describe(self) -> None:
        describing.read_record(self, described=True)

    def do_raw(self) -> None:
        describing.read_record(self, described=False)

    def do_copy(self) -> None:
        describing.copy(self)

    def read_text(self, title: str, text: str, lines: Callable[[str], list[Line]]) -> None:
        """Show a text on the whole screen."""
        describing.read_text(self, title, text, lines)

    def do_mark(self) -> None:
        self._with_grid(Grid.toggle_mark)

    def do_unhealthy(self) -> None:
        self._with_grid(Grid.toggle_unhealthy)

    def do_wide(self) -> None:
        self._with_grid(Grid.toggle_wide)

    def _with_grid(self, change: Callable[[Grid], object]) -> None:
        widget = self.list_or_text()
        if isinstance(widget, Grid):
            change(widget)
            self.refresh_chrome()
        else:
            self.say("this view has no table", "warn")

    def on_grid_chosen(self) -> None:
        """A double click opens, as Enter does."""
        self.call_later(self.action_act, "open")

    def on_grid_moved(self) -> None:
        """The row decides what stands below the table, and which keys are allowed."""
        self.show_selected()
        self.refresh_chrome()
