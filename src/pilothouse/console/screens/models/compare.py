"""Two versions side by side: their facts, and the difference of their code."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.tones import line
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.documents import Line
from pilothouse.presentation.pages.version_pages import (
    ComparedRow,
    comparison_cells,
    comparison_table,
    diff_lines,
)


@dataclass(frozen=True)
class ComparisonData:
    """Facts, and the lines of the code's difference."""

    rows: tuple[ComparedRow, ...]
    code: tuple[Line, ...]


class CompareView(View[ComparisonData]):
    """``s`` shows equal facts too, ``v`` the code."""

    SCOPE = "compare"
    TOP = "models"

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.first, self.second = first, second
        self._everything = False
        self._code = False
        self._tested = False
        """Whether the paired test is loaded too; the facts come first, without it."""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="count", classes="line")
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="text")
        yield Pager(id="code")

    def crumbs(self) -> Sequence[str]:
        return ("models", f"{self.first} ↔ {self.second}")

    def load(self, services: Services, actor: Actor) -> ComparisonData:
        from pilothouse.operations.models import comparisons

        comparison = comparisons.compare(services, actor, self.first, self.second, from_record=self._tested)
        return ComparisonData(comparison.rows, tuple(diff_lines(comparison.code, comparison.code_note)))

    def show(self, data: ComparisonData) -> None:
        different = sum(row.differs for row in data.rows)
        hint = "s shows all" if not self._everything else "s hides what is the same"
        self.query_one("#count", Static).update(
            line(
                Cell(f" {different} of {len(data.rows)} facts differ", "strong"),
                Cell("  v shows the facts" if self._code else f"  {hint}, v the code", "dim"),
                Cell("  figures of different rows" if any(row.note for row in data.rows) else "", "warn"),
            )
        )
        rows = [row for row in data.rows if self._everything or row.differs]
        grid, pager = self.query_one("#grid", Grid), self.query_one("#code", Pager)
        grid.put(comparison_table(rows, self.first, self.second))
        pager.put(data.code)
        grid.display, pager.display = not self._code, self._code
        self.query_one("#whole", Static).display = not self._code
        self.focus_body()
        if not self._tested:
            self._tested = True
            self.reload()

    @property
    def record(self) -> ComparedRow | None:
        """The fact under the cursor."""
        key = self.query_one("#grid", Grid).key
        rows = self.data.rows if self.data else ()
        return next((row for row in rows if f"{row.group}/{row.name}" == key), None)

    def show_selected(self) -> None:
        text = line(*comparison_cells(self.record)) if self.record else ""
        self.query_one("#whole", Static).update(text)

    def do_everything(self) -> None:
        self._everything = not self._everything
        self._show_again()

    def do_code(self) -> None:
        self._code = not self._code
        self._show_again()

    def _show_again(self) -> None:
        if self.data is not None:
            self.show(self.data)
