"""Models × targets: the live version, its health and age, and roll-outs on their way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.screens.monitoring.roll_back import ask_roll_back
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.fleet import Fleet
from pilothouse.domain.targets import Difference
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.fleet_rows import (
    GROUPINGS,
    columns_that_fit,
    fleet_table,
    roll_out_lines,
    targets_below,
    tiles,
)

_LINES = 3
"""Roll-outs named above the table; the table shows all as arrows."""


@dataclass(frozen=True)
class FleetData:
    """The fleet, what runs otherwise than it should, and the time of loading (to the minute: a second must repaint nothing)."""

    fleet: Fleet
    now: datetime
    differences: Mapping[tuple[str, str], Difference]


class FleetView(View[FleetData]):
    """Up and down choose a target, left and right a model."""

    SCOPE = "fleet"
    REGISTRY_ALONE = True
    TOP = "deployments"

    def __init__(self) -> None:
        super().__init__()
        self.grouping = GROUPINGS[0]
        self.model = ""
        self._room = columns_that_fit(80)
        """Number of models whose columns fit the screen."""

    def on_mount(self) -> None:
        self._room = columns_that_fit(self.app.size.width)

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
        from pilothouse.operations.fleet import fleet, places

        shown = fleet.fleet(services, actor, self.model, self._room)
        now = services.now().replace(second=0, microsecond=0)
        return FleetData(shown, now, places.differing(services, actor))

    def show(self, data: FleetData) -> None:
        """Show the window of models; the chosen one may have left it meanwhile, and is loaded then."""
        fleet = data.fleet
        if self.model not in fleet.models:
            self.model = next(iter(fleet.models), "")
        self.query_one("#summary", Static).update(line(*tiles(fleet.counts), Cell(_window(fleet), "dim")))
        coming = roll_out_lines(fleet, _LINES)
        box = self.query_one("#coming", Static)
        box.update(Text("\n").join(line(cell) for cell in coming))
        box.display = bool(coming)
        self._show_table()
        self.focus_body()

    def _show_table(self) -> None:
        if self.data is not None:
            data = self.data
            table = fleet_table(data.fleet, self.model, self.grouping, data.now, data.differences)
            self.query_one("#grid", Grid).put(table)

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._fit(columns_that_fit(event.size.width))

    def _fit(self, room: int) -> None:
        if room != self._room:
            self._room = room
            self.reload()

    @property
    def target(self) -> str:
        """The target under the cursor; empty on a group."""
        key = self.query_one("#grid", Grid).key or ""
        return "" if key.startswith("/") else key

    def subject_model(self) -> str:
        return self.model

    def refusal(self, action: Action) -> str:
        if action.name == "rollouts":
            return ""
        if self.data is None or not self.data.fleet.places:
            return "there is no target yet"
        if action.name == "roll_back" and not self.targets:
            return f"{self.model} is live nowhere here: ← → choose another model"
        if action.name == "open" and not self.target:
            return "this is a group: choose a target"
        if action.name == "open" and not any(
            (s.model, s.target) == (self.model, self.target) for s in self.data.fleet.states
        ):
            return f"{self.model} does not run on {self.target}: ← → choose another model"
        return ""

    @property
    def targets(self) -> list[str]:
        """Targets under the cursor on which the chosen model is live: one, or those of a group."""
        if self.data is None:
            return []
        key = self.query_one("#grid", Grid).key or ""
        below = targets_below(self.data.fleet, self.grouping, key)
        live = {
            s.target for s in self.data.fleet.states if s.model == self.model and s.deployment is not None
        }
        return [name for name in below if name in live]

    async def do_roll_back(self) -> None:
        """Roll back the chosen model on the target or on every target of the group."""
        if targets := self.targets:
            await ask_roll_back(self, self.model, targets)

    def do_open(self) -> None:
        self.open_view("monitor", self.model, self.target)

    def do_group(self) -> None:
        self.grouping = GROUPINGS[(GROUPINGS.index(self.grouping) + 1) % len(GROUPINGS)]
        self.refresh_chrome()
        self._show_table()

    def do_next_model(self, steps: int = 1) -> None:
        models = self.data.fleet.models if self.data else ()
        if self.data is None or not models:
            return
        self.model = models[(models.index(self.model) + steps) % len(models)]
        self._show_table()
        if self.model not in self.data.fleet.window:
            self.reload()

    def do_previous_model(self) -> None:
        self.do_next_model(-1)

    def do_live(self) -> None:
        self.open_view("deployments")

    def do_rollouts(self) -> None:
        self.open_view("rollouts")

    def do_versions(self) -> None:
        self.open_view("versions", self.model)


def _window(fleet: Fleet) -> str:
    shown = len(fleet.window)
    if len(fleet.models) <= shown:
        return ""
    return f"   models {fleet.first + 1} to {fleet.first + shown} of {len(fleet.models):,}, ← → for others"
