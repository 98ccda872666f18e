"""What the monitor's pictures share: points over time, figures with the version that they are of, a second deployment."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.findings import Finding, Window, WindowFinding
from pilothouse.domain.monitoring.monitoring import Health, MonitorView
from pilothouse.presentation.charts.chart import Point
from pilothouse.presentation.texts import counted, day_text, time_text


@dataclass(frozen=True, slots=True)
class Other:
    """A second target or version, shown beside the first; ``name`` labels it."""

    name: str
    view: MonitorView

    @property
    def tag(self) -> str:
        """Up to four letters for the end of its line."""
        return safe(self.name, 64)[:4]


def of_version(view: MonitorView, newest: WindowFinding[Finding], text: str) -> str:
    """The text of a figure; ``v1: `` before that of another version than the one that is live, which has none of its own yet;
    ``then`` behind one of when the version was live before."""
    is_other = newest.version is not None and newest.version != view.version
    then = " then" if view.is_of_then(newest) else ""
    dated = f"{text}{f' to {end_text(newest.window)}' if is_silent(view) else then}"
    return f"v{newest.version}: {dated}" if is_other else dated


def is_silent(view: MonitorView) -> bool:
    """True where nothing comes any more: a figure is not of the present."""
    return view.state is not None and view.state.health in (Health.NO_TRAFFIC, Health.DOWN)


def end_text(window: Window) -> str:
    is_short = window.end - window.start < timedelta(days=1)
    return time_text(window.end) if is_short else day_text(window.end)


def no_traffic_text(view: MonitorView) -> str:
    """Text in place of the figures of traffic where no closed window has any: whether anything has come is another question."""
    if view.traffic or not view.events:
        return "no traffic yet"
    return f"no window is closed yet: {counted(view.events, 'prediction')} so far"


def no_latency_text(view: MonitorView) -> str:
    """Text in place of the figures of latency where no closed window has any."""
    if view.traffic:
        return "no latency: the predictions of the closed windows came without it"
    return f"no latency yet: {no_traffic_text(view)}" if view.events else "no latency yet: no traffic"


def points_of(pairs: Iterable[tuple[datetime, float | None]]) -> tuple[Point, ...]:
    """Pairs of time and value as points, without unknown values."""
    return tuple((at.timestamp(), value) for at, value in pairs if value is not None and math.isfinite(value))
