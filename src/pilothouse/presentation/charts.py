"""What a chart shows, as a frozen description: series over time, levels, marks. Drawing is somebody else's work."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from pilothouse.domain.model_spec import METRICS
from pilothouse.domain.monitoring import DriftReading, MonitorView, TimelineMark
from pilothouse.presentation.cells import Cell, Tone
from pilothouse.presentation.texts import ABSENT, count_text, figure, safe

Point = tuple[float, float]
"""Seconds since 1970, and the value."""

MARK_GLYPHS: dict[str, tuple[str, Tone]] = {
    "deployment": ("D", "info"),
    "promotion": ("D", "info"),
    "automatic": ("D", "info"),
    "rollback": ("B", "bad"),
    "alert": ("!", "warn"),
    "retraining": ("R", "good"),
}
"""Letter and tone of what happened at a time; an unknown kind shows as ``*``."""

MARK_LEGEND = "D deployed  B rolled back  ! alert  R retraining"


@dataclass(frozen=True, slots=True)
class Series:
    """Points in time order. ``dotted`` draws them as single dots, for the edges of a band."""

    name: str
    points: tuple[Point, ...]
    tone: Tone = ""
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line: a threshold or a reference."""

    name: str
    value: float
    tone: Tone = "dim"


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line at a time, with a letter on top."""

    at: float
    glyph: str
    tone: Tone
    label: str
    line: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. ``headline`` is the newest figure in words, ``empty`` what to say where there is no point yet."""

    title: str
    headline: Cell
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    marks: tuple[Mark, ...] = ()
    start: float = 0.0
    end: float = 0.0
    from_zero: bool = False
    whole: bool = False
    """The values are counts: the axis shows no fractions."""
    empty: str = "no figures yet"

    @property
    def has_points(self) -> bool:
        """True if there is anything to draw."""
        return any(series.points for series in self.series)


def performance_chart(view: MonitorView) -> Chart:
    """Realised performance with its 95 % band against the reference on the hold-out."""
    readings = view.performance
    reference = view.reference
    direction = METRICS.get(view.metric, ("higher", ()))[0]
    headline = Cell(ABSENT, "dim")
    if readings:
        last = readings[-1]
        verdict = "✖ worse" if last.speaks else "● fine"
        text = f"{verdict} {figure(last.value)} [{figure(last.low)} {figure(last.high)}]"
        headline = Cell(text, "bad" if last.speaks else "good")
    return Chart(
        title=f"{safe(view.metric)} {'↑' if direction == 'higher' else '↓'}",
        headline=headline,
        series=(
            Series("low", _points((r.window_end, r.low) for r in readings), "dim", dotted=True),
            Series("high", _points((r.window_end, r.high) for r in readings), "dim", dotted=True),
            Series("reference", _points((r.window_end, r.reference) for r in readings), "good"),
            Series(view.metric, _points((r.window_end, r.value) for r in readings), "info"),
        ),
        levels=(Level("reference", reference.value, "good"),) if reference and not readings else (),
        empty="no performance yet: it is known once outcomes have arrived for a whole window",
        **_time_axis(view),
    )


def drift_chart(view: MonitorView, feature: str) -> Chart:
    """One feature (or ``score``) over all windows in the statistic by which the newest was judged, with its threshold.

    Older windows may have been judged by another, whose values are in other units.
    """
    readings: Sequence[DriftReading] = view.drift.get(feature, ())
    headline = Cell(ABSENT, "dim")
    levels: tuple[Level, ...] = ()
    statistic = ""
    if readings:
        last = readings[-1]
        statistic = last.statistic
        verdict = "▲ drifts" if last.speaks else "● quiet"
        headline = Cell(
            f"{verdict} {figure(last.value)} of {figure(last.threshold)}", "warn" if last.speaks else "good"
        )
        levels = (Level("threshold", last.threshold, "warn"),)
    values = (
        (r.window_end, r.value if r.statistic == statistic else r.statistics.get(statistic, math.nan))
        for r in readings
    )
    return Chart(
        title=f"{safe(feature, 24)} {safe(statistic)}".rstrip(),
        headline=headline,
        series=(Series(feature, _points(values), "info"),),
        levels=levels,
        from_zero=True,
        empty="no drift figures yet: they are made once a whole window has passed",
        **_time_axis(view),
    )


def latency_chart(view: MonitorView) -> Chart:
    """p50, p95 and p99 in milliseconds, with the p95 measured on this machine as the base line."""
    readings = [r for r in view.traffic if r.requests]
    headline = Cell(ABSENT, "dim")
    if readings:
        last = readings[-1]
        headline = Cell(
            f"p50 {figure(last.p50_ms, 1)} p95 {figure(last.p95_ms, 1)} p99 {figure(last.p99_ms, 1)}",
            "info",
        )
    return Chart(
        title="latency ms",
        headline=headline,
        series=(
            Series("p99", _points((r.window_end, r.p99_ms) for r in readings), "dim", dotted=True),
            Series("p95", _points((r.window_end, r.p95_ms) for r in readings), "warn"),
            Series("p50", _points((r.window_end, r.p50_ms) for r in readings), "info"),
        ),
        levels=(Level("base line p95", view.baseline_p95_ms, "dim"),) if view.baseline_p95_ms else (),
        from_zero=True,
        empty="no latency yet: nothing has been asked of this target",
        **_time_axis(view),
    )


def volume_chart(view: MonitorView) -> Chart:
    """Predictions a window, and errors where there were any."""
    readings = view.traffic
    headline = Cell(ABSENT, "dim")
    errors = sum(r.errors for r in readings)
    if readings:
        last = readings[-1]
        text = f"{count_text(last.rows)} rows, {count_text(last.errors)} errors"
        headline = Cell(text, "bad" if last.errors else "info")
    series = [Series("rows", _points((r.window_end, float(r.rows)) for r in readings), "info")]
    if errors:
        series.append(Series("errors", _points((r.window_end, float(r.errors)) for r in readings), "bad"))
    return Chart(
        title="volume",
        headline=headline,
        series=tuple(series),
        from_zero=True,
        whole=True,
        empty="no traffic yet",
        **_time_axis(view),
    )


def monitor_charts(view: MonitorView, feature: str | None) -> tuple[Chart, ...]:
    """The four charts of a target on one time axis. Without ``feature`` the most drifted one is shown."""
    shown = feature if feature in view.drift else next(iter(view.drift), "score")
    return (performance_chart(view), drift_chart(view, shown), latency_chart(view), volume_chart(view))


def _points(pairs: Iterable[tuple[datetime, float]]) -> tuple[Point, ...]:
    """Pairs of time and value as points, without those that are not numbers."""
    return tuple((at.timestamp(), value) for at, value in pairs if value == value)


class _TimeAxis(TypedDict):
    marks: tuple[Mark, ...]
    start: float
    end: float


def _time_axis(view: MonitorView) -> _TimeAxis:
    """Marks, first and last time: the same for every chart of a view, so that they can be read across."""
    times = [r.window_end for r in view.performance] + [r.window_end for r in view.traffic]
    times += [r.window_end for readings in view.drift.values() for r in readings]
    if not times:
        return {"marks": (), "start": 0.0, "end": 0.0}
    start, end = min(times).timestamp(), max(times).timestamp()
    marks = tuple(_mark(mark) for mark in view.marks if start <= mark.at.timestamp() <= end)
    return {"marks": marks, "start": start, "end": end}


def _mark(mark: TimelineMark) -> Mark:
    glyph, tone = MARK_GLYPHS.get(mark.kind, ("*", "dim"))
    return Mark(mark.at.timestamp(), glyph, tone, safe(mark.label), line=glyph in "DB")
