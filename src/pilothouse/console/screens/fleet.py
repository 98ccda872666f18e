"""Models × targets: the live version, its health and age, and roll-outs on their way."""

from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.monitoring import Fleet
from pilothouse.domain.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.fleet_rows import (
    GROUPINGS,
    columns_that_fit,
    fleet_table,
    models_of,
    roll_out_lines,
    tiles,
)

_LINES = 3
"""Roll-outs named above the table; the table shows all as arrows."""


@dataclass(frozen=True)
class FleetData:
    """The fleet, and the time of loading (to the minute: a second must repaint nothing)."""

    fleet: Fleet
    now: datetime


class FleetView(View[FleetData]):
    """Up and down choose a target, left and right a model."""

    SCOPE = "fleet"
    REGISTRY_ALONE = True
    TOP = "deployments"

    def __init__(self) -> None:
        super().__init__()
        self.grouping = GROUPINGS[0]
        self.model = ""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="summary", classes="line")
        yield Static(markup=False, id="coming")
        yield Grid(id="grid")

    def crumbs(self) -> tuple[str, ...]:
        return (
            "deployments",
            "fleet",
            f"by {self.grouping}" if self.grouping != "nothing" else "all targets",
        )

    def load(self, services: Services, actor: Actor) -> FleetData:
        from pilothouse.operations.fleet import fleet

        return FleetData(fleet.fleet(services, actor), services.now().replace(second=0, microsecond=0))

    def show(self, data: FleetData) -> None:
        """Show the columns around the chosen model."""
        models = models_of(data.fleet)
        if self.model not in models:
            self.model = models[0] if models else ""
        fit = columns_that_fit(self.size.width)
        column = models.index(self.model) if self.model in models else 0
        first = max(0, min(column - fit + 1, len(models) - fit)) if column >= fit else 0
        self.query_one("#summary", Static).update(
            line(*tiles(data.fleet.states), Cell(_more(models, first, fit), "dim"))
        )
        coming = roll_out_lines(data.fleet)
        shown = coming[:_LINES] + (
            [Cell(f" … and {len(coming) - _LINES} more", "dim")] if len(coming) > _LINES else []
        )
        box = self.query_one("#coming", Static)
        box.update(Text("\n").join(line(cell) for cell in shown))
        box.display = bool(shown)
        table = fleet_table(data.fleet, models[first : first + fit], self.model, self.grouping, data.now)
        self.query_one("#grid", Grid).put(table)
        self.focus_body()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self.data is not None:
            self.call_after_refresh(self.show, self.data)

    @property
    def target(self) -> str:
        """The target under the cursor; empty on a group."""
        key = self.query_one("#grid", Grid).key or ""
        return "" if key.startswith("/") else key

    def subject_model(self) -> str:
        return self.model

    def refusal(self, action: Action) -> str:
        if self.data is None or not self.data.fleet.states:
            return "there is no target yet"
        if action.name == "open" and not self.target:
            return "this is a group: choose a target"
        if action.name == "open" and not any(
            (s.model, s.target) == (self.model, self.target) for s in self.data.fleet.states
        ):
            return f"{self.model} does not run on {self.target}: ← → choose another model"
        return ""

    def do_open(self) -> None:
        self.open_view("monitor", self.model, self.target)

    def do_group(self) -> None:
        self.grouping = GROUPINGS[(GROUPINGS.index(self.grouping) + 1) % len(GROUPINGS)]
        self.refresh_chrome()
        if self.data is not None:
            self.show(self.data)

    def do_next_model(self, steps: int = 1) -> None:
        if self.data is None:
            return
        models = models_of(self.data.fleet)
        if models:
            self.model = models[(models.index(self.model) + steps) % len(models)]
            self.show(self.data)

    def do_previous_model(self) -> None:
        self.do_next_model(-1)

    def do_live(self) -> None:
        self.open_view("deployments")

    def do_versions(self) -> None:
        self.open_view("versions", self.model)


def _more(models: tuple[str, ...], first: int, fit: int) -> str:
    if len(models) <= fit:
        return ""
    return f"   models {first + 1} to {min(first + fit, len(models))} of {len(models)}, ← → for others"
