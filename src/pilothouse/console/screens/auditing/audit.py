"""The audit log: entries, head, and whether the chain is whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import ListData, PagedView
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query, RowFilter
from pilothouse.domain.records import AuditEntry, AuditHead
from pilothouse.operations.services import Services
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.tables.table import Table
from pilothouse.presentation.tables.work_rows import audit_table


@dataclass(frozen=True)
class AuditData(ListData[AuditEntry]):
    """A window of the log, and its head."""

    head: AuditHead


class AuditView(PagedView[AuditEntry]):
    """``v`` recomputes the chain; ``:audit TEXT`` and ``/`` search the whole log."""

    SCOPE = TOP = "audit"
    REGISTRY_ALONE = True
    WIDENS = True

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="head", classes="line")
        grid = Grid(id="grid")
        grid.none_unhealthy = "no entry tells of a failure, a loss, a rejection or a roll-back"
        yield grid

    def crumbs(self) -> tuple[str, ...]:
        return ("audit", *filter(None, [self._text]))

    def set_arguments(self, *arguments: str) -> None:
        self._text = "" if arguments[0] == "all" else arguments[0]
        self._query_from_top()
        self.invalidate()

    def narrowed(self, query: Query) -> Query:
        return (
            replace(query, filter=RowFilter(self._text.casefold()))
            if self._text and not query.filter
            else query
        )

    def page(self, services: Services, actor: Actor, query: Query) -> Page[AuditEntry]:
        from pilothouse.operations import listings

        return listings.audit_page(services, actor, query)

    def table(self, services: Services, rows: Sequence[AuditEntry]) -> Table:
        table = audit_table(rows)
        return (
            replace(table, empty=f"no entry holds {self._text[:40]!r}; Esc shows all")
            if self._text
            else table
        )

    def key_of(self, record: AuditEntry) -> int:
        return record.seq

    def load(self, services: Services, actor: Actor) -> AuditData:
        from pilothouse.operations.workspace import audits

        window = super().load(services, actor)
        return AuditData(window.records, window.table, audits.head(services, actor))

    def show(self, data: ListData[AuditEntry]) -> None:
        assert isinstance(data, AuditData)
        self.query_one("#head", Static).update(
            line(
                Cell(" head ", "dim"),
                Cell(f"{data.head.count}:{data.head.hash}", "strong"),
                Cell("  keep it elsewhere", "dim"),
            )
        )
        super().show(data)

    def refusal(self, action: Action) -> str:
        return "there is no entry" if action.name == "open" and not self.key else ""

    def do_open(self) -> None:
        self.open_view("entry", self.key)

    def do_log(self) -> None:
        self.open_view("log")

    def do_holds(self) -> None:
        self.open_view("legal-holds")

    def do_verify(self) -> None:
        def operation(services: Services, actor: Actor) -> str:
            from pilothouse.operations.workspace import audits

            head = audits.verify(services, actor)
            return f"verified: {head.count} entries, head {head.hash}"

        self.say("computing every hash again …")
        self.perform("verified", operation, waiting="computing every hash again …")
