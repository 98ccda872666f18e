"""Every deployment that there was, newest first by the data's clock."""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.console.screens.lists import PagedView, check_model
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import Deployment
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.registry_rows import deployment_history_table
from pilothouse.presentation.tables.table import Table


class HistoryView(PagedView[Deployment]):
    """``:history MODEL`` shows one model's; unhealthy rows are roll-backs."""

    SCOPE = "history"
    REGISTRY_ALONE = True
    TOP = "deployments"

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self.model = model

    def crumbs(self) -> tuple[str, ...]:
        return ("deployments", *filter(None, [self.model]), "history")

    def check(self, services: Services, actor: Actor) -> None:
        check_model(services, actor, self.model)

    def narrowed(self, query: Query) -> Query:
        if not query.sort:
            query = replace(query, sort="since", descending=True)
        return replace(query, where=(("model", self.model),)) if self.model else query

    def page(self, services: Services, actor: Actor, query: Query) -> Page[Deployment]:
        from pilothouse.operations import listings

        return listings.deployments_page(services, actor, query)

    def table(self, services: Services, rows: Sequence[Deployment]) -> Table:
        table = deployment_history_table(rows)
        return replace(table, empty=f"{self.model} has never been deployed") if self.model else table

    def subject_model(self) -> str:
        return self.record.model if self.record else ""

    def refusal(self, action: Action) -> str:
        if action.name == "live":
            return ""
        if self.record is None:
            return "nothing has been deployed yet"
        if action.name == "request" and self.record.request_id is None:
            return "a roll-back needs no request"
        return ""

    def do_open(self) -> None:
        if self.record:
            self.open_view("version", f"{self.record.model}/{self.record.version}")

    def do_monitor(self) -> None:
        if self.record:
            self.open_view("monitor", self.record.model, self.record.target)

    def do_request(self) -> None:
        if self.record and self.record.request_id is not None:
            self.open_view("evidence", self.record.request_id)

    def do_live(self) -> None:
        self.open_view("deployments")
