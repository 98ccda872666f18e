"""Four charts and a table that move on once a second: bytes on the wire and drawing time, against plotext repainted whole.

Both run in one process at 80×24 with the same figures, table and theme; what Textual would send to a terminal is counted.
"""

import asyncio
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench import median_s, show
from rich.text import Text
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from pilothouse.console.session.drawing import Drawings
from pilothouse.console.widgets.chart import ChartView
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.monitoring.findings import Window, WindowFinding
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.presentation.charts import braille, plotting
from pilothouse.presentation.charts.chart import Chart
from pilothouse.presentation.charts.monitor_charts import monitor_charts, whole_span
from pilothouse.presentation.charts.monitor_span import settled_span
from pilothouse.presentation.pages.work_pages import feature_table
from presentation.values import drift, performance, traffic

START = datetime(2013, 6, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICKS, WINDOWS = 20, 200
CSS = """
Screen { background: ansi_default; color: ansi_default; }
#charts { layout: grid; grid-size: 2 2; height: 1fr; }
ChartView, Plotted { height: 1fr; width: 1fr; }
Grid { height: 6; background: ansi_default; }
"""


def view(newest: int) -> MonitorView:
    """The last 200 windows up to ``newest``."""
    windows = [
        (i, Window(start=START + HOUR * i, end=START + HOUR * (i + 1), rows=2_900, judged=True))
        for i in range(newest - WINDOWS, newest)
    ]

    def wave(i: int, size: float, turn: float) -> float:
        return size * (((i * 7919) % 101) / 101 - 0.5) + size * ((i % turn) / turn)

    return MonitorView(
        "flight-delay", "jfk", 1, "auc", None, 5.8,
        performance=tuple(
            WindowFinding(window=w, finding=performance(0.7 + wave(i, 0.05, 60))) for i, w in windows
        ),
        drift={
            name: tuple(
                WindowFinding(window=w, finding=drift(name, "psi", abs(wave(i, 0.1, 40 + k)), 0.12, p_value=0.3))
                for i, w in windows
            )
            for k, name in enumerate(("wind", "hour", "carrier", "score"))
        },
        traffic=tuple(
            WindowFinding(
                window=replace(w, rows=w.rows + int(wave(i, 400, 24))),
                finding=traffic(4 + wave(i, 1, 30), 6 + wave(i, 2, 30), 9 + wave(i, 4, 30)),
            )
            for i, w in windows
        ),
    )  # fmt: skip


class Plotted(Widget):
    """plotext's drawing as one renderable, repainted whole: how the console drew before."""

    text = Text()

    def put(self, chart: Chart) -> None:
        """Draw and repaint."""
        head = Text(f" {chart.title}  {chart.headline.text}\n", no_wrap=True)
        self.text = head + Text.from_ansi(
            plotting.draw(chart, self.size.width, self.size.height - 1), no_wrap=True
        )
        self.refresh()

    def render(self) -> Text:
        """The drawing."""
        return self.text


class Screen(App[None]):
    """Four charts and a table; ``kind`` draws them."""

    CSS = CSS

    def __init__(self, kind: str) -> None:
        super().__init__(ansi_color=True)
        self.kind = kind
        self.theme = "ansi-dark"
        self.drawings = Drawings()
        self.sent = 0
        """Bytes that a terminal would have been sent."""

    def _display(self, screen: object, renderable: object) -> None:
        """Count what Textual's compositor writes for an update."""
        if isinstance(renderable, CompositorUpdate):
            self.sent += len(renderable.render_segments(self.console).encode())
        super()._display(screen, renderable)  # type: ignore[arg-type]

    def compose(self) -> ComposeResult:
        """As the monitor."""
        yield Static("facts")
        with Container(id="charts"):
            for number in range(4):
                yield (
                    ChartView(self.drawings, id=f"c{number}")
                    if self.kind == "ours"
                    else Plotted(id=f"c{number}")
                )
        yield Grid()

    def tick(self, newest: int, *, charts: bool = True) -> None:
        """One more window."""
        now = view(newest)
        if charts:
            span = settled_span(whole_span(now)) if self.kind == "ours" else None
            for number, chart in enumerate(monitor_charts(now, "wind", span=span)[:4]):
                self.query_one(f"#c{number}").put(chart)
        self.query_one(Grid).put(feature_table(now))

    @property
    def settled(self) -> bool:
        """Everything is drawn."""
        return all(chart.settled for chart in self.query(ChartView))


async def bytes_a_tick(kind: str, step: int, *, charts: bool = True) -> float:
    """The median of bytes for the terminal a tick, once it runs. ``step`` 0: nothing changes."""
    app = Screen(kind)
    written: list[int] = []
    async with app.run_test(size=(80, 24)) as pilot:
        for number in range(TICKS):
            app.sent = 0
            app.tick(WINDOWS + number * step, charts=charts)
            await pilot.pause(0.05)
            while not app.settled:
                await pilot.pause(0.005)
            await pilot.pause(0.05)
            written.append(app.sent)
    return statistics.median(written[2:])


def run() -> None:
    """Bytes at 80×24; drawing time at 80×24, 120×40 and 400×120."""
    charts = monitor_charts(view(WINDOWS), "wind")[:4]
    for name, width, height in (("80×24", 40, 8), ("120×40", 60, 16), ("400×120", 200, 56)):
        ours = median_s(lambda w=width, h=height: [braille.draw(chart, w, h) for chart in charts], 15)  # type: ignore[misc]
        theirs = median_s(lambda w=width, h=height: [plotting.draw(chart, w, h) for chart in charts], 7)  # type: ignore[misc]
        show(
            f"charts: four drawn, {name}",
            f"{ours * 1000:.1f} ms",
            f"{ours / theirs:.2f}× plotext ({theirs * 1000:.1f} ms)",
        )
    ours = asyncio.run(bytes_a_tick("ours", 1))
    plain = asyncio.run(bytes_a_tick("plotext", 1))
    against = f"{ours / plain:.2f}× plotext without backgrounds, repainted whole ({plain / 1024:.1f} KiB/s)"
    show("charts: four and a table, a new window a second", f"{ours / 1024:.1f} KiB/s", against)
    show(
        "charts: of that the table", f"{asyncio.run(bytes_a_tick('ours', 1, charts=False)) / 1024:.1f} KiB/s"
    )
    show("charts: nothing changed", f"{asyncio.run(bytes_a_tick('ours', 0)):.0f} B/s")
    for kind in ("ours", "plotext"):
        p50, p99 = asyncio.run(lateness(kind))
        show(f"charts: the event loop is late, {kind}, p50 / p99", f"{p50 * 1000:.1f} / {p99 * 1000:.1f} ms")


async def lateness(kind: str) -> tuple[float, float]:
    """How much later than it asked for a task of the event loop runs while charts move on."""
    app = Screen(kind)
    late: list[float] = []
    async with app.run_test(size=(80, 24)) as pilot:

        async def keep_asking() -> None:
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0.002)
                late.append(time.perf_counter() - began - 0.002)

        asking = asyncio.create_task(keep_asking())
        for number in range(TICKS):
            app.tick(WINDOWS + number)
            await pilot.pause(0.1)
        asking.cancel()
    late.sort()
    return late[len(late) // 2], late[int(len(late) * 0.99)]
