"""Outcomes that wait for their prediction, and outcomes that contradict one that was there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import PagedView
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring import OutcomeConflict, WaitingOutcome
from pilothouse.domain.roles import Actor
from pilothouse.presentation.tables.rejected_rows import conflict_table, waiting_table
from pilothouse.presentation.tables.table import Table

if TYPE_CHECKING:
    from pilothouse.console.session.actions import Action
    from pilothouse.operations.services import Services

_WORDS = {
    "waiting": "They came before their predictions, or for predictions that never will come: after 180 days retention lets "
    "them go. Many of one producer: its batches are behind, or its labels name other ids than its predictions.",
    "conflicts": "The first outcome of a prediction stands and counts; what came then and says something else is shown here. "
    "Ask whoever sends them which is right: a wrong one that came first is in the figures.",
}


class OutcomesView(PagedView[WaitingOutcome | OutcomeConflict]):
    """``:outcomes waiting`` or ``:outcomes conflicts``; ``o`` turns from one to the other."""

    SCOPE = "outcomes"
    TOP = "monitor"

    def __init__(self, which: str = "waiting") -> None:
        super().__init__()
        self.which = which

    def body(self) -> ComposeResult:
        """The list, and what it means."""
        yield Grid(id="grid")
        yield Static(_WORDS.get(self.which, ""), markup=False, id="meaning", classes="words")

    def crumbs(self) -> tuple[str, ...]:
        """monitor › outcomes › waiting."""
        return ("monitor", "outcomes", self.which)

    def state_of(self, services: "Services") -> int:
        """They lie with the predictions."""
        return services.telemetry.data_version() if services.paths.telemetry.exists() else 0

    def page(
        self, services: "Services", actor: Actor, query: Query
    ) -> Page[WaitingOutcome | OutcomeConflict]:
        """A window of the list."""
        from pilothouse.operations.ingest import outcome_lists

        if self.which not in _WORDS:
            raise InvalidInputError(
                f"{self.which[:40]!r} is no list of outcomes: expected {' or '.join(_WORDS)}"
            )
        found: Page[WaitingOutcome] | Page[OutcomeConflict]
        if self.which == "waiting":
            found = outcome_lists.waiting_page(services, actor, query)
        else:
            found = outcome_lists.conflicts_page(services, actor, query)
        return Page(tuple(found.rows), found.first, found.total)

    def table(self, services: "Services", rows: Sequence[WaitingOutcome | OutcomeConflict]) -> Table:
        """Newest first."""
        past = services.at is not None
        if self.which == "waiting":
            return waiting_table([r for r in rows if isinstance(r, WaitingOutcome)], services.now(), past)
        return conflict_table([r for r in rows if isinstance(r, OutcomeConflict)], past)

    def copy_text(self) -> str:
        """The predictions' ids."""
        return "\n".join(record.prediction for record in self.chosen)

    def subject_model(self) -> str:
        """The conflict's model; of an outcome that waits none is known."""
        return self.record.model if isinstance(self.record, OutcomeConflict) else ""

    def refusal(self, action: "Action") -> str:
        """Only a conflict has a model to watch."""
        if action.name == "monitor" and not isinstance(self.record, OutcomeConflict):
            return (
                "whose prediction it is, is known once that has come"
                if self.record
                else "there is no outcome here"
            )
        return ""

    def do_other(self) -> None:
        """The other list."""
        self.which = "conflicts" if self.which == "waiting" else "waiting"
        self.query_one("#meaning", Static).update(_WORDS[self.which])
        self.query_one("#grid", Grid).forget_sort()
        self._ask_from_the_top(sort="", descending=False)
        self.ask_anew()

    def do_rejected(self) -> None:
        """Events that were not taken in."""
        self.open_view("rejected")

    def do_monitor(self) -> None:
        """Watch what it is about."""
        if isinstance(self.record, OutcomeConflict):
            self.open_view("monitor", self.record.model, self.record.target)
