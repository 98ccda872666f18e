"""Figures of records as charts in text: metrics over a model's versions, the primary one over the candidates of a search."""

from collections.abc import Iterator, Sequence

from pilothouse.domain.records import Version
from pilothouse.domain.search import TrialLine
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts import braille
from pilothouse.presentation.charts.chart import Chart
from pilothouse.presentation.charts.record_charts import trials_chart, versions_chart
from pilothouse.presentation.documents import BLANK, Line, heading, text_line

_HEIGHT = 10
_WIDEST = 110


def versions_course(versions: Sequence[Version], width: int) -> list[Line]:
    """Each metric of the newest version over all of them, on each one's own hold-out. ``width``: columns."""
    measured = [version for version in versions if version.metrics]
    if not measured:
        return [text_line("no version has metrics", "dim")]
    newest = max(measured, key=lambda version: version.number)
    lines = [
        text_line(
            "Each version on its own hold-out: rows differ, so a step is no proof; = compares two on the same rows.",
            "dim",
        )
    ]
    for one in newest.metrics:
        if not one.slice:
            lines += _drawn(versions_chart(measured, newest.number, one.metric), width)
    return lines


def trials_course(trials: Sequence[TrialLine], metric: str, width: int) -> list[Line]:
    """The candidates of a search: mean over their folds, with the least and greatest of them. ``width``: columns."""
    return list(_drawn(trials_chart(trials, metric), width))


def _drawn(chart: Chart, width: int) -> Iterator[Line]:
    yield heading(chart.title)
    yield Line((Cell("  "), chart.headline))
    yield BLANK
    for cells in braille.draw(chart, min(width, _WIDEST), _HEIGHT).lines:
        yield Line(cells)
    yield text_line(f"{chart.across:>{min(width, _WIDEST) - 6}}", "dim")
    yield BLANK
