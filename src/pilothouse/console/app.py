"""The console: modes, bindings, one session. Everything else is a module of its own."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, SystemCommand
from textual.filter import LineFilter
from textual.screen import Screen

from pilothouse.console import automation_switch, navigation, palette, watch
from pilothouse.console.actions import EVERYWHERE, bindings_of
from pilothouse.console.drawing import Drawings
from pilothouse.console.sanitise import Sanitiser
from pilothouse.console.screens.base import View
from pilothouse.console.screens.problem import OpeningView
from pilothouse.console.session import Session
from pilothouse.console.time_travel import STEP_BINDINGS, TimeTravel
from pilothouse.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


class Console(App[int]):
    """One operator's console on one workspace. ``opener`` is called in a thread, after the first frame."""

    CSS_PATH = "styles/console.tcss"
    TITLE = "pilothouse"
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    BINDINGS = [*bindings_of(EVERYWHERE), *STEP_BINDINGS]
    MODES: ClassVar[dict[str, Any]] = {
        "opening": OpeningView,
        **{
            name: (lambda name=name: navigation.make(navigation.Destination(name)))
            for name in dict.fromkeys(view.top for view in navigation.VIEWS.values())
        },
    }
    DEFAULT_MODE = "opening"

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
        self.time_travel = TimeTravel(self)
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
        self.post_message(watch.look(self.session))

    async def on_looked(self, message: watch.Looked) -> None:
        """Let the view on top read again where something has changed."""
        self._looking = False
        if not self._views():  # the last look of a console that is being closed
            return
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
        return self._views()[-1]

    def _views(self) -> list[View[Any]]:
        """The views of the current mode, lowest first."""
        return [screen for screen in self.screen_stack if isinstance(screen, View)]

    async def run_command(self, text: str) -> None:
        """What was typed after ``:``."""
        if self.time_travel.understands(text):
            self.time_travel.command(text)
            return
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

    def action_step(self, steps: int) -> None:
        """In the past: to the event after, or before."""
        self.time_travel.step(steps)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Arrows step from event to event in the past alone, and not while something is typed or asked."""
        if action == "step":
            return self.time_travel.takes_arrows
        return super().check_action(action, parameters)

    def do_time(self) -> None:
        """Ask for a time in the past."""
        self.view.ask_command("at ")

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
        return palette.commands(self.view)


def run(root: Path, user: str, as_name: str | None = None) -> int:
    """Open the console on a terminal. Exit code 2, at once, where there is none."""
    from pilothouse.console.launch import launch

    return launch(root, user, as_name)
