"""What goes on, by what it costs: a row an incident, alerts with one cause in one row; with ``o`` all that there ever were."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens import incident_actions
from pilothouse.console.screens.lists import WINDOW, Listed, PagedView, TableView, check_model, listed
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.incidents import Incident
from pilothouse.domain.listing import Page, Query, parse_filter
from pilothouse.domain.roles import Actor
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.incidents import incident_table, member_table
from pilothouse.presentation.tables.table import Table

if TYPE_CHECKING:
    from pilothouse.console.session.actions import Action
    from pilothouse.operations.services import Services


class AlertsView(PagedView[Incident]):
    """Enter opens the incident. ``:alerts MODEL`` shows one model's. Keys act on every incident that is marked.

    What goes on is little, and its order is by what it costs now, which no index knows: it is read whole. All that there
    ever were may be very many: they are read window by window, newest first, each with the most that it has cost.
    """

    SCOPE = TOP = "alerts"
    WIDENS = True

    def __init__(self) -> None:
        super().__init__()
        self.model = ""
        self._all = False

    def body(self) -> ComposeResult:
        """The list, and below it in full what the row under the cursor has no room for."""
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="words")

    def show(self, data: Listed[Incident]) -> None:
        """Put the table and the words."""
        super().show(data)
        self._show_selected()

    def on_grid_moved(self) -> None:
        """The words follow the cursor."""
        self._show_selected()
        super().on_grid_moved()

    def _show_selected(self) -> None:
        found = self.record
        words = (
            line(
                Cell(safe(found.cause, LINE_LIMIT), "strong"),
                Cell(f": {safe(found.cost.words, LINE_LIMIT)}" if found.cost.words else ""),
            )
            if found
            else ""
        )
        self.query_one("#whole", Static).update(words)

    def crumbs(self) -> tuple[str, ...]:
        """alerts › MODEL › going on."""
        return ("alerts", *filter(None, [self.model]), "all" if self._all else "going on")

    def notes(self) -> list[str]:
        """Whether there is more than is read by what it costs."""
        more = not self._all and self.data is not None and len(self.data.records) >= WINDOW
        return [*super().notes(), *([f"the dearest {WINDOW}, o shows all"] if more else [])]

    def set_arguments(self, *arguments: str) -> None:
        """``:alerts MODEL``, or ``all``."""
        self.model = "" if arguments[0] == "all" else arguments[0]
        self._ask_from_the_top()
        self.ask_anew()

    def load(self, services: "Services", actor: Actor) -> Listed[Incident]:
        """What goes on, or a window of everything."""
        if self._all:
            return super().load(services, actor)
        from pilothouse.operations.alerts import incidents
        from pilothouse.operations.fleet import targets

        self.check(services, actor)
        found = incidents.list_incidents(
            services, actor, unresolved=True, model=self.model or None, limit=WINDOW
        )
        table = incident_table(found, targets.list_targets(services, actor))
        if self.model:
            table = replace(table, empty=f"no incident of {self.model} goes on; o shows those that are over")
        return listed(found, table, lambda i: i.id)

    def check(self, services: "Services", actor: Actor) -> None:
        """There must be such a model."""
        check_model(services, actor, self.model)

    def narrowed(self, query: Query) -> Query:
        """Only one model's."""
        return replace(query, where=(("model", self.model),)) if self.model else query

    def page(self, services: "Services", actor: Actor, query: Query) -> Page[Incident]:
        """A window of all incidents."""
        from pilothouse.operations.alerts import incidents

        return incidents.incidents_page(services, actor, query)

    def table(self, services: "Services", rows: Sequence[Incident]) -> Table:
        """In the order given."""
        return incident_table(rows, everything=True)

    def subject_model(self) -> str:
        """The incident's model."""
        return self.record.model if self.record else ""

    def refusal(self, action: "Action") -> str:
        """The states of the incidents chosen decide."""
        if action.name == "all":
            return ""
        chosen = self.chosen if action.writes else [self.record]
        return next(
            filter(None, (incident_actions.refusal(action.name, found) for found in chosen or [None])), ""
        )

    def do_open(self) -> None:
        """Its alerts and its story."""
        self.open_view("incident", self.key)

    def do_why(self) -> None:
        """The alert that stands first in it."""
        if self.record:
            self.open_view("alert", member_table(self.record).rows[0].key)

    def do_acknowledge(self) -> None:
        """Somebody is on it, or on all that are marked."""
        if self.chosen:
            incident_actions.acknowledge(self, self.chosen)

    def do_resolve(self) -> None:
        """Close it, or all that are marked."""
        if self.chosen:
            incident_actions.resolve(self, self.chosen)

    def do_assign(self) -> None:
        """Name who looks after it, or after all that are marked."""
        if self.chosen:
            incident_actions.assign(self, self.chosen)

    def do_monitor(self) -> None:
        """Watch what it is about."""
        if self.record:
            self.open_view("monitor", self.record.model, self.record.targets[0])

    def do_unhealthy(self) -> None:
        """What goes on alone: all of it is shown already where ``o`` has not asked for everything."""
        if self._all:
            super().do_unhealthy()
        else:
            TableView.do_unhealthy(self)

    def do_all(self) -> None:
        """What goes on, or all."""
        self._all = not self._all
        grid = self.query_one("#grid", Grid)
        grid.forget_sort()
        grid.unhealthy = False
        narrowed = parse_filter(self.filter_text)
        self._ask_from_the_top(filter=narrowed, sort="", descending=False, unhealthy=False)
        self.ask_anew()

    def _apply_filter(self) -> None:
        """What is read whole is filtered where it is."""
        if self._all:
            super()._apply_filter()
        else:
            TableView._apply_filter(self)
