"""The versions of a roll-out beside each other: losses, latency and scores of each, drawn to the same scale."""

from collections.abc import Sequence

from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.view import Course, RolloutCourse
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.charts.braille import draw
from pilothouse.presentation.charts.chart import Chart, Point, Series
from pilothouse.presentation.documents import Line, text_line
from pilothouse.presentation.texts import count_text, figure
from pilothouse.presentation.width import clip, display_width

_LEAST_HEIGHT, _MOST_HEIGHT = 4, 9
_HEAD = 1
"""Lines above the charts."""
_LEAST_WIDTH = 24
_P95, _SCORE = "p95 in ms", "mean score"


def course_lines(rollout: Rollout, course: RolloutCourse, width: int, height: int) -> list[Line]:
    """Charts for a screen of that size: three rows (losses, p95, score), a column for each version as far as there is room, the
    live one first."""
    if not course.versions:
        return [
            text_line(
                "No version has answered in a trial of this roll-out yet: there is nothing to compare.", "dim"
            )
        ]
    fitting = max(1, (width + 2) // (_LEAST_WIDTH + 2))
    shown = course.versions[:fitting]
    each = (width - 2 * (len(shown) - 1)) // len(shown)
    tall = min(max((height - _HEAD) // 3 - 1, _LEAST_HEIGHT), _MOST_HEIGHT)
    heads = [clip(_head(rollout, one), each) for one in shown]
    lines = [_beside([(Cell(text, "strong"),) for text in heads], each)]
    for title, name, digits in (
        (course.loss, "losses", 3),
        (_P95, "latencies", 2),
        (_SCORE, "scores", 3),
    ):
        lines += _row(title, [getattr(one, name) for one in shown], each, tall, digits)
    if left := course.versions[len(shown) :]:
        named = ", ".join(f"v{one.version}" for one in left)
        lines.append(text_line(f"no room for {named}: widen the screen", "dim"))
    return lines


def _head(rollout: Rollout, one: Course) -> str:
    tried = {rollout.version, *(arm.version for arm in rollout.arms)}
    return f"v{one.version} {'tried' if one.version in tried else 'live'}, {count_text(one.rows)} rows"


def _row(title: str, points: Sequence[Sequence[Point]], width: int, height: int, digits: int) -> list[Line]:
    """One figure of every version, to the same scale."""
    empty = "no outcome is known yet" if title not in (_P95, _SCORE) else "no figures yet"
    every = [point for of in points for point in of]
    times, values = [at for at, _ in every], [value for _, value in every]
    charts = [
        Chart(
            title,
            Cell(""),
            (Series(title, tuple(of)),),
            start=min(times, default=0.0),
            end=max(times, default=0.0),
            from_zero=title != _SCORE,
            decimals=digits,
            bounds=(min(values), max(values)) if values else None,
            empty=empty,
        )
        for of in points
    ]
    newest = [f" {title} {figure(of[-1][1], digits)}" if of else f" {title}" for of in points]
    drawn = [draw(chart, width, height).lines for chart in charts]
    return [
        _beside([(Cell(clip(text, width), "dim"),) for text in newest], width),
        *(_beside(list(cells), width) for cells in zip(*drawn, strict=True)),
    ]


def _beside(parts: Sequence[Sequence[Cell]], width: int) -> Line:
    """Cells of each column in ``width`` columns, two blanks between."""
    cells: list[Cell] = []
    for i, part in enumerate(parts):
        used = sum(display_width(cell.text) for cell in part)
        last = i == len(parts) - 1
        cells += [*part, Cell("" if last else " " * (width - used + 2))]
    return Line(tuple(cell for cell in cells if cell.text))
