"""Events that were not taken in: counted by reason, with what each means and what to do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import Listed, TableView
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.monitoring import RejectedEvents, RejectionReason
from pilothouse.domain.roles import Actor
from pilothouse.domain.safe_text import safe
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.rejected_rows import rejected_table, rejection_meaning

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


@dataclass(frozen=True)
class Refused(Listed[RejectedEvents]):
    """The reasons, and how many outcomes wait for their prediction beside them."""

    waiting: int


class RejectedView(TableView[RejectedEvents]):
    """One reason a row; below it the whole example."""

    SCOPE = "rejected"
    TOP = "monitor"

    def body(self) -> ComposeResult:
        """The reasons, and what the one under the cursor means."""
        yield Grid(id="grid")
        yield Static(markup=False, id="meaning", classes="words")

    def crumbs(self) -> tuple[str, ...]:
        """monitor › rejected events."""
        return ("monitor", "rejected events")

    def load(self, services: "Services", actor: Actor) -> Listed[RejectedEvents]:
        """Every reason; and what waits now, which the past does not know."""
        from pilothouse.operations.ingest import ingest

        found = ingest.rejected(services, actor)
        waiting = ingest.waiting(services, actor).count if services.at is None else 0
        return Refused({r.reason: r for r in found}, rejected_table(found), waiting)

    def notes(self) -> list[str]:
        """How many outcomes wait: they are on no other screen."""
        count = self.data.waiting if isinstance(self.data, Refused) else 0
        words = f"{count:,} outcome{' waits' if count == 1 else 's wait'} (o)"
        return [*super().notes(), *([words] if count else [])]

    def on_grid_moved(self) -> None:
        """What it means follows the cursor."""
        record = self.record
        words = line(Cell("Nothing was kept out of the figures." if self.data else "", "dim"))
        if record is not None:
            words = line(
                Cell(rejection_meaning(record.reason)), Cell(f"   newest: {safe(record.example, 400)}", "dim")
            )
            words.no_wrap = False
        self.query_one("#meaning", Static).update(words)
        super().on_grid_moved()

    def do_outcomes(self) -> None:
        """Outcomes that wait, or contradict another; those, where the cursor is on their reason."""
        conflict = self.record is not None and self.record.reason == RejectionReason.CONFLICT
        self.open_view("outcomes", *(["conflicts"] if conflict else []))
