"""Descriptions of charts as frozen values: series over time, bands, levels, marks; heat maps; distributions.

``braille`` draws them for the console, ``plotting`` as plain text, ``vector`` as SVG.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pilothouse.domain.formats.time_units import DAY_S
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.texts import count_text, figure

Point = tuple[float, float]
"""Seconds since 1970 (or the horizontal figure of a chart that has one), and the value."""

Style = Literal["line", "dashed", "dotted", "bars"]

MARK_GLYPHS: dict[str, tuple[str, Tone]] = {
    "deployment": ("D", "info"),
    "promotion": ("D", "info"),
    "automatic": ("D", "info"),
    "rollback": ("B", "bad"),
    "alert": ("!", "warn"),
    "retraining": ("R", "good"),
}
"""Letter and tone of each kind of mark; an unknown kind shows as ``*``."""

MARK_LEGEND = "D deployed  B rolled back  ! alert  R retraining  + several"


@dataclass(frozen=True, slots=True)
class Series:
    """Points in time order. ``style`` distinguishes series without colour; ``tag`` (up to four letters) stands at the end."""

    name: str
    points: tuple[Point, ...]
    tone: Tone = ""
    style: Style = "line"
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """An interval around a series: (time, low, high) in time order. ``filled`` bands are shaded, others have dotted edges."""

    name: str
    points: tuple[tuple[float, float, float], ...]
    tone: Tone = "dim"
    filled: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line: a threshold or a reference."""

    name: str
    value: float
    tone: Tone = "dim"
    tag: str = ""


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
    """A chart over time. ``headline`` is its newest figure as text; ``empty`` stands in its place while there is no point."""

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
    bands: tuple[Band, ...] = ()
    decimals: int = 3
    across: str = ""
    """Name of the horizontal figure where that is not time."""
    across_whole: bool = False
    """The horizontal figure is a number of something: its axis shows no fractions."""
    bounds: Point | None = None
    """Least and greatest value that the axis has at least: charts beside each other are drawn to one scale."""

    @property
    def has_points(self) -> bool:
        return any(series.points for series in self.series)

    @property
    def span(self) -> Point:
        """First and last time of the axis, or horizontal figure; a day (half a unit on both sides) around a single one."""
        if self.across:
            return (self.start, self.end) if self.end > self.start else (self.start - 0.5, self.start + 0.5)
        return _span(self.start, self.end)

    def value_text(self, value: float) -> str:
        """A value as the axis writes it."""
        return count_text(round(value)) if self.whole else figure(value, self.decimals)


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One feature: (start, end, multiple of its threshold, significant) of each window, in time order; None where it was not
    judged."""

    name: str
    windows: tuple[tuple[float, float, float, bool | None], ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Features × time. ``selected`` is the row under the cursor."""

    title: str
    headline: Cell
    rows: tuple[HeatRow, ...]
    marks: tuple[Mark, ...] = ()
    start: float = 0.0
    end: float = 0.0
    selected: str = ""
    empty: str = "no drift figures yet: they are made once a whole window has passed"

    @property
    def has_points(self) -> bool:
        return any(row.windows for row in self.rows)

    @property
    def span(self) -> Point:
        """First and last time of the axis; a day around a single one."""
        return _span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a distribution: its label, and its share of the reference and of the window."""

    label: str
    reference: float
    window: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A feature's distribution in a window beside its reference."""

    title: str
    headline: Cell
    bins: tuple[Bin, ...]
    notes: tuple[Cell, ...] = ()
    empty: str = "no distribution yet: it is there once a window has passed"

    @property
    def has_points(self) -> bool:
        return bool(self.bins)


Picture = Chart | HeatMap | Distribution


def _span(start: float, end: float) -> Point:
    return (start, end) if end > start else (start - DAY_S / 2, start + DAY_S / 2)


def value_bounds(chart: Chart) -> tuple[float, float]:
    """Lowest and highest value of the axis, with a margin; never an empty range. Points off the time axis do not count."""
    start, end = chart.span
    seen = [y for series in chart.series for x, y in series.points if start <= x <= end]
    values = seen + [level.value for level in chart.levels] + list(chart.bounds or ())
    edges = [v for band in chart.bands for x, *pair in band.points for v in pair if start <= x <= end]
    if values and edges:
        # a very wide interval must not flatten the line that it is about
        low, high = min(values), max(values)
        reach = 1.5 * (high - low) or max(abs(high), 1e-9)
        values += [v for v in edges if low - reach <= v <= high + reach]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if chart.from_zero:
        low = min(0.0, low)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return (low if chart.from_zero else low - margin), high + margin


def span_texts(start: float, end: float) -> tuple[str, str]:
    """First and last time of an axis: days on an axis of days, hours otherwise."""
    pattern = "%m-%d" if end - start >= 2 * DAY_S else "%H:%M"
    if end - start > 400 * DAY_S:
        pattern = "%Y-%m"
    first, last = (datetime.fromtimestamp(at, UTC).strftime(pattern) for at in (start, end))
    return first, last


def times_of(charts: Sequence[Picture]) -> list[float]:
    """Every time at which some chart has a figure within its axis, in order: the positions of a cursor."""
    times: set[float] = set()
    for chart in charts:
        if isinstance(chart, Chart):
            start, end = chart.span
            times |= {x for series in chart.series for x, _ in series.points if start <= x <= end}
    return sorted(times)


def window_at(times: Sequence[float], at: float) -> int:
    """The index in ``times`` (not empty, in order) of the last that is not after ``at``; before all of them 0."""
    return max(0, bisect_right(times, at) - 1)


def marks_of(marks: Sequence[Mark], times: Sequence[float], at: float) -> tuple[Mark, ...]:
    """The marks of the window at a time. A mark belongs to the first window that ends at it or after it, and after the last
    window to that one, so that a cursor that moves through ``times`` comes to every mark."""
    window = window_at(times, at)
    return tuple(mark for mark in marks if min(bisect_left(times, mark.at), len(times) - 1) == window)


def mark_columns(
    marks: Sequence[Mark], column_of: Callable[[Mark], int], columns: int
) -> dict[int, tuple[str, Tone]]:
    """Letter and tone of the marks by column. Of marks that share a column the most important stands there, and the others
    beside it; ``+`` stands where there is no room for them, so that no kind of mark is hidden."""
    placed: dict[int, tuple[str, Tone]] = {}
    own = {column_of(mark) for mark in marks}
    for mark in sorted(marks, key=lambda mark: "!BDR".find(mark.glyph) % 9):
        column, letter = column_of(mark), (mark.glyph, mark.tone)
        near = [c for c in (column + 1, column - 1) if 0 <= c < columns]
        if column not in placed or letter in (placed[column], *(placed.get(c) for c in near)):
            placed.setdefault(column, letter)
            continue
        free = next((c for c in near if c not in placed and c not in own), None)
        if free is None:
            placed[column] = ("+", placed[column][1])
        else:
            placed[free] = letter
    return placed


def readout(chart: Chart, at: float) -> Cell:
    """The figures of a chart in its window at a time: ``│06-03 real 0.604 [0.571 0.637] ref 0.713``. Series without a figure
    there are left out; the date is that of the window."""
    start, end = chart.span
    times = times_of((chart,))
    if not times:
        return Cell(f"│ {chart.empty if not chart.has_points else 'no figure in the time shown'}", "strong")
    newest = times[window_at(times, at)]
    parts = []
    for series in reversed(chart.series):  # the main series first
        value = next((y for x, y in series.points if x == newest), None)
        if value is None:
            continue
        band = next((b for b in chart.bands if b.name == series.name), None)
        edges = next(((lo, hi) for t, lo, hi in band.points if t == newest), None) if band else None
        around = f" [{figure(edges[0])} {figure(edges[1])}]" if edges else ""
        parts.append(f"{series.tag or series.name} {chart.value_text(value)}{around}")
    parts += [f"{mark.glyph} {mark.label}" for mark in marks_of(chart.marks, times, at)]
    pattern = "%m-%d" if end - start >= 2 * DAY_S else "%m-%d %H:%M"
    day = datetime.fromtimestamp(newest, UTC).strftime(pattern)
    return Cell(f"│{day} {' '.join(parts)}", "strong")
