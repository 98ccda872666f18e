"""Pictures drawn as lines of toned cells: braille dots for lines, blocks for bars, shades for heat maps.

This is plain Python: a chart of a terminal has a few thousand dots, and the console must not import numpy to open.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.charts.canvas import Canvas
from pilothouse.presentation.charts.chart import (
    Chart,
    Distribution,
    HeatMap,
    Mark,
    Picture,
    Point,
    Series,
    mark_columns,
    value_bounds,
)
from pilothouse.presentation.charts.ticks import Tick, axis_ticks, placed, time_ticks, value_ticks
from pilothouse.presentation.verdicts import UNKNOWN
from pilothouse.presentation.width import clip, display_width

SMALLEST = (20, 4)
"""Columns and rows below which no chart is drawn; a text says so in its place."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SHADES = "·░▒▓"
_LABEL = 7
_TAGS = 5
_PERIODS = {"line": (1, 1), "dashed": (6, 4), "dotted": (4, 1), "bars": (1, 1)}
"""Period of a line in dots, and how many of them are drawn."""

Runs = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lines of cells, all of the same width. Time ``start`` stands in column ``left``, ``end`` in column ``right``; both are
    -1 where there is no time axis."""

    lines: tuple[Runs, ...]
    left: int = -1
    right: int = -1
    start: float = 0.0
    end: float = 0.0

    def column_of(self, at: float) -> int:
        """The column of a time, or -1 where it is not on the axis."""
        if self.left < 0 or not self.start <= at <= self.end or self.end <= self.start:
            return -1
        return self.left + round((at - self.start) / (self.end - self.start) * (self.right - self.left))


def draw(picture: Picture, width: int, height: int) -> Drawing:
    """``height`` lines of ``width`` columns; the text of ``empty`` where there is nothing to draw."""
    if not picture.has_points:
        lines = [clip(f" {word}", width) for word in _wrapped(picture.empty, max(10, width - 2))]
        return Drawing(_padded([(Cell(text, "dim"),) for text in lines], width, height))
    if width < SMALLEST[0] or height < SMALLEST[1]:
        note = (Cell(clip(" no room for a chart", width), "dim"),)
        return Drawing(_padded([note], width, height))
    if isinstance(picture, Chart):
        return _chart(picture, width, height)
    return (
        _heat(picture, width, height) if isinstance(picture, HeatMap) else _butterfly(picture, width, height)
    )


def _chart(chart: Chart, width: int, height: int) -> Drawing:
    start, end = chart.span
    tagged = width >= 36 and any(s.tag for s in chart.series)
    left, right = _LABEL + 1, width - (_TAGS if tagged else 0) - 1
    canvas = Canvas(right - left + 1, height - 1)
    scale = _Scale(chart, canvas, (start, end))
    for mark in chart.marks:
        if mark.line:
            x = scale.x(mark.at)
            for y in range(0, canvas.height * 4, 3):
                canvas.dot(x, y, "dim")
    for level in chart.levels:
        y = scale.y(level.value)
        for x in range(0, canvas.width * 2, 4):
            canvas.dot(x, y, level.tone)
            canvas.dot(x + 1, y, level.tone)
    for band in chart.bands:
        _band(canvas, scale, band.points, band.tone, filled=band.filled)
    for series in chart.series:
        _bars(canvas, scale, series) if series.style == "bars" else _line(canvas, scale, series)
    _letters(canvas, scale, chart.marks)
    tags = _tags(chart, scale, canvas.height) if tagged else {}
    ticks = _ticks(chart, scale, canvas.height)
    lines = []
    for row in range(canvas.height):
        label = ticks.get(row, "")
        cells = [
            Cell(label.rjust(_LABEL), "dim"),
            Cell("┤" if label else "│", "dim"),
            *_runs(canvas.row(row)),
        ]
        if tagged:
            text, tone = tags.get(row, ("", ""))
            cells.append(Cell(clip(f" {text}", _TAGS), tone))
        lines.append(tuple(cells))
    ticks_below = axis_ticks(chart, _most_ticks(left, right))
    lines.append((Cell(_axis(ticks_below, (start, end), left, right, width), "dim"),))
    return Drawing(tuple(lines), left, right, start, end)


class _Scale:
    """Times and values to dots of a canvas."""

    def __init__(self, chart: Chart, canvas: Canvas, span: Point) -> None:
        self.low, self.high = value_bounds(chart)
        self.start, self.end = span
        self.width, self.height = canvas.width * 2 - 1, canvas.height * 4 - 1

    def x(self, at: float) -> int:
        return round((at - self.start) / (self.end - self.start) * self.width)

    def y(self, value: float) -> int:
        share = (value - self.low) / (self.high - self.low)
        return round((1 - min(1.5, max(-0.5, share))) * self.height)


def _line(canvas: Canvas, scale: _Scale, series: Series) -> None:
    """Joined points; a single point as a cross of dots."""
    dots = [(scale.x(x), scale.y(y)) for x, y in _within(series.points, scale)]
    period = _PERIODS[series.style]
    for first, last in itertools.pairwise(dots):
        canvas.line(first, last, series.tone, period)
    if dots:
        canvas.dot(*dots[-1], series.tone)
    if len(dots) == 1:
        x, y = dots[0]
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            canvas.dot(x + dx, y + dy, series.tone)


def _within(points: Sequence[Point], scale: _Scale) -> list[Point]:
    """The points on the axis, and those at which the line crosses its ends."""
    visible: list[Point] = []
    for i, (x, y) in enumerate(points):
        if scale.start <= x <= scale.end:
            visible.append((x, y))
        else:
            for j in (i - 1, i + 1):
                if 0 <= j < len(points) and scale.start <= points[j][0] <= scale.end:
                    edge = scale.start if x < scale.start else scale.end
                    x1, y1 = points[j]
                    visible.append((edge, y + (y1 - y) * (edge - x) / (x1 - x)))
    return visible


def _band(
    canvas: Canvas, scale: _Scale, points: Sequence[tuple[float, float, float]], tone: Tone, *, filled: bool
) -> None:
    """A sparse pattern between the edges, or the edges alone as dots, so that the line within stands out."""
    lows = [(scale.x(x), scale.y(y)) for x, y in _within([(x, lo) for x, lo, _ in points], scale)]
    highs = [(scale.x(x), scale.y(y)) for x, y in _within([(x, hi) for x, _, hi in points], scale)]
    for (x0, l0), (x1, l1), (_, h0), (_, h1) in zip(lows, lows[1:], highs, highs[1:], strict=False):
        steps = max(1, x1 - x0)
        for step in range(steps + 1):
            x = x0 + step
            bottom, top = l0 + (l1 - l0) * step // steps, h0 + (h1 - h0) * step // steps
            if filled and x % 2 == 0:
                offset = 2 if x % 4 else 0
                for y in range(max(0, top), min(canvas.height * 4 - 1, bottom) + 1):
                    if y % 4 == offset:
                        canvas.dot(x, y, tone)
            elif not filled and x % 3 == 0:
                canvas.dot(x, bottom, tone)
                canvas.dot(x, top, tone)


def _bars(canvas: Canvas, scale: _Scale, series: Series) -> None:
    """One column a window, in eighths of a cell; of windows that share a column the highest is drawn."""
    tops: dict[int, float] = {}
    for x, value in series.points:
        if scale.start <= x <= scale.end:
            column = min(canvas.width - 1, scale.x(x) // 2)
            tops[column] = max(tops.get(column, 0.0), value)
    step = _narrowest(sorted(tops))
    for column, value in tops.items():
        eighths = round((value - scale.low) / (scale.high - scale.low) * canvas.height * 8)
        if value > scale.low:
            eighths = max(1, eighths)
        for i in range(max(1, min(step - 1, 3))):
            for row in range(canvas.height):
                filled = eighths - 8 * (canvas.height - 1 - row)
                if filled > 0:
                    canvas.letter(column - i, row, _BLOCKS[min(8, filled)], series.tone)
    if series.name == "errors":
        for column in tops:  # a bar of errors is seldom high enough to be visible
            canvas.letter(column, 0, "x", series.tone)


def _narrowest(columns: Sequence[int]) -> int:
    return min((b - a for a, b in itertools.pairwise(columns)), default=3)


def _letters(canvas: Canvas, scale: _Scale, marks: Sequence[Mark]) -> None:
    last = canvas.width - 1
    placed = mark_columns(marks, lambda mark: min(last, scale.x(mark.at) // 2), canvas.width)
    for column, (glyph, tone) in placed.items():
        canvas.letter(column, 0, glyph, tone)


def _tags(chart: Chart, scale: _Scale, height: int) -> dict[int, tuple[str, Tone]]:
    """The names of lines at their right ends, each on a row of its own."""
    wanted = []
    for series in reversed(chart.series):
        seen = [y for x, y in series.points if scale.start <= x <= scale.end]
        if seen and series.tag:
            wanted.append((scale.y(seen[-1]) // 4, series.tag, series.tone))
    wanted += [(scale.y(level.value) // 4, level.tag, level.tone) for level in chart.levels if level.tag]
    placed: dict[int, tuple[str, Tone]] = {}
    for row, tag, tone in sorted(wanted, key=lambda w: w[0]):
        near = sorted(range(height), key=lambda r: (abs(r - row), r))
        free = next((r for r in near if r not in placed), None)
        if free is not None and abs(free - row) <= 3:
            placed[free] = (tag, tone)
    return placed


def _ticks(chart: Chart, scale: _Scale, height: int) -> dict[int, str]:
    """Labels of the value axis by row: a few where it is low, more where there is room."""
    labels: dict[int, str] = {}
    for value, label in value_ticks(chart, scale.low, scale.high, 4 if height < 11 else 7):
        labels.setdefault(scale.y(value) // 4, label)
    return labels


def _most_ticks(left: int, right: int) -> int:
    return max(2, min(9, (right - left) // 8))


def _axis(ticks: list[Tick], span: Point, left: int, right: int, width: int) -> str:
    """The labels of the horizontal axis, centred below their columns."""
    text = [" "] * width
    start, end = span
    scale = (right - left) / (end - start)
    for first, label in placed(ticks, lambda at: left + round((at - start) * scale), left, right):
        text[first : first + len(label)] = label
    return "".join(text)


def _heat(heat: HeatMap, width: int, height: int) -> Drawing:
    """A row a feature, a column a time; the rows around the selected one where not all fit."""
    start, end = heat.span
    name_width = min(18, max((display_width(row.name) for row in heat.rows), default=4))
    left, right = name_width + 2, width - 2
    columns = right - left + 1
    room = height - 2
    names = [row.name for row in heat.rows]
    at = names.index(heat.selected) if heat.selected in names else 0
    first = max(0, min(at - room // 2, len(names) - room))
    letters: list[tuple[str, Tone]] = [(" ", "")] * columns
    scale = (columns - 1) / (end - start)
    placed = mark_columns(heat.marks, lambda mark: round((mark.at - start) * scale), columns)
    for column, letter in placed.items():
        letters[column] = letter
    lines: list[Runs] = [(Cell(" " * left), *_runs(letters), Cell(" " * (width - right - 1)))]
    for row in heat.rows[first : first + room]:
        chosen = row.name == heat.selected
        cells = _heat_row(row.windows, start, end, columns)
        name: Cell = Cell(
            ("▶" if chosen else " ") + clip(row.name, name_width) + " ", "strong" if chosen else ""
        )
        lines.append((name, *_runs(cells), Cell(" " * (width - right - 1))))
    ticks = time_ticks(start, end, _most_ticks(left, right))
    lines.append((Cell(_axis(ticks, (start, end), left, right, width), "dim"),))
    return Drawing(_padded(lines, width, height), left, right, start, end)


def _heat_row(
    windows: Sequence[tuple[float, float, float, bool | None]], start: float, end: float, columns: int
) -> list[tuple[str, Tone]]:
    """The worst window that ends in or covers each column, one that was judged before one that was not; blank where there is
    none."""
    worst: list[tuple[bool, bool, float] | None] = [None] * columns
    edges = [round((stop - start) / (end - start) * (columns - 1)) for _, stop, _, _ in windows]
    before = edges[0] - max(1, _narrowest(edges)) if edges else 0
    for (_, _, share, significant), edge in zip(windows, edges, strict=True):
        for column in range(max(0, before + 1 if before < edge else edge), min(columns - 1, edge) + 1):
            current = worst[column]
            this = (significant is not None, bool(significant), share)
            worst[column] = this if current is None else max(current, this)
        before = edge
    return [_shade(cell) for cell in worst]


def _shade(cell: tuple[bool, bool, float] | None) -> tuple[str, Tone]:
    if cell is None:
        return " ", ""
    judged, significant, share = cell
    if not judged:
        return UNKNOWN, "dim"
    if significant:
        return "█", "warn"
    shade = 3 if share >= 1 else 2 if share >= 0.75 else 1 if share >= 0.5 else 0
    return _SHADES[shade], "info" if shade == 3 else "dim"


def _butterfly(picture: Distribution, width: int, height: int) -> Drawing:
    """The reference to the left, the window to the right, one bin a row on one scale; the largest differences are marked."""
    bins = picture.bins[: height - 1 - len(picture.notes)]
    label_width = min(20, max(display_width(b.label) for b in bins))
    side = (width - label_width - 20) // 2
    top = max(max(b.reference, b.window) for b in bins) or 1.0
    widest = max(abs(b.window - b.reference) for b in bins)
    head = f"{'reference'.rjust(side + 8)} {' ' * label_width} {'this window'}"
    lines: list[Runs] = [(Cell(clip(head, width), "dim"),)]
    for b in bins:
        apart = abs(b.window - b.reference)
        notable = apart >= 0.02 and apart >= 0.5 * widest
        sign = "▲" if b.window > b.reference else "▼"
        left, right = _bar(b.reference / top, side), _bar(b.window / top, side)
        lines.append(
            (
                Cell(f" {b.reference:6.1%} ", "dim"),
                Cell(left[::-1].rjust(side), "good"),
                Cell(f" {clip(b.label, label_width)} ", "strong" if notable else ""),
                Cell(right.ljust(side), "warn" if notable else "info"),
                Cell(f" {b.window:6.1%} {sign if notable else ' '}", "warn" if notable else "dim"),
            )
        )
    lines += [(Cell(" " + clip(note.text, width - 1), note.tone),) for note in picture.notes]
    return Drawing(_padded(lines, width, height))


def _bar(share: float, width: int) -> str:
    """A bar of whole blocks; half a block where the share would round to none."""
    filled = round(share * width)
    return "█" * filled if filled or share <= 0 else "▌"


def _runs(cells: Sequence[tuple[str, Tone]]) -> list[Cell]:
    """Neighbours of one tone as one cell; blanks take the tone of the letters before them."""
    runs: list[Cell] = []
    text, tone = "", ""
    for letter, own in cells:
        if letter != " " and own != tone and text.strip():
            runs.append(Cell(text, tone))  # type: ignore[arg-type]
            text = ""
        if letter != " ":
            tone = own
        text += letter
    return [*runs, Cell(text, tone)] if text else runs  # type: ignore[arg-type]


def _padded(lines: Sequence[Runs], width: int, height: int) -> tuple[Runs, ...]:
    """Exactly ``height`` lines, each filled up to ``width``."""
    filled = []
    for line in lines[:height]:
        used = sum(display_width(cell.text) for cell in line)
        filled.append((*line, Cell(" " * (width - used))) if used < width else line)
    return (*filled, *(((Cell(" " * width),),) * (height - len(filled))))


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
