"""The console application: modes, bindings, one session. Everything else is a module of its own."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import SystemCommand
from textual.screen import Screen
from textual.widgets import Input

from pilothouse.console import automation_switch, navigation, palette
from pilothouse.console.contract import ConsoleApp
from pilothouse.console.idle_lock import CHECK_S, IdleLock
from pilothouse.console.screens.base import View
from pilothouse.console.screens.opening import OpeningView
from pilothouse.console.session import change_watcher
from pilothouse.console.session.actions import EVERYWHERE, bindings_of
from pilothouse.console.session.command_history import CommandHistory
from pilothouse.console.session.drawing import Drawings
from pilothouse.console.session.session import Session, is_same_registry
from pilothouse.console.session.typeahead import TypeAhead
from pilothouse.console.session.views import VIEWS, Destination, History, parse_command
from pilothouse.console.stylesheet import Stylesheet
from pilothouse.console.time_travel import STEP_BINDINGS, TimeTravel
from pilothouse.console.widgets.tones import use_skin
from pilothouse.domain.errors import InvalidInputError, NotAllowedError

if TYPE_CHECKING:
    from pilothouse.console.session.config import ConsoleConfig
    from pilothouse.console.session.options import ConsoleOptions
    from pilothouse.operations.services import Services


class Console(ConsoleApp):
    """One operator's console on one workspace. ``opener`` is called in a thread, after the first frame."""

    CSS_PATH = "styles/console.tcss"
    TITLE = "pilothouse"
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    BINDINGS = [*bindings_of(EVERYWHERE), *STEP_BINDINGS]
    MODES: ClassVar[dict[str, Any]] = {
        "opening": OpeningView,
        **{
            name: (lambda name=name: navigation.make(Destination(name)))
            for name in dict.fromkeys(view.top for view in VIEWS.values())
        },
    }
    DEFAULT_MODE = "opening"

    def __init__(
        self,
        opener: "Callable[[], Services]",
        options: "ConsoleOptions",
        *,
        watching: bool = True,
        config: "ConsoleConfig | None" = None,
        fault: str = "",
        commands: CommandHistory | None = None,
        opened: Callable[[], object] = lambda: None,
    ) -> None:
        """``fault`` is what is wrong with the configuration; ``opened`` is called once the first view is on the screen.

        Whoever makes a console closes its ``session``.
        """
        super().__init__(ansi_color=True, watch_css=False)
        self.stylesheet = Stylesheet(variables=self.get_css_variables())
        self.session = Session(opener, options)
        if config is not None:
            self.session.config = config
        settings = self.session.config
        self.theme = "ansi-light" if settings.skin == "light" else "ansi-dark"
        self.animation_level = "none"
        use_skin(settings.tones)
        if settings.keys:
            self.set_keymap(dict(settings.keys))
        self.fault = fault
        self.history = History()
        self.trail = []
        self.commands = commands or CommandHistory()
        self.drawings = Drawings()
        self.time_travel = TimeTravel(self)
        self._typed = TypeAhead(self, super().on_event, self._takes_keys)
        self._opened = opened
        self._watching = watching
        self.idle_lock = IdleLock(self)
        self._looking = False
        self._in_trouble = False
        self._upgrading = False
        self.watcher: change_watcher.Watcher | None = None

    @property
    def may_copy(self) -> bool:
        return self.session.config.clipboard

    async def on_event(self, event: events.Event) -> None:
        """Deliver keys one after the other, other events as they come."""
        if isinstance(event, events.Key | events.Paste):
            self.idle_lock.pressed()
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._typed.put(event)
        else:
            await super().on_event(event)

    @property
    def keys_settled(self) -> bool:
        """True when every key pressed has been processed."""
        return self._typed.settled

    def _takes_keys(self) -> bool:
        """False while the workspace is being opened without trouble: the first view is about to replace the screen. Where that
        takes long, the console can be left."""
        return self.current_mode != "opening" or bool(self.fault) or self._in_trouble or self._upgrading

    def on_mount(self) -> None:
        """Open and watch the workspace in a thread; paint everything again when the console comes back from a suspension."""
        self.app_resume_signal.subscribe(self, self._resumed, immediate=True)
        self.set_interval(CHECK_S, self.idle_lock.check)
        if self._watching:
            self.watcher = change_watcher.Watcher(self.session, self.post_message)
            self.watcher.start()
        else:
            self.look()

    def _resumed(self, _: object) -> None:
        self._typed.resumed()
        self.refresh(layout=True)

    def on_unmount(self) -> None:
        if self.watcher is not None:
            self.watcher.stop()

    def clear_selection(self) -> None:
        """Do nothing: no text can be selected here (``ALLOW_SELECT``).

        Textual asks the screen on top. From Python 3.12 on its tasks are eager: the field of the first view is mounted before
        any screen is on the stack, and asking for one would end the program.
        """

    def look(self) -> None:
        """Check the workspace for changes, unless a check is running."""
        if not self._looking:
            self._looking = True
            self.run_worker(self._look, thread=True, exit_on_error=False, group="watch")

    def _look(self) -> None:
        self.post_message(change_watcher.look(self.session))

    def on_upgrading(self, message: change_watcher.Upgrading) -> None:
        """Show how far the workspace is brought to this release."""
        self._upgrading = True
        if isinstance(self.screen, OpeningView):
            self.screen.upgrading(message.done, message.total)

    async def on_looked(self, message: change_watcher.Looked) -> None:
        """Reload the view on top where something has changed."""
        self._looking = False
        if message.ended:
            self.session.ended = message.problem
            self.exit(NotAllowedError.exit_code)
            return
        if (
            not self._views() or self.fault
        ):  # the last look of a console that is being closed, or a question before it
            return
        view = self.view
        self._in_trouble = message.status is None
        if message.status is None:
            view.trouble(message.problem)
            return
        before, self.session.status = self.session.status, message.status
        if self.current_mode == "opening":
            await self._begin()
        elif before != message.status:
            view.refresh_chrome()
            if not (view.REGISTRY_ALONE and is_same_registry(before, message.status)):
                view.reload()

    async def _begin(self) -> None:
        """Show the first view. A console on a terminal records its session, after the first frame."""
        options, typed = self.session.options, self.view.typed_line
        try:
            first = self._parsed(options.start)
        except InvalidInputError as error:
            await navigation.start(self, Destination("overview"))
            self.view.say(str(error), "warn")
        else:
            await navigation.start(self, first if isinstance(first, Destination) else Destination("overview"))
            if isinstance(first, str):
                await self._follow(first)
        if typed is not None:  # a line begun while the workspace could not be opened goes on here
            self.call_later(self.view.ask_command, typed)
        if options.at:
            self.time_travel.command(f"at {options.at}")
        self._opened()
        if options.terminal and self.session.number is None:
            self.run_worker(self._record_session, thread=True, exit_on_error=False, group="record")

    def _record_session(self) -> None:
        from pilothouse.operations.workspace import sessions

        services, options = self.session.services, self.session.options
        if services is not None:
            self.session.number = sessions.open_session(
                services,
                self.session.actor,
                options.terminal,
                address=options.address,
                read_only=options.read_only,
            )

    @property
    def view(self) -> View[Any]:
        return self._views()[-1]

    def _views(self) -> list[View[Any]]:
        """The views of the current mode, lowest first."""
        return [screen for screen in self.screen_stack if isinstance(screen, View)]

    async def run_command(self, text: str) -> None:
        self.commands.add(text)
        if self.time_travel.understands(text):
            self.time_travel.command(text)
            return
        try:
            parsed = self._parsed(text)
        except InvalidInputError as error:
            self.view.say(str(error), "warn")
            return
        await self._follow(parsed)

    async def _follow(self, parsed: "Destination | str") -> None:
        """Go to a view, or run a command that is no view."""
        if isinstance(parsed, Destination):
            await self._go(parsed)
        elif self.time_travel.understands(parsed):
            self.time_travel.command(parsed)
        else:
            await self.view.action_act({"quit": "leave", "resume": "pause"}.get(parsed, parsed))

    def _parsed(self, text: str) -> "Destination | str":
        session = self.session
        return parse_command(text, session.config.aliases, session.models, session.targets)

    async def action_act(self, name: str) -> None:
        """Pass an action to the view, which knows whether it is allowed."""
        if isinstance(self.screen, View):
            await self.screen.action_act(name)

    def action_step(self, steps: int) -> None:
        """In the past: go to the event after, or before."""
        self.time_travel.step(steps)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Arrows step from event to event in the past only, and not while a text is typed or a question asked. A locked console
        does nothing."""
        if self.idle_lock.locked:
            return False
        if action == "step":
            return (
                self.session.past is not None
                and isinstance(self.screen, View)
                and not isinstance(self.screen.focused, Input)
            )
        return super().check_action(action, parameters)

    def do_time(self) -> None:
        self.view.ask_command("at ")

    def do_refresh(self) -> None:
        self.view.reload()

    def do_pause(self) -> None:
        automation_switch.ask(self.view)

    def do_leave(self) -> None:
        self.exit(0)

    def do_last_view(self) -> None:
        if self.history.before is None:
            self.view.say("there is no view before this one", "warn")
        else:
            self.call_later(self._go, self.history.before)

    def do_history_back(self, steps: int = -1) -> None:
        destination = self.history.step(steps)
        if destination is None:
            self.view.say("the history begins here" if steps < 0 else "this is the newest view", "warn")
        else:
            self.call_later(self._go, destination, remember=False)

    def do_history_forward(self) -> None:
        self.do_history_back(1)

    async def _go(self, destination: Destination, *, remember: bool = True) -> None:
        """Go to a view by its name. A top view without arguments is shown as it was left, as by its digit."""
        top = destination.view in self.MODES and not (destination.arguments and remember)
        await (navigation.to_top if top else navigation.follow)(self, destination, remember=remember)

    def go_back(self) -> None:
        """Leave the view on top for the one that it was reached from."""
        self.call_later(self._back)

    async def _back(self) -> None:
        if not await navigation.back(self):
            leave = next(a.shown_keys for a in self.view.actions() if a.name == "leave")
            self.view.say(f"nothing to go back to: {leave} leaves the console, digits go to views", "warn")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The commands of the palette: what the view on top can do, and nothing that writes files."""
        return palette.commands(self.view)
