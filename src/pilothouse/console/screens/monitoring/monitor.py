"""Live charts of a deployment on one time axis, with a cursor; a heat map, distributions, another deployment beside it."""

from collections.abc import Sequence
from dataclasses import replace

from textual import events
from textual.app import ComposeResult

from pilothouse.console.frame import past_text
from pilothouse.console.screens.base import View
from pilothouse.console.screens.monitoring.monitor_loading import (
    MonitorData,
    list_deployments,
    load_distribution,
    load_monitor,
    resolve,
)
from pilothouse.console.screens.monitoring.monitor_pictures import MonitorPictures
from pilothouse.console.session import exporting
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.operations.services import Services
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts.monitor_charts import PANELS, whole_span
from pilothouse.presentation.charts.monitor_span import Axis


class MonitorScreen(View[MonitorData]):
    """Keys move a cursor through time, change target, feature and model, and zoom into one chart."""

    SCOPE = TOP = "monitor"

    def __init__(self, model: str = "", target: str = "", beside: str = "") -> None:
        super().__init__()
        self.deployment = (model, target)
        self.beside = beside
        self.feature: str | None = None
        self.axis = Axis()
        self._deployments: tuple[tuple[str, str], ...] = ()
        """Every (model, target) there is, in order."""
        self.pictures = MonitorPictures()

    def body(self) -> ComposeResult:
        yield from self.pictures.compose(self.app.drawings)

    def on_mount(self) -> None:
        self._arrange()

    def crumbs(self) -> Sequence[str]:
        beside = [f"beside {self.beside}"] if self.beside else []
        return ("monitor", *filter(None, self.deployment), *beside)

    def set_arguments(self, *arguments: str) -> None:
        model, target, beside, *_ = ("", "", "") if arguments == ("all",) else (*arguments, "", "")
        self.deployment, self.beside = (model, target), beside
        self._start_anew()

    def _start_anew(self) -> None:
        self.feature, self.data, self.axis = None, None, Axis()
        self.pictures.forget()
        self.invalidate()

    def load(self, services: Services, actor: Actor) -> MonitorData:
        self._deployments = list_deployments(services, actor)
        if not self._deployments:
            return MonitorData(None)
        deployment = resolve(services, actor, self.deployment, self._deployments)
        loaded = load_monitor(services, actor, deployment, self.beside)
        if loaded.view is None or self.pictures.layout != "distribution":
            return loaded
        feature = self.feature if self.feature in loaded.view.drift else next(iter(loaded.view.drift), None)
        if feature is None:
            return loaded
        return replace(
            loaded, distribution=load_distribution(services, actor, loaded.view, feature, self.axis.cursor)
        )

    def show(self, data: MonitorData) -> None:
        view = data.view
        if view is None:
            hint = "no models yet: write models/NAME/model.toml and run pilothouse apply"
            self.pictures.facts.put(Cell(f" {past_text(self.session.at) or hint}", "dim"))
            return
        self.deployment = (view.model, view.target)
        if self.feature not in view.drift:
            self.feature = next(iter(view.drift), None)
        self.pictures.put(data, view, self.feature, self.axis)
        self.refresh_chrome()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._arrange_charts)

    def _arrange_charts(self) -> None:
        self.pictures.arrange(self.feature, self.deployment[1], self.axis, self.frame.body.size)

    def _arrange(self) -> None:
        self.pictures.arrange(self.feature, self.deployment[1], self.axis, self.frame.body.size)
        self.focus_body()

    def take_keys(self) -> None:
        grid = self.pictures.features
        if grid.display:
            grid.focus()
        else:
            self.set_focus(None)

    def ways_out(self) -> str:
        return f"m and Tab go to models and targets that there are, {super().ways_out()}"

    def subject_model(self) -> str:
        return self.deployment[0]

    def refusal(self, action: Action) -> str:
        if action.name == "rejected":
            return ""
        if action.name in ("next_target", "previous_target", "next_model") and self._deployments:
            return ""
        if self.data is None:
            return "no target is shown: m and Tab go through those that there are"
        if self.data.view is None:
            return "there is no model yet"
        if (
            action.name in ("earlier", "later", "closer", "wider", "pan_back", "pan_on", "export")
            and not self.pictures.times
        ):
            return "there is no window yet"
        if action.name in ("distribution", "heat", "features") and not self.data.view.drift:
            return "no window has been judged yet"
        if action.name == "beside" and not self.data.besides:
            return "the model runs on no other target, and no version ran here before"
        return ""

    # ---- time

    @property
    def _view(self) -> MonitorView:
        assert self.data is not None
        assert self.data.view is not None
        return self.data.view

    def _look(self, axis: Axis) -> None:
        """Show another part of the time, or another position of the cursor."""
        moved = axis.cursor != self.axis.cursor
        same_span = (axis.shown, axis.following) == (self.axis.shown, self.axis.following)
        self.axis = axis
        if moved and self.pictures.layout == "distribution":
            self.reload()
        if same_span:
            self.pictures.put_cursor(self.feature, self.deployment[1], self.axis)
        elif self.data is not None:
            self.show(self.data)

    def do_later(self, steps: int = 1) -> None:
        self._look(self.axis.stepped(self.pictures.stops(self.feature), whole_span(self._view), steps))

    def do_earlier(self) -> None:
        self.do_later(-1)

    def do_closer(self) -> None:
        self._look(self.axis.zoomed(whole_span(self._view), 0.5))

    def do_wider(self) -> None:
        self._look(self.axis.zoomed(whole_span(self._view), 2.0))

    def do_pan_back(self, share: float = -0.5) -> None:
        self._look(self.axis.moved(whole_span(self._view), share))

    def do_pan_on(self) -> None:
        self.do_pan_back(0.5)

    def do_follow(self) -> None:
        whole = whole_span(self._view)
        following = not self.axis.following
        self._look(replace(self.axis, shown=self.axis.span(whole), following=following, cursor=None))
        self.say("following the newest window" if following else "staying at this time; w follows again")

    # ---- what is shown

    def on_key(self, event: events.Key) -> None:
        """Enter in the list of features shows the feature."""
        super().on_key(event)
        if self.pictures.layout == "features" and event.key == "enter":
            self.feature = self.pictures.features.key or self.feature

    def do_next_target(self, steps: int = 1) -> None:
        targets = [target for model, target in self._deployments if model == self.deployment[0]]
        if targets:
            at = targets.index(self.deployment[1]) + steps if self.deployment[1] in targets else 0
            self.deployment = (self.deployment[0], targets[at % len(targets)])
            self.invalidate()
        else:
            self.do_next_model()

    def do_previous_target(self) -> None:
        self.do_next_target(-1)

    def do_next_feature(self, steps: int = 1) -> None:
        if self.data is None or self.data.view is None or not self.data.view.drift:
            return
        features = list(self.data.view.drift)
        position = features.index(self.feature) if self.feature in features else 0
        self.feature = features[(position + steps) % len(features)]
        if self.pictures.layout == "distribution":
            self.invalidate()
        else:
            self.show(self.data)

    def do_previous_feature(self) -> None:
        self.do_next_feature(-1)

    def do_next_model(self) -> None:
        """Show the next model, on its worst target."""
        models = list(dict.fromkeys(model for model, _ in self._deployments))
        if models:
            at = models.index(self.deployment[0]) + 1 if self.deployment[0] in models else 0
            self.deployment, self.beside = (models[at % len(models)], ""), ""
            self._start_anew()

    def do_beside(self) -> None:
        """Show the next of what can stand beside, then nothing."""
        choices = ["", *(self.data.besides if self.data else ())]
        index = choices.index(self.beside) if self.beside in choices else 0
        self.beside = choices[(index + 1) % len(choices)]
        self.invalidate()

    def do_zoom(self) -> None:
        """Show each chart in turn on the whole screen, then all again."""
        self.pictures.layout = "charts"
        self.pictures.zoomed = (self.pictures.zoomed + 1) % (len(PANELS) + 1)
        self._arrange()

    def do_features(self) -> None:
        self._toggle("features")

    def do_heat(self) -> None:
        self._toggle("heat")

    def do_distribution(self) -> None:
        self._toggle("distribution")

    def _toggle(self, layout: str) -> None:
        self.pictures.layout = "charts" if self.pictures.layout == layout else layout
        self._arrange()
        if self.pictures.layout == "distribution":
            self.invalidate()
        if self.data:
            self.show(self.data)

    def do_back(self) -> None:
        """Leave list, map or zoom, then the cursor, then the view."""
        if self.frame.prompt.display:
            super().do_back()
        elif self.pictures.layout != "charts" or self.pictures.zoomed:
            self.pictures.layout, self.pictures.zoomed = "charts", 0
            self._arrange()
        elif self.axis.cursor is not None:
            self._look(replace(self.axis, cursor=None))
        else:
            super().do_back()

    def do_alerts(self) -> None:
        self.open_view("alerts", self.deployment[0])

    def do_rejected(self) -> None:
        self.open_view("rejected")

    def do_export(self) -> None:
        charts = self.pictures.drawn()
        view, other, session = self._view, self.data.other if self.data else None, self.session

        def operation(_services: Services, _actor: Actor) -> str:
            exported = exporting.export(session, view, charts, other)
            if exported.clipboard:
                self.app.call_from_thread(self.app.copy_to_clipboard, exported.clipboard)
            return exported.message

        self.perform("exported", operation, waiting="writing the series and the pictures …")
