"""A text on the whole screen: a record described, its raw form, the output of a plugin."""

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from pilothouse.console.contract import ConsoleApp
from pilothouse.console.session import clipboard
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import safe
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.documents import Line


class Reader(ModalScreen[None]):
    """Shows one of several forms of a text. ``y`` turns to the next, ``c`` copies, Esc closes.

    ``forms`` are (name, text that is copied, function for the lines that are shown).
    """

    app: ConsoleApp
    BINDINGS = [
        Binding("escape,q", "close", show=False),
        Binding("y,d,t", "turn", show=False),
        Binding("c", "copy", show=False),
    ]

    def __init__(self, title: str, forms: Sequence[tuple[str, str, Callable[[], list[Line]]]]) -> None:
        super().__init__()
        self._title = title
        self._forms = list(forms)
        self._form = 0
        self._message = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="reader"):
            yield Static(markup=False, id="title")
            yield Pager(id="text")
            yield Static(markup=False, id="keys")

    def on_mount(self) -> None:
        self._show()
        self.query_one(Pager).focus()

    def _show(self) -> None:
        name, _, lines = self._forms[self._form]
        self.query_one("#title", Static).update(
            line(Cell(safe(self._title), "strong"), Cell(f"  {name}", "dim"))
        )
        self.query_one(Pager).put(lines())
        self._keys()

    def _keys(self) -> None:
        others = [Cell("y", "strong"), Cell(f" {self._forms[(self._form + 1) % len(self._forms)][0]}   ")]
        cells = [
            Cell("Esc", "strong"), Cell(" closes   "), *(others if len(self._forms) > 1 else []),
            Cell("c", "strong"), Cell(" copy   "), Cell(self._message, "good"),
        ]  # fmt: skip
        self.query_one("#keys", Static).update(line(*cells))

    def action_turn(self) -> None:
        self._form = (self._form + 1) % len(self._forms)
        self._message = ""
        self.query_one(Pager).scroll_home(animate=False)
        self._show()

    def action_copy(self) -> None:
        self._message = clipboard.copy(self.app, self._forms[self._form][1], self._title)
        self._keys()

    def action_close(self) -> None:
        self.dismiss(None)
