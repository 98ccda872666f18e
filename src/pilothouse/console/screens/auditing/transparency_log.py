"""The transparency log: rows, newest signed head, anchors and witnesses with what each holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import ListData, TableView
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line, paragraph
from pilothouse.domain.audit.log_anchors import AnchorState, LogStatus
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.documents import Line, text_line
from pilothouse.presentation.tables.log_rows import (
    anchor_cells,
    anchor_table,
    contradiction_cells,
    log_facts,
)

_NAME = 13


@dataclass(frozen=True)
class LogData(ListData[AnchorState]):
    """The anchors, and the state of the log."""

    status: LogStatus
    facts: tuple[tuple[str, Cell], ...]


class TransparencyLogView(TableView[AnchorState]):
    """``v`` compares every row with what anchors hold, and asks the witnesses."""

    SCOPE = "log"
    TOP = "audit"
    REGISTRY_ALONE = True

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="grave", classes="text")
        yield Static(markup=False, id="facts")
        grid = Grid(id="grid")
        grid.none_unhealthy = "no anchor or witness contradicts the log, fails or is behind"
        yield grid
        yield Static(markup=False, id="whole", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("audit", "transparency log")

    def load(self, services: Services, actor: Actor) -> LogData:
        from pilothouse.operations.transparency import heads

        status = heads.status(services, actor)
        now = services.now()
        table = anchor_table(status, now)
        records = {state.anchor.name: state for state in status.anchors}
        return LogData(records, table, status, tuple(log_facts(status, now)))

    def show(self, data: ListData[AnchorState]) -> None:
        assert isinstance(data, LogData)
        grave = self.query_one("#grave", Static)
        found = data.status.contradictions
        grave.display = bool(found)
        grave.update(paragraph(*contradiction_cells(found)))
        facts = [line(Cell(f" {name:<{_NAME}}", "dim"), shown) for name, shown in data.facts]
        self.query_one("#facts", Static).update(Text("\n").join(facts))
        super().show(data)
        self.show_selected()

    def show_selected(self) -> None:
        data = self.data
        newest = data.status.signed_size if isinstance(data, LogData) else 0
        lines = anchor_cells(self.record, newest) if self.record else []
        self.query_one("#whole", Static).update(Text("\n").join(paragraph(*cells) for cells in lines))

    def do_entries(self) -> None:
        self.open_view("audit")

    def do_compare(self) -> None:
        read: list[str] = []

        def operation(services: Services, actor: Actor) -> str:
            from pilothouse.operations.transparency import anchored

            found = anchored.compare(services, actor, progress=self._say_progress)
            read.extend([*(f"✖ {fault}" for fault in found.faults), *found.notes])
            verdict = f"{len(found.faults)} contradict" if found.faults else "none contradicts"
            return (
                f"{found.rows:,} rows compared with {found.heads:,} heads and {found.cosignatures:,} signatures of witnesses: "
                f"{verdict}"
            )

        self.perform(
            "compared",
            operation,
            lambda: (
                self.read_text("audit › transparency log › compared", "\n".join(read), _lines)
                if read
                else None
            ),
            waiting="computing every hash again, and asking the witnesses …",
        )

    def _say_progress(self, done: int, total: int) -> None:
        """From the operation's thread."""
        self.app.call_from_thread(self.say, f"{done:,} of {total:,} rows compared …", "info")


def _lines(text: str) -> list[Line]:
    lines: Sequence[str] = text.split("\n")
    return [text_line(one, "bad" if one.startswith("✖") else "", hang=2) for one in lines]
