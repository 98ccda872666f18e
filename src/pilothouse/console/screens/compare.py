"""Two versions side by side: what differs, or everything."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.roles import Actor
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.tables import Table
from pilothouse.presentation.version_pages import ComparedRow, comparison_table

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


class CompareView(View[tuple[ComparedRow, ...]]):
    """``s`` shows what is the same too."""

    SCOPE = "compare"
    TOP = "models"

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.first, self.second = first, second
        self._everything = False

    def body(self) -> ComposeResult:
        """How many rows differ, and the rows."""
        yield Static(markup=False, id="count", classes="line")
        yield Grid(id="grid")

    def crumbs(self) -> Sequence[str]:
        """models › A ↔ B."""
        return ("models", f"{self.first} ↔ {self.second}")

    def load(self, services: "Services", actor: Actor) -> tuple[ComparedRow, ...]:
        """Every row of both."""
        from pilothouse.operations import catalogue

        return tuple(catalogue.compare_versions(services, actor, self.first, self.second))

    def show(self, data: tuple[ComparedRow, ...]) -> None:
        """Only what differs, unless asked for all."""
        different = sum(row.differs for row in data)
        self.query_one("#count", Static).update(
            line(
                Cell(f" {different} of {len(data)} facts differ", "strong"),
                Cell("  s shows all" if not self._everything else "  s hides what is the same", "dim"),
            )
        )
        rows = [row for row in data if self._everything or row.differs]
        table: Table = comparison_table(rows, self.first, self.second)
        self.query_one("#grid", Grid).put(table)
        self.focus_body()

    def do_everything(self) -> None:
        """Show what is the same too, or hide it."""
        self._everything = not self._everything
        if self.data is not None:
            self.show(self.data)
