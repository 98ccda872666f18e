"""Events that were not taken in, counted by reason, with the meaning of each reason and what to do."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import ListData, TableView
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.rejections import RejectedEvents, RejectionReason
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.rejected_rows import rejected_table, rejection_meaning


@dataclass(frozen=True)
class RejectedData(ListData[RejectedEvents]):
    """The reasons, the number of outcomes that wait for their prediction, and that of rejected rows that are kept."""

    waiting: int
    kept: int


class RejectedView(TableView[RejectedEvents]):
    """One reason a row; below it the newest example."""

    SCOPE = "rejected"
    TOP = "monitor"

    def body(self) -> ComposeResult:
        yield Grid(id="grid")
        yield Static(markup=False, id="meaning", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("monitor", "rejected events")

    def load(self, services: Services, actor: Actor) -> ListData[RejectedEvents]:
        """Every reason, and the number of waiting outcomes, which the past does not know."""
        from pilothouse.operations.ingest import ingest, retries

        reasons = ingest.rejected(services, actor)
        waiting = ingest.waiting(services, actor).count if services.at is None else 0
        kept = retries.count_kept(services, actor)
        return RejectedData({r.reason: r for r in reasons}, rejected_table(reasons), waiting, kept)

    def notes(self) -> list[str]:
        """With the numbers of waiting outcomes and of kept rows: no other screen shows them."""
        if not isinstance(self.data, RejectedData):
            return super().notes()
        count, kept = self.data.waiting, self.data.kept
        waiting = [f"{count:,} outcome{' waits' if count == 1 else 's wait'} (o)"] if count else []
        return [*super().notes(), *waiting, *([f"{kept:,} kept for a retry"] if kept else [])]

    def show_selected(self) -> None:
        record = self.record
        text = line(Cell("Nothing was kept out of the figures." if self.data else "", "dim"))
        if record is not None:
            text = line(
                Cell(rejection_meaning(record.reason)), Cell(f"   newest: {safe(record.example, 400)}", "dim")
            )
            text.no_wrap = False
        self.query_one("#meaning", Static).update(text)

    def do_outcomes(self) -> None:
        """Show the outcomes that wait; the conflicts where the cursor is on their reason."""
        conflict = self.record is not None and self.record.reason == RejectionReason.CONFLICT
        self.open_view("outcomes", *(["conflicts"] if conflict else []))
