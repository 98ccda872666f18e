"""Page of a version's pictures: confusion at a threshold, classes, importance, slices, and the charts as lines of cells."""

from collections.abc import Iterator, Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_pictures import ClassCurve, Confusion, Dependence, ModelPictures
from pilothouse.domain.models.model_spec import higher_is_better
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.cells import metric_cells
from pilothouse.presentation.charts import braille
from pilothouse.presentation.charts.model_charts import Side, model_charts
from pilothouse.presentation.documents import BLANK, Line, aligned, heading, section, text_line
from pilothouse.presentation.texts import ABSENT, count_text, figure

ABSENT_PICTURES = (
    "no pictures: it was trained before Pilothouse kept their figures; a version trained from now on has them"
)
HALF = 0.5
_WIDTH, _HEIGHT = 76, 12
_BAR = 20
_MOST_CONFUSED = 8
_MOST_SLICES = 12


def pictures_page(
    own: Side | None,
    other: Side | None,
    metrics: Sequence[MetricValue] = (),
    metric: str = "",
    threshold: int | None = None,
    width: int = _WIDTH,
    fault: str = "",
) -> list[Line]:
    """The page. ``other`` is the version it is compared with, ``threshold`` the index of the threshold that was chosen among
    those kept (at a half where none was), ``fault`` why a file of pictures cannot be read; ``metrics`` are the version's,
    whose slices are ranked by the metric."""
    if own is None:
        return [text_line(no_pictures_text(fault), "warn" if fault else "dim")]
    pictures = own.pictures
    beside = f"; dashed: {other.name}, {other.rows_text}" if other is not None else ""
    lines = [text_line(no_pictures_text(fault), "warn")] if fault else []
    lines += [text_line(f"{own.name} on {count_text(pictures.rows)} held-out rows{beside}", "dim"), BLANK]
    lines += _decisions(pictures, threshold)
    lines += section("Classes, by the label that it answers", _classes(pictures, other))
    lines += section("Confusion: true class below, answered across", _confusion(pictures))
    lines += section(
        "What each feature carries: loss when it is shuffled, 95 % interval", _importance(pictures)
    )
    lines += section("Slices, the worst first", _slices(metrics, metric))
    for chart in model_charts(own, other):
        lines += [heading(chart.title), Line((Cell("  "), chart.headline)), BLANK]
        lines += [Line(cells) for cells in braille.draw(chart, min(width, 110), _HEIGHT).lines]
        lines += [text_line(f"{chart.across:>{min(width, 110) - 6}}", "dim"), BLANK]
    for one in pictures.dependence:
        if one.texts:
            lines += section(f"Partial dependence on {safe(one.feature)}", _categories(one))
    return lines


def no_pictures_text(fault: str) -> str:
    """Why there are no pictures, or none of one of the versions."""
    return f"pictures cannot be shown: {fault}" if fault else ABSENT_PICTURES


def confusion_in_force(pictures: ModelPictures, threshold: int | None) -> tuple[ClassCurve, Confusion] | None:
    """Counts of a binary task at the threshold that was chosen, or at a half; None for other tasks."""
    if pictures.task != "binary" or not pictures.curves:
        return None
    curve = pictures.curves[0]
    return curve, curve.at(curve.nearest(HALF) if threshold is None else threshold)


def moved_threshold(pictures: ModelPictures, threshold: int | None, steps: int) -> int | None:
    """Index of the threshold ``steps`` further up (or down) among those kept; None where the task has none."""
    found = confusion_in_force(pictures, threshold)
    if found is None:
        return None
    curve, _ = found
    at = curve.nearest(HALF) if threshold is None else threshold
    # thresholds fall with the index
    return max(0, min(len(curve.thresholds) - 1, at - steps))


def _decisions(pictures: ModelPictures, threshold: int | None) -> list[Line]:
    found = confusion_in_force(pictures, threshold)
    if found is None:
        return []
    curve, at = found
    name = safe(curve.name)
    chosen = "as it answers; < and > move it" if threshold is None else "if it answered so"
    rows = [
        (
            Cell(name, "strong"),
            Cell(f"{at.true_positives:,} taken", "good"),
            Cell(f"{at.false_negatives:,} missed", "warn"),
        ),
        (
            Cell("others", "strong"),
            Cell(f"{at.false_positives:,} taken", "warn"),
            Cell(f"{at.true_negatives:,} left", "good"),
        ),
    ]
    shares = (("precision", at.precision), ("recall", at.recall))
    text = ", ".join(f"{key} {figure(value, 3) if value is not None else ABSENT}" for key, value in shares)
    return section(
        f"Confusion where the score is at least {figure(at.threshold, 3)} ({chosen})",
        [*aligned(rows), text_line(text)],
    )


def _classes(pictures: ModelPictures, other: Side | None) -> Iterator[Line]:
    before = {one.name: one for one in other.pictures.figures} if other is not None else {}
    rows = []
    for one in pictures.figures:
        known = before.get(one.name)
        cells = [Cell(safe(one.name), "strong"), Cell(f"{one.rows:,} rows", "dim")]
        for key in ("precision", "recall", "f1"):
            value, was = getattr(one, key), getattr(known, key, None)
            text = f"{key} {figure(value, 3) if value is not None else ABSENT}"
            if value is not None and was is not None:
                text += f" ({'+' if value >= was else '−'}{abs(value - was):.3f})"
            cells.append(Cell(text))
        rows.append(cells)
    yield from aligned(rows)


def _confusion(pictures: ModelPictures) -> Iterator[Line]:
    if pictures.task == "binary" or not pictures.confusion:
        return
    order = sorted(range(len(pictures.classes)), key=lambda i: -sum(pictures.confusion[i]))[:_MOST_CONFUSED]
    order.sort()
    names = [safe(pictures.classes[i])[:8] for i in order]
    head = [Cell(""), *(Cell(name, "dim") for name in names), Cell("")]
    rows = [head]
    for i, name in zip(order, names, strict=True):
        cells = [
            Cell(
                f"{pictures.confusion[i][j]:,}",
                "good" if i == j else "" if pictures.confusion[i][j] else "dim",
            )
            for j in order
        ]
        rows.append([Cell(name, "strong"), *cells, Cell("")])
    yield from aligned(rows)
    if len(order) < len(pictures.classes):
        yield text_line(f"the {len(order)} most frequent of {len(pictures.classes)} classes", "dim")


def _importance(pictures: ModelPictures) -> Iterator[Line]:
    most = max((one.loss for one in pictures.importance), default=0.0)
    rows = []
    for one in pictures.importance:
        bar = "█" * round(max(0.0, one.loss) / most * _BAR) if most > 0 else ""
        apart = one.low > 0
        rows.append(
            (
                Cell(safe(one.feature), "strong" if apart else "dim"),
                Cell(figure(one.loss, 4)),
                Cell(f"[{figure(one.low, 4)} {figure(one.high, 4)}]", "dim"),
                Cell(bar, "info" if apart else "dim"),
            )
        )
    yield from aligned(rows)


def _slices(metrics: Sequence[MetricValue], metric: str) -> Iterator[Line]:
    of = [one for one in metrics if one.slice and one.metric == metric]
    ranked = sorted(of, key=lambda one: one.value if higher_is_better(metric) else -one.value)
    rows = []
    for one in ranked[:_MOST_SLICES]:
        value, interval = metric_cells(one)
        rows.append(
            (
                Cell(safe(one.slice), "strong"),
                Cell(f"{safe(metric)} {value}"),
                Cell(interval, "dim"),
                Cell(f"{count_text(one.rows)} rows", "dim"),
            )
        )
    yield from aligned(rows)
    if len(ranked) > _MOST_SLICES:
        yield text_line(f"{len(ranked) - _MOST_SLICES} better ones are on the page of metrics", "dim")


def _categories(one: Dependence) -> Iterator[Line]:
    line = one.lines[0]
    low, high = min(line.answers), max(line.answers)
    rows = []
    for text, answer in zip(one.texts, line.answers, strict=True):
        share = (answer - low) / (high - low) if high > low else 0.0
        rows.append(
            (
                Cell(safe(text), "strong"),
                Cell(figure(answer, 3)),
                Cell("█" * max(1, round(share * _BAR)), "info"),
            )
        )
    yield from aligned(rows)
    yield text_line(
        f"mean answer{' of ' + safe(line.name) if len(one.lines) > 1 else ''} over {one.rows:,} rows", "dim"
    )
