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
from pilothouse.domain.models.model_pictures import ComparedPictures
from pilothouse.operations.services import Services
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts.model_charts import sides_of
from pilothouse.presentation.documents import Line
from pilothouse.presentation.pages.model_pictures_page import pictures_page
from pilothouse.presentation.pages.version_pages import (
    ComparedRow,
    comparison_cells,
    comparison_table,
    diff_lines,
)


@dataclass(frozen=True)
class ComparisonData:
    """Facts, the lines of the code's difference, and both versions' pictures."""

    rows: tuple[ComparedRow, ...]
    code: tuple[Line, ...]
    pictures: ComparedPictures


class CompareView(View[ComparisonData]):
    """``s`` shows equal facts too, ``v`` the code, ``p`` the pictures."""

    SCOPE = "compare"
    TOP = "models"

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.first, self.second = first, second
        self._everything = False
        self._code = False
        self._pictures = False
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
        from pilothouse.operations.models import comparisons, model_pictures

        comparison = comparisons.compare(services, actor, self.first, self.second, from_record=self._tested)
        pictures = model_pictures.pictures_between(services, actor, self.first, self.second)
        return ComparisonData(
            comparison.rows, tuple(diff_lines(comparison.code, comparison.code_note)), pictures
        )

    def show(self, data: ComparisonData) -> None:
        different = sum(row.differs for row in data.rows)
        self.query_one("#count", Static).update(
            line(
                Cell(f" {different} of {len(data.rows)} facts differ", "strong"),
                Cell(self._hint(), "dim"),
                Cell("  figures of different rows" if any(row.note for row in data.rows) else "", "warn"),
            )
        )
        rows = [row for row in data.rows if self._everything or row.differs]
        grid, pager = self.query_one("#grid", Grid), self.query_one("#code", Pager)
        grid.put(comparison_table(rows, self.first, self.second))
        pager.put(self._picture_lines(data.pictures) if self._pictures else data.code)
        is_text = self._code or self._pictures
        grid.display, pager.display = not is_text, is_text
        self.query_one("#whole", Static).display = not is_text
        self.focus_body()
        if not self._tested:
            self._tested = True
            self.reload()

    def _hint(self) -> str:
        if self._pictures:
            return "  p shows the facts"
        if self._code:
            return "  v shows the facts"
        return f"  {'s hides what is the same' if self._everything else 's shows all'}, v the code"

    def _picture_lines(self, pictures: ComparedPictures) -> list[Line]:
        own, other = sides_of(pictures)
        return pictures_page(own, other, width=max(40, self.size.width - 4), fault=pictures.fault)

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
        self._code, self._pictures = not self._code, False
        self._show_again()

    def do_pictures(self) -> None:
        self._code, self._pictures = False, not self._pictures
        self._show_again()

    def _show_again(self) -> None:
        if self.data is not None:
            self.show(self.data)
