"""The inbox: promotion requests, those that wait for the user first."""

from collections.abc import Sequence
from dataclasses import replace

from textual.app import ComposeResult

from pilothouse.console.screens.lists import PagedView
from pilothouse.console.screens.promotion import asking_again
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.table import Table
from pilothouse.presentation.tables.work_rows import request_table


class ApprovalsView(PagedView[PromotionRequest]):
    """Enter shows the evidence. What is unhealthy here can no longer be decided: outdated or expired."""

    SCOPE = TOP = "approvals"
    REGISTRY_ALONE = True
    _all = False
    _mine: frozenset[int] = frozenset()

    def body(self) -> ComposeResult:
        grid = Grid(id="grid")
        grid.none_unhealthy = "no request here is outdated or expired"
        yield grid

    def crumbs(self) -> tuple[str, ...]:
        return ("approvals", "all" if self._all else "open")

    def narrowed(self, query: Query) -> Query:
        from pilothouse.operations.promotion import request_lists

        return query if self._all else replace(query, where=request_lists.OPEN)

    def page(self, services: Services, actor: Actor, query: Query) -> Page[PromotionRequest]:
        from pilothouse.operations.promotion import request_lists

        page, self._mine = request_lists.requests_page(services, actor, query)
        return page

    def table(self, services: Services, rows: Sequence[PromotionRequest]) -> Table:
        return request_table(rows, self._mine, services.now())

    def subject_model(self) -> str:
        return self.record.model if self.record else ""

    def refusal(self, action: Action) -> str:
        if action.name == "again":
            return asking_again.refusal(self, self.record)
        return "no request is open; o shows closed ones" if action.name == "open" and not self.key else ""

    def do_open(self) -> None:
        self.open_view("evidence", self.key)

    def do_again(self) -> None:
        if self.record:
            asking_again.ask(self, self.record)

    def do_all(self) -> None:
        self._all = not self._all
        self._query_from_top()
        self.invalidate()
