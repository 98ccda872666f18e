"""Open incidents by their cost: a row an incident, with all alerts of one cause; ``o`` shows closed ones too."""

from collections.abc import Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import WINDOW, ListData, PagedView, TableView, check_model, list_data
from pilothouse.console.screens.monitoring import incident_actions
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query, parse_filter
from pilothouse.domain.monitoring.incidents import Incident
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.incidents import incident_table, member_table, no_incidents_text
from pilothouse.presentation.tables.table import Table


class AlertsView(PagedView[Incident]):
    """Enter opens the incident. ``:alerts MODEL`` shows one model's. Keys act on every incident that is marked.

    Open incidents are few, and their order is by their present cost, which no index knows: they are loaded whole. All
    incidents may be very many: they are loaded window by window, newest first, each with its highest cost.
    """

    SCOPE = TOP = "alerts"
    WIDENS = True

    def __init__(self) -> None:
        super().__init__()
        self.model = ""
        self._all = False

    def body(self) -> ComposeResult:
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="text")

    def show(self, data: ListData[Incident]) -> None:
        super().show(data)
        self.show_selected()

    def show_selected(self) -> None:
        incident = self.record
        text = (
            line(
                Cell(safe(incident.cause, LINE_LIMIT), "strong"),
                Cell(f": {safe(incident.cost.words, LINE_LIMIT)}" if incident.cost.words else ""),
            )
            if incident
            else ""
        )
        self.query_one("#whole", Static).update(text)

    def crumbs(self) -> tuple[str, ...]:
        return ("alerts", *filter(None, [self.model]), "all" if self._all else "going on")

    def notes(self) -> list[str]:
        more = not self._all and self.data is not None and len(self.data.records) >= WINDOW
        return [*super().notes(), *([f"the dearest {WINDOW}, o shows all"] if more else [])]

    def set_arguments(self, *arguments: str) -> None:
        self.model = "" if arguments[0] == "all" else arguments[0]
        self._query_from_top()
        self.invalidate()

    def load(self, services: Services, actor: Actor) -> ListData[Incident]:
        if self._all:
            return super().load(services, actor)
        from pilothouse.operations.alerts import incidents
        from pilothouse.operations.fleet import health, targets

        self.check(services, actor)
        open_incidents = incidents.list_incidents(
            services, actor, unresolved=True, model=self.model or None, limit=WINDOW
        )
        table = incident_table(open_incidents, targets.list_targets(services, actor))
        if not open_incidents:
            over = incidents.count_incidents(services, actor, model=self.model or None)
            watch = health.watch(services, actor, self.model or None)
            text = no_incidents_text(over, "o", watch.counts, model=self.model, unwatched=watch.unwatched)
            table = replace(table, empty=text)
        return list_data(open_incidents, table, lambda i: i.id)

    def check(self, services: Services, actor: Actor) -> None:
        check_model(services, actor, self.model)

    def narrowed(self, query: Query) -> Query:
        return replace(query, where=(("model", self.model),)) if self.model else query

    def page(self, services: Services, actor: Actor, query: Query) -> Page[Incident]:
        from pilothouse.operations.alerts import incidents

        return incidents.incidents_page(services, actor, query)

    def table(self, services: Services, rows: Sequence[Incident]) -> Table:
        return incident_table(rows, everything=True)

    def subject_model(self) -> str:
        return self.record.model if self.record else ""

    def refusal(self, action: Action) -> str:
        if action.name in ("all", "outbox", "silences"):
            return ""
        chosen = self.chosen if action.writes else [self.record]
        return next(
            filter(None, (incident_actions.refusal(action.name, incident) for incident in chosen or [None])),
            "",
        )

    def do_open(self) -> None:
        self.open_view("incident", self.key)

    def do_why(self) -> None:
        if self.record:
            self.open_view("alert", member_table(self.record).rows[0].key)

    def do_acknowledge(self) -> None:
        if self.chosen:
            incident_actions.acknowledge(self, self.chosen)

    def do_resolve(self) -> None:
        if self.chosen:
            incident_actions.resolve(self, self.chosen)

    def do_assign(self) -> None:
        if self.chosen:
            incident_actions.assign(self, self.chosen)

    def do_monitor(self) -> None:
        if self.record:
            self.open_view("monitor", self.record.model, self.record.targets[0])

    def do_unhealthy(self) -> None:
        """Open incidents are loaded whole and filtered here; SQL filters all incidents."""
        if self._all:
            super().do_unhealthy()
        else:
            TableView.do_unhealthy(self)

    def do_all(self) -> None:
        self._all = not self._all
        grid = self.query_one("#grid", Grid)
        grid.forget_sort()
        grid.unhealthy = False
        narrowed = parse_filter(self.filter_text)
        self._query_from_top(filter=narrowed, sort="", descending=False, unhealthy=False)
        self.invalidate()

    def _apply_filter(self) -> None:
        """As ``do_unhealthy``."""
        if self._all:
            super()._apply_filter()
        else:
            TableView._apply_filter(self)

    def do_outbox(self) -> None:
        self.open_view("outbox")

    def do_silences(self) -> None:
        self.open_view("silences")
