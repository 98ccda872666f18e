"""The console: modes, bindings, one session. Everything else is a module of its own."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen

from pilothouse.console import automation_switch, navigation, watch
from pilothouse.console.actions import EVERYWHERE, actions_of, bindings_of
from pilothouse.console.drawing import Drawings
from pilothouse.console.sanitise import Sanitiser
from pilothouse.console.screens.base import View
from pilothouse.console.screens.problem import OpeningView
from pilothouse.console.session import Session, Status
from pilothouse.domain.errors import InvalidInputError, PilothouseError

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


class Console(App[int]):
    """One operator's console on one workspace. ``opener`` is called in a thread, after the first frame."""

    CSS_PATH = "styles/console.tcss"
    TITLE = "pilothouse"
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    BINDINGS = bindings_of(EVERYWHERE)
    MODES: ClassVar[dict[str, Any]] = {
        "opening": OpeningView,
        **{
            name: (lambda name=name: navigation.make(navigation.Destination(name)))
            for name in dict.fromkeys(view.top for view in navigation.VIEWS.values())
        },
    }
    DEFAULT_MODE = "opening"

    class Looked(Message):
        """The watcher has looked at the workspace."""

        def __init__(self, status: Status | None, problem: str) -> None:
            super().__init__()
            self.status = status
            self.problem = problem

    def __init__(
        self,
        opener: "Callable[[], Services]",
        user: str,
        as_name: str | None = None,
        *,
        start: str = "overview",
        watching: bool = True,
    ) -> None:
        super().__init__(ansi_color=True, watch_css=False)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.session = Session(opener, user, as_name)
        self.drawings = Drawings()
        self.known_names: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._sanitiser = Sanitiser()
        self._start = start
        self._watching = watching
        self._looking = False

    @property
    def coloured(self) -> bool:
        """False where the reader asked for no colour."""
        return not self.no_color

    def get_line_filters(self) -> list[LineFilter]:
        """Ours last: nothing after it can bring a control character back."""
        return [*super().get_line_filters(), self._sanitiser]

    def on_mount(self) -> None:
        """Open the workspace in a thread and watch it."""
        self.look()
        if self._watching:
            self.set_interval(watch.INTERVAL_S, self.look)

    def look(self) -> None:
        """Look once, unless a look is under way."""
        if not self._looking:
            self._looking = True
            self.run_worker(self._look, thread=True, exit_on_error=False, group="watch")

    def _look(self) -> None:
        session = self.session
        try:
            if session.services is None:
                session.services = session.opener()
            found = watch.look(session, session.services)
            if self.known_names == ((), ()):
                self.known_names = watch.names(session.services, found.actor)
            status: Status | None = found
            problem = ""
        except PilothouseError as error:
            status, problem = None, str(error)
        except Exception as error:  # noqa: BLE001 - said on the screen: a watcher that dies silently shows a frozen world
            status, problem = None, f"internal error: {type(error).__name__}: {error}"
        self.post_message(self.Looked(status, problem))

    async def on_console_looked(self, message: Looked) -> None:
        """Let the view on top read again where something has changed."""
        self._looking = False
        view = self.view
        if message.status is None:
            view.trouble(message.problem)
            return
        before, self.session.status = self.session.status, message.status
        if self.current_mode == "opening":
            await navigation.go(self, navigation.parse_command(self._start))
        elif before != message.status:
            view.refresh_chrome()
            view.reload()

    @property
    def view(self) -> View[Any]:
        """The view on top, below any dialog."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, View))

    async def run_command(self, text: str) -> None:
        """What was typed after ``:``."""
        try:
            parsed = navigation.parse_command(text)
        except InvalidInputError as error:
            self.view.say(str(error), "warn")
            return
        await navigation.go(self, parsed)

    async def action_act(self, name: str) -> None:
        """Actions that work everywhere go through the view, which knows whether they are allowed."""
        if isinstance(self.screen, View):
            await self.screen.action_act(name)

    def do_refresh(self) -> None:
        """Read everything again."""
        self.view.reload()

    def do_pause(self) -> None:
        """Pause or resume all automation."""
        automation_switch.ask(self.view)

    def do_leave(self) -> None:
        """End the console."""
        self.exit(0)

    def go_back(self) -> None:
        """Leave the view on top; the top views have nothing below them."""
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette holds what the view on top can do, and nothing that writes files."""
        view = self.view
        for action in actions_of(view.SCOPE):
            why = view.why_not(action)
            help_ = f"{action.shown_keys}  {action.help}" + (f" Not now: {why}" if why else "")
            title = f"{action.word or action.name} ({action.scope})"
            yield SystemCommand(title, help_, partial(self.call_later, view.action_act, action.name))


def run(root: Path, user: str, as_name: str | None = None) -> int:
    """Open the console on a terminal. Exit code 2, at once, where there is none."""
    from pilothouse.console.launch import launch

    return launch(root, user, as_name)
