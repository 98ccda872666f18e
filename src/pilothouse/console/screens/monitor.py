"""Live charts of one model on one target: performance, drift of a feature, latency, volume, on one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.chart import ChartView
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.monitoring import MonitorView
from pilothouse.domain.roles import Actor
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts import MARK_LEGEND, monitor_charts
from pilothouse.presentation.texts import count_text, safe, time_text
from pilothouse.presentation.work_pages import feature_table

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services

_CHARTS = 4


@dataclass(frozen=True)
class Watched:
    """One target's view, and where the reader can go from there."""

    view: MonitorView | None
    places: tuple[tuple[str, str], ...]
    """(model, target) of every place, in order."""


class MonitorView_(View[Watched]):  # noqa: N801 - the domain's MonitorView is what it shows
    """Keys change target, feature, model, and zoom into one chart."""

    SCOPE = TOP = "monitor"

    def __init__(self, model: str = "", target: str = "") -> None:
        super().__init__()
        self.place = (model, target)
        self.feature: str | None = None
        self.zoomed = 0
        """0 shows all four; 1 to 4 one of them."""
        self.listing = False

    def body(self) -> ComposeResult:
        """One line of facts, the charts, or the features."""
        yield Static(markup=False, id="facts", classes="line")
        with Container(id="charts"):
            for number in range(_CHARTS):
                yield ChartView(self.app.drawings, colour=self.app.coloured, id=f"chart{number}")
        yield Grid(id="features")
        yield Static(markup=False, id="legend", classes="line")

    def crumbs(self) -> Sequence[str]:
        """monitor › MODEL › TARGET."""
        return ("monitor", *filter(None, self.place))

    def set_arguments(self, *arguments: str) -> None:
        """``:monitor MODEL TARGET``."""
        self.place = (arguments[0], arguments[1] if len(arguments) > 1 else "")
        self.feature = None
        self.data = None
        self.ask_anew()

    def load(self, services: "Services", actor: Actor) -> Watched:
        """The places there are, and the one shown."""
        from pilothouse.operations import catalogue, health

        models = catalogue.list_models(services, actor)
        places = tuple((model.name, target) for model in models for target in model.targets)
        if not places:
            return Watched(None, ())
        model, target = self.place
        if not model:
            model = places[0][0]
        if not target:
            target = next((t for m, t in places if m == model), "")
        return Watched(health.monitor_view(services, actor, model, target), places)

    def show(self, data: Watched) -> None:
        """Put the charts; those that are equal are not drawn again."""
        view = data.view
        if view is None:
            self.query_one("#facts", Static).update(
                line(Cell(" no models yet: write models/NAME/model.toml and run pilothouse apply", "dim"))
            )
            return
        self.place = (view.model, view.target)
        if self.feature not in view.drift:
            self.feature = next(iter(view.drift), None)
        self.query_one("#facts", Static).update(line(*_facts(view)))
        for number, chart in enumerate(monitor_charts(view, self.feature)):
            self.query_one(f"#chart{number}", ChartView).put(chart)
        self.query_one("#features", Grid).put(feature_table(view))
        self._arrange()
        self.refresh_chrome()

    def _arrange(self) -> None:
        charts = self.query_one("#charts", Container)
        charts.display = not self.listing
        grid = self.query_one("#features", Grid)
        grid.display = self.listing
        charts.set_class(self.zoomed > 0, "zoomed")
        for number in range(_CHARTS):
            self.query_one(f"#chart{number}", ChartView).display = self.zoomed in (0, number + 1)
        feature = f"feature {safe(self.feature)}   " if self.feature else ""
        self.query_one("#legend", Static).update(
            line(Cell(f" {feature}", "strong"), Cell(MARK_LEGEND, "dim"))
        )
        if self.listing:
            grid.focus()
        else:
            self.set_focus(None)

    def focus_body(self) -> None:
        """Keys go to the view itself, or to the list of features."""
        self._arrange()

    def subject_model(self) -> str:
        """The model watched."""
        return self.place[0]

    def refusal(self, action: "Action") -> str:
        """Most keys need a model."""
        if action.scope == self.SCOPE and (self.data is None or self.data.view is None):
            return "there is no model yet"
        return ""

    def on_key(self, event: events.Key) -> None:
        """Enter in the list of features shows that one."""
        super().on_key(event)
        if self.listing and event.key == "enter":
            self.feature = self.query_one("#features", Grid).key or self.feature
            self.do_features()

    def do_next_target(self, steps: int = 1) -> None:
        """The model's next target."""
        targets = [
            target for model, target in (self.data.places if self.data else ()) if model == self.place[0]
        ]
        if self.place[1] in targets:
            self.place = (self.place[0], targets[(targets.index(self.place[1]) + steps) % len(targets)])
            self.ask_anew()

    def do_previous_target(self) -> None:
        """The target before."""
        self.do_next_target(-1)

    def do_next_feature(self, steps: int = 1) -> None:
        """The next feature in the order of drift."""
        if self.data is None or self.data.view is None or not self.data.view.drift:
            return
        features = list(self.data.view.drift)
        position = features.index(self.feature) if self.feature in features else 0
        self.feature = features[(position + steps) % len(features)]
        self.show(self.data)

    def do_previous_feature(self) -> None:
        """The feature before."""
        self.do_next_feature(-1)

    def do_next_model(self) -> None:
        """The next model, on its first target."""
        models = list(dict.fromkeys(model for model, _ in (self.data.places if self.data else ())))
        if self.place[0] in models:
            self.place = (models[(models.index(self.place[0]) + 1) % len(models)], "")
            self.feature = None
            self.ask_anew()

    def do_zoom(self) -> None:
        """Each chart in turn on the whole screen, then all again."""
        self.zoomed = (self.zoomed + 1) % (_CHARTS + 1)
        self._arrange()

    def do_features(self) -> None:
        """The list, or the charts."""
        self.listing = not self.listing
        if self.data:
            self.show(self.data)

    def do_back(self) -> None:
        """Out of the list, out of the zoom, then away."""
        if self.listing or self.zoomed:
            self.listing, self.zoomed = False, 0
            self._arrange()
        else:
            super().do_back()

    def do_alerts(self) -> None:
        """The alerts of this model."""
        self.open_view("alerts", self.place[0])


def _facts(view: MonitorView) -> list[Cell]:
    version = f"v{view.version}" if view.version else "nothing deployed"
    counts = f"{count_text(view.events)} predictions  {count_text(view.labels_joined)} outcomes"
    cells = [
        Cell(f" {safe(view.model)} ", "strong"),
        Cell("on "),
        Cell(f"{safe(view.target)} ", "strong"),
        Cell(f"{version}  ", "info"),
    ]
    unresolved = [alert for alert in view.alerts if alert.status != "resolved"]
    if unresolved:
        cells.append(Cell(f"▲ {len(unresolved)} open alert{'' if len(unresolved) == 1 else 's'}  ", "warn"))
    return [*cells, Cell(f"data clock {time_text(view.event_clock)}  {counts}", "dim")]
