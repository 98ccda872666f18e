"""Charts as text, drawn by plotext.

plotext keeps one figure for the whole process: call ``draw`` from one thread only. The text holds letters, box and braille
characters and (with ``colour``) SGR colours, and nothing else.
"""

import re
from typing import Any

from pilothouse.presentation.cells import Tone
from pilothouse.presentation.charts.chart import Chart, value_bounds
from pilothouse.presentation.charts.ticks import axis_ticks, value_ticks

SMALLEST = (20, 5)
"""Columns and rows below which no chart is drawn; its headline stands alone there."""

_COLOURS: dict[Tone, str] = {
    "": "default", "good": "green", "warn": "yellow", "bad": "red", "info": "cyan", "dim": "gray", "strong": "default",
}  # fmt: skip
_BACKGROUND = re.compile(r"\x1b\[48;[0-9;]*m")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LABEL_WIDTH = 7


def draw(chart: Chart, width: int, height: int, *, colour: bool = True) -> str:
    """``height`` lines of ``width`` columns. Without points the text of ``empty``; with too little room an empty text, since
    the caller prints the headline beside it."""
    if not chart.has_points:
        return chart.empty
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return ""
    import plotext

    plotext.terminal.limit(False, False)
    figure_ = plotext.figure
    figure_.clear()
    figure_.theme("colorless")
    figure_.plot_size(width, height)
    low, high = value_bounds(chart)
    start, end = chart.span
    _axes(figure_, chart, width, height, (start, end), (low, high))
    for mark in chart.marks:
        if mark.line:
            figure_.line(mark.at, "v", pixel=_pixel("dim"), style="dotted")
    for level in chart.levels:
        figure_.line(level.value, "h", pixel=_pixel(level.tone), style="dotted")
    for band in chart.bands:
        for edge in (1, 2):
            _series(
                figure_, tuple((point[0], point[edge]) for point in band.points), "·", band.tone, joined=False
            )
    for series in chart.series:
        dots = series.style in ("dotted", "dashed")
        _series(figure_, series.points, "·" if dots else "braille", series.tone, joined=not dots)
    shown: set[int] = set()
    for mark in sorted(chart.marks, key=lambda mark: mark.glyph != "!"):
        column = round((mark.at - start) / (end - start) * width)
        if column not in shown:
            shown.add(column)
            figure_.draw(figure_.text(mark.at, high, plotext.colorize(mark.glyph, _pixel(mark.tone))))
    text = _BACKGROUND.sub("", figure_.build().string()).rstrip("\n")
    return text if colour else _COLOUR.sub("", text)


def _series(
    figure_: Any, points: tuple[tuple[float, float], ...], symbol: str, tone: Tone, *, joined: bool
) -> None:
    if not points:
        return
    import plotext

    signal = figure_.signal(
        [x for x, _ in points], [y for _, y in points], marker=plotext.marker(symbol, _pixel(tone))
    )
    if joined and len(points) > 1:
        signal.lines()
    figure_.draw(signal)


def _pixel(tone: Tone) -> Any:
    import plotext

    return plotext.pixel(_COLOURS[tone], "default")


def _axes(
    figure_: Any,
    chart: Chart,
    width: int,
    height: int,
    times: tuple[float, float],
    values: tuple[float, float],
) -> None:
    """Left and lower axis only; value labels of one width, so that charts above each other line up."""
    figure_.axes(False, axis="x", side="upper")
    figure_.axes(False, axis="y", side="right")
    low, high = values
    ticks = value_ticks(chart, low, high, 4 if height < 12 else 7)
    figure_.ruler("y").lim(low, high)
    figure_.ruler("y").ticks([value for value, _ in ticks], [label.rjust(_LABEL_WIDTH) for _, label in ticks])
    start, end = times
    labels = axis_ticks(chart, max(2, min(9, (width - _LABEL_WIDTH) // 10)))
    figure_.ruler("x").lim(start, end)
    figure_.ruler("x").ticks([at for at, _ in labels], [label for _, label in labels])
