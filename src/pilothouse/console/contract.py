"""What screens and their helpers know of the console and of a view, so that neither imports the other.

``app.Console`` is a ``ConsoleApp``, ``screens.base.View`` a ``ViewLike``: what is written against these two can be read,
tested and moved without them.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.app import App

from pilothouse.console.session.actions import Action
from pilothouse.console.session.session import Session
from pilothouse.presentation.cell import Tone

if TYPE_CHECKING:
    from pilothouse.console.session.command_history import CommandHistory
    from pilothouse.console.session.drawing import Drawings
    from pilothouse.console.session.views import Destination, History
    from pilothouse.console.widgets.grid import Grid
    from pilothouse.console.widgets.pager import Pager
    from pilothouse.presentation.documents import Line


class ConsoleApp(App[int]):
    """The application as screens see it."""

    session: Session
    history: "History"
    commands: "CommandHistory"
    drawings: "Drawings"
    fault: str
    """What is wrong with the reader's configuration; empty where nothing is."""

    @property
    def view(self) -> "ViewLike":
        """The view on top, below any dialog."""
        raise NotImplementedError

    @property
    def may_copy(self) -> bool:
        """Whether text may be handed to the terminal."""
        raise NotImplementedError

    def look(self) -> None:
        """Look at the workspace at once."""
        raise NotImplementedError

    def go_back(self) -> None:
        """Leave the view on top."""
        raise NotImplementedError

    async def run_command(self, text: str) -> None:
        """Do what was typed after ``:``."""
        raise NotImplementedError


class ViewLike(Protocol):
    """A view as the helpers of a view see it."""

    SCOPE: ClassVar[str]
    TOP: ClassVar[str]
    destination: "Destination"
    lists: "list[Grid | Pager]"
    filter_text: str
    fault: str

    @property
    def app(self) -> ConsoleApp:
        """The console."""

    @property
    def session(self) -> Session:
        """Who looks at what."""

    def actions(self) -> tuple[Action, ...]:
        """What keys do here."""

    async def action_act(self, name: str) -> None:
        """Do an action."""

    def why_not(self, action: Action) -> str:
        """Why an action would be refused; empty if it would not."""

    def refusal(self, action: Action) -> str:
        """Why the view's state does not allow an action; empty if it does."""

    def subject(self) -> Any:
        """The record that the view, or its cursor, is on."""

    def subject_model(self) -> str:
        """The model that actions are about."""

    def crumbs(self) -> Sequence[str]:
        """Where this is."""

    def notes(self) -> list[str]:
        """How its rows are narrowed and ordered."""

    def copy_text(self) -> str:
        """What is copied."""

    def list_or_text(self) -> "Grid | Pager | None":
        """The list or the text that is shown."""

    def say(self, text: str, tone: Tone = "") -> None:
        """One line at the bottom."""

    def ask(self, question: Any, then: Callable[[str], None]) -> None:
        """Ask, and go on with the answer."""

    def perform(
        self,
        words: str,
        operation: Callable[[Any, Any], Any],
        after: Callable[[], None] | None = None,
        *,
        waiting: str = "",
    ) -> None:
        """Do an operation in a thread and say what came of it."""

    def reload(self) -> None:
        """Read again."""

    def ask_anew(self) -> None:
        """Read another thing."""

    def set_arguments(self, *arguments: str) -> None:
        """What ``:view argument`` asks of a top view."""

    def read_text(self, title: str, text: str, lines: "Callable[[str], list[Line]]") -> None:
        """Show a text over the whole screen."""
