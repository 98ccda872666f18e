"""Outcomes that wait for their prediction, and outcomes that contradict an earlier one."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import PagedView
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring.rejections import OutcomeConflict, WaitingOutcome
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.rejected_rows import conflict_table, waiting_table
from pilothouse.presentation.tables.table import Table

_MEANINGS = {
    "waiting": "They came before their predictions, or for predictions that never will come: after 180 days retention lets "
    "them go. Many of one producer: its batches are behind, or its outcomes name other ids than its predictions.",
    "conflicts": "The first outcome of a prediction stands and counts; what came then and says something else is shown here. "
    "Ask whoever sends them which is right: a wrong one that came first is in the figures.",
}


class OutcomesView(PagedView[WaitingOutcome | OutcomeConflict]):
    """``:outcomes waiting`` or ``:outcomes conflicts``; ``o`` changes from one to the other."""

    SCOPE = "outcomes"
    TOP = "monitor"

    def __init__(self, kind: str = "waiting") -> None:
        super().__init__()
        self.kind = kind

    def body(self) -> ComposeResult:
        yield Grid(id="grid")
        yield Static(_MEANINGS.get(self.kind, ""), markup=False, id="meaning", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("monitor", "outcomes", self.kind)

    def state_of(self, services: Services) -> int:
        """The lists lie in the telemetry database."""
        return services.telemetry.data_version() if services.paths.telemetry.exists() else 0

    def page(self, services: Services, actor: Actor, query: Query) -> Page[WaitingOutcome | OutcomeConflict]:
        from pilothouse.operations.ingest import outcome_lists

        if self.kind not in _MEANINGS:
            raise InvalidInputError(
                f"{self.kind[:40]!r} is no list of outcomes: expected {' or '.join(_MEANINGS)}"
            )
        window: Page[WaitingOutcome] | Page[OutcomeConflict]
        if self.kind == "waiting":
            window = outcome_lists.waiting_page(services, actor, query)
        else:
            window = outcome_lists.conflicts_page(services, actor, query)
        return Page(tuple(window.rows), window.first, window.total)

    def table(self, services: Services, rows: Sequence[WaitingOutcome | OutcomeConflict]) -> Table:
        past = services.at is not None
        if self.kind == "waiting":
            return waiting_table([r for r in rows if isinstance(r, WaitingOutcome)], services.now(), past)
        return conflict_table([r for r in rows if isinstance(r, OutcomeConflict)], past)

    def copy_text(self) -> str:
        return "\n".join(record.prediction for record in self.chosen)

    def subject_model(self) -> str:
        return self.record.model if isinstance(self.record, OutcomeConflict) else ""

    def refusal(self, action: Action) -> str:
        if action.name == "monitor" and not isinstance(self.record, OutcomeConflict):
            return (
                "whose prediction it is, is known once that has come"
                if self.record
                else "there is no outcome here"
            )
        return ""

    def do_other(self) -> None:
        self.kind = "conflicts" if self.kind == "waiting" else "waiting"
        self.query_one("#meaning", Static).update(_MEANINGS[self.kind])
        self.query_one("#grid", Grid).forget_sort()
        self._query_from_top(sort="", descending=False)
        self.invalidate()

    def do_rejected(self) -> None:
        self.open_view("rejected")

    def do_monitor(self) -> None:
        if isinstance(self.record, OutcomeConflict):
            self.open_view("monitor", self.record.model, self.record.target)
