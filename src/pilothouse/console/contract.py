"""The console and a view as their helpers see them, so that neither has to import the other.

``app.Console`` is a ``ConsoleApp``, ``screens.base.View`` a ``ViewLike``: code written against these two can be read, tested
and moved without them.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pilothouse.console.session.actions import Action
from pilothouse.console.session.session import Session
from pilothouse.console.terminal_app import TerminalApp
from pilothouse.presentation.cell import Tone

if TYPE_CHECKING:
    from pilothouse.console.session.command_history import CommandHistory
    from pilothouse.console.session.drawing import Drawings
    from pilothouse.console.session.views import Destination, History
    from pilothouse.console.widgets.grid import Grid
    from pilothouse.console.widgets.pager import Pager
    from pilothouse.presentation.documents import Line


class ConsoleApp(TerminalApp):
    """The application as screens see it."""

    session: Session
    history: "History"
    commands: "CommandHistory"
    drawings: "Drawings"
    trail: list[str]
    """The modes on the way back from the present one, the nearest last."""
    fault: str
    """What is wrong with the user's configuration; empty where nothing is."""

    @property
    def view(self) -> "ViewLike":
        """The view on top, below any dialog."""
        raise NotImplementedError

    @property
    def may_copy(self) -> bool:
        """Whether text may be copied to the terminal's clipboard."""
        raise NotImplementedError

    def look(self) -> None:
        """Check the workspace for changes now."""
        raise NotImplementedError

    def go_back(self) -> None:
        """Leave the view on top."""
        raise NotImplementedError

    async def run_command(self, text: str) -> None:
        """Run a command typed after ``:``."""
        raise NotImplementedError


class ViewLike(Protocol):
    """A view as its helpers see it."""

    SCOPE: ClassVar[str]
    TOP: ClassVar[str]
    destination: "Destination"
    opened_by_key: bool
    lists: "list[Grid | Pager]"
    filter_text: str
    fault: str

    @property
    def app(self) -> ConsoleApp:
        """The application."""

    @property
    def session(self) -> Session:
        """The operator's session."""

    def actions(self) -> tuple[Action, ...]:
        """The actions of this view and those that work everywhere."""

    async def action_act(self, name: str) -> None:
        """Perform an action."""

    def offers(self, action: Action) -> bool:
        """Whether the footer has the key now."""

    def why_not(self, action: Action) -> str:
        """The reason why an action is refused now; empty if it is allowed."""

    def refusal(self, action: Action) -> str:
        """The reason why the view's state does not allow an action; empty if it does."""

    def subject(self) -> Any:
        """The record that the view, or its cursor, is on."""

    def subject_model(self) -> str:
        """The model that actions are about."""

    def crumbs(self) -> Sequence[str]:
        """The path to this view, for the header."""

    def notes(self) -> list[str]:
        """How the rows are filtered and ordered."""

    def copy_text(self) -> str:
        """The text that is copied."""

    def list_or_text(self) -> "Grid | Pager | None":
        """The list or text that is displayed."""

    def say(self, text: str, tone: Tone = "") -> None:
        """Show a message in the footer."""

    def ask(self, question: Any, then: Callable[[str], None]) -> None:
        """Ask a question and continue with the answer."""

    def confirm(
        self,
        question: Any,
        operation: Callable[[Any, Any, str], Any],
        message: str = "",
        after: Callable[[], None] | None = None,
    ) -> None:
        """Ask, and with a yes perform the operation, which is given the text typed."""

    def perform(
        self,
        message: str,
        operation: Callable[[Any, Any], Any],
        after: Callable[[], None] | None = None,
        *,
        waiting: str = "",
    ) -> None:
        """Run an operation in a thread and show its result."""

    def reload(self) -> None:
        """Load the data again."""

    def invalidate(self) -> None:
        """Load the data of another subject."""

    def set_arguments(self, *arguments: str) -> None:
        """Apply the arguments of ``:view ARGUMENT`` to a top view."""

    def forget_narrowing(self) -> None:
        """Show everything again where a key of another view had narrowed the list."""

    def read_text(self, title: str, text: str, lines: "Callable[[str], list[Line]]") -> None:
        """Show a text on the whole screen."""
