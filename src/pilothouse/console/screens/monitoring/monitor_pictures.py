"""The monitor's pictures: charts on one time axis, a heat map, distributions, the list of features, and lines of text."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size
from textual.widgets import Static

from pilothouse.console.screens.monitoring.monitor_loading import MonitorData
from pilothouse.console.session.drawing import Drawings
from pilothouse.console.widgets.chart import ChartView
from pilothouse.console.widgets.frame_parts import OneLine
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts.braille import SMALLEST
from pilothouse.presentation.charts.chart import Chart, Point, marks_of, times_of
from pilothouse.presentation.charts.monitor_charts import (
    PANELS,
    distribution_picture,
    heat_map,
    monitor_charts,
    whole_span,
)
from pilothouse.presentation.charts.monitor_lines import facts_line, legend_line, words_below
from pilothouse.presentation.charts.monitor_span import Axis, settled_span
from pilothouse.presentation.pages.work_pages import feature_table
from pilothouse.presentation.texts import estimate_note

_ROOM_BELOW = 12
"""Lines of the body from which on words stand below a chart."""
_TOGETHER = 4
"""Charts on one screen; the others are shown alone."""


class MonitorPictures:
    """The widgets of the monitor's body. The view says which deployment, feature and time they show."""

    def __init__(self) -> None:
        self.facts = OneLine(markup=False, id="facts", classes="line")
        self.features = Grid(id="features")
        self._together = Container(id="charts")
        self._below = Static(markup=False, id="below")
        self._legend = OneLine(markup=False, id="legend", classes="line")
        self._charts: list[ChartView] = []
        self._alone: dict[str, ChartView] = {}
        """The pictures that fill the whole body, by their layout."""
        self.layout = "charts"
        """``charts``, ``features``, ``heat`` or ``distribution``."""
        self.zoomed = 0
        """0 for the first four; else the number of one of PANELS."""
        self.times: list[float] = []
        """Every window's end, in order."""
        self._data: MonitorData | None = None
        self._span: Point = (0.0, 0.0)
        self._note = ""
        """What the newest estimate says of a change."""
        self._size = Size(0, 0)
        self._made: dict[str | None, tuple[Chart, ...]] = {}
        """The charts made of ``_data`` for ``_span``, by feature."""

    def compose(self, drawings: Drawings) -> ComposeResult:
        self._charts = [ChartView(drawings, id=f"chart{number}") for number in range(len(PANELS))]
        self._alone = {name: ChartView(drawings, id=name) for name in ("heat", "distribution")}
        yield self.facts
        with self._together:
            yield from self._charts
        yield from self._alone.values()
        yield self.features
        yield self._below
        yield self._legend

    def forget(self) -> None:
        """Drop everything made for the deployment shown before."""
        self.times, self._data, self._made, self._note = [], None, {}, ""

    def put(self, data: MonitorData, view: MonitorView, feature: str | None, axis: Axis) -> None:
        """Show the pictures; those that are equal are not drawn again."""
        span = axis.span(whole_span(view))
        if axis.following:
            span = settled_span(span)
        estimate = view.newest(view.estimated)
        self._note = estimate_note(estimate.finding) if estimate is not None else ""
        width = max(20, self.facts.app.size.width)
        self.facts.put(*facts_line(view, axis, span, width, data.differs))
        charts = self._charts_of(data, view, feature, span)
        self.times = times_of(charts)
        for widget, chart in zip(self._charts, charts, strict=False):
            widget.put(chart)
        if self.layout == "heat":
            self._alone["heat"].put(heat_map(view, feature, span))
        elif self.layout == "distribution":
            self._alone["distribution"].put(distribution_picture(data.distribution, feature or ""))
        elif self.layout == "features":
            self.features.put(feature_table(view))
        self.put_cursor(feature, view.target, axis)

    def _charts_of(
        self, data: MonitorData, view: MonitorView, feature: str | None, span: Point
    ) -> tuple[Chart, ...]:
        """The charts of the feature; made once for the same figures on the same axis."""
        if self._data is not data or self._span != span:
            self._data, self._span, self._made = data, span, {}
        if feature not in self._made:
            self._made[feature] = monitor_charts(view, feature, data.other, span)
        return self._made[feature]

    def put_cursor(self, feature: str | None, target: str, axis: Axis) -> None:
        """Show the cursor in every picture, and what happened there."""
        for chart in (*self._charts, *self._alone.values()):
            chart.put_cursor(axis.cursor)
        self._put_legend(feature, target, axis)

    def stops(self, feature: str | None) -> list[float]:
        """The times at which the cursor stops: the windows of what is shown. With four charts these are the windows of
        performance and drift, since the others have many more."""
        charts = self._made.get(feature, ())
        if self.layout != "charts":
            charts = charts[1:2]
        elif self.zoomed:
            charts = charts[self.zoomed - 1 : self.zoomed]
        else:
            charts = charts[:2]
        return times_of(charts) or self.times

    def arrange(self, feature: str | None, target: str, axis: Axis, size: Size) -> None:
        """Show only the layout's widgets in a body of ``size``."""
        self._together.display = self.layout == "charts"
        self.features.display = self.layout == "features"
        for name, widget in self._alone.items():
            widget.display = self.layout == name
        self.arrange_charts(size)
        self._put_legend(feature, target, axis)

    def arrange_charts(self, size: Size) -> None:
        """Show four charts, or one where a quarter of the body is too small for a chart."""
        self._size = size
        small = bool(size.height) and (
            size.width // 2 < SMALLEST[0] or (size.height - 2) // 2 < SMALLEST[1] + 1
        )
        shown = self.zoomed or (1 if small else 0)
        self._together.set_class(shown > 0, "zoomed")
        for number, chart in enumerate(self._charts):
            chart.display = shown == number + 1 if shown else number < _TOGETHER

    def drawn(self) -> list[Chart]:
        """The charts on the screen."""
        return [widget.picture for widget in self._charts if isinstance(widget.picture, Chart)]

    def _put_legend(self, feature: str | None, target: str, axis: Axis) -> None:
        data, stops = self._data, self.stops(feature)
        charts = self._made.get(feature, ())
        marks = charts[0].marks if charts else ()
        here = marks_of(marks, stops, axis.cursor) if axis.cursor is not None and stops else ()
        other = data.other.name if data is not None and data.other is not None else ""
        single = self.zoomed == 1
        self._legend.put(*legend_line(self.layout, feature, target, other, single=single, here=here))
        self._put_below(charts)

    def _put_below(self, charts: Sequence[Chart]) -> None:
        """Say below a chart that stands alone what has no room above it, where that leaves room for the chart."""
        words = ""
        if self.layout == "charts" and self.zoomed and charts and self._size.height >= _ROOM_BELOW:
            note = self._note if self.zoomed == 1 else ""
            words = words_below(charts[self.zoomed - 1], note, self._size.width)
        self._below.display = bool(words)
        self._below.update(line(Cell(words)))
