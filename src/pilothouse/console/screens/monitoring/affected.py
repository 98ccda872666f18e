"""Everything affected by bad rows, a bad source, commit or version."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.audit.lineage import Affected
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.lineage_rows import affected_line, affected_table


class AffectedView(View[Affected]):
    """One version a row."""

    SCOPE = "affected"
    TOP = "models"

    def __init__(self, cause: str) -> None:
        super().__init__()
        self.cause = cause

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="sum", classes="text")
        yield Grid(id="grid")

    def crumbs(self) -> Sequence[str]:
        return ("models", f"if {self.cause[:16]} was bad")

    def load(self, services: Services, actor: Actor) -> Affected:
        from pilothouse.operations.models import affected

        return affected.affected(services, actor, self.cause)

    def show(self, data: Affected) -> None:
        summary = affected_line(data)
        self.query_one("#sum", Static).update(
            line(Cell(f"If {safe(data.what, 64)} was bad:", "dim"), summary)
        )
        self.query_one("#grid", Grid).put(affected_table(data))
        self.focus_body()

    @property
    def key(self) -> str:
        """The version under the cursor."""
        return self.query_one("#grid", Grid).key or ""

    def subject_model(self) -> str:
        return self.key.partition("/")[0]

    def refusal(self, action: Action) -> str:
        return "" if self.data else "nothing has been found"

    def do_open(self) -> None:
        self.open_view("version", self.key)

    def do_tree(self) -> None:
        self.open_view("lineage", self.key)
