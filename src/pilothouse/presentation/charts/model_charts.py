"""Charts of a version on its held-out rows, beside another version's where there is one: ROC, precision and recall,
reliability, scores, predictions, residuals, partial dependence.

The other version's line is dashed; where it was measured on held-out rows of its own the chart says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.model_pictures import (
    ClassCurve,
    ComparedPictures,
    Dependence,
    Histogram,
    ModelPictures,
    Reliability,
    Residuals,
)
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.charts.chart import Band, Chart, Point, Series, Style
from pilothouse.presentation.texts import figure

MOST_CLASSES = 4
"""Lines of one chart at most."""
_LINES: tuple[tuple[Tone, Style], ...] = (
    ("info", "line"),
    ("good", "dashed"),
    ("warn", "dotted"),
    ("bad", "line"),
)
_IDEAL = Series("ideal", ((0.0, 0.0), (1.0, 1.0)), "dim", "dotted")


@dataclass(frozen=True, slots=True)
class Side:
    """Pictures of a version, with its name: ``v3``. ``same_rows``: measured on the rows of the version beside it."""

    name: str
    pictures: ModelPictures
    same_rows: bool = False

    @property
    def rows_text(self) -> str:
        """On which rows it was measured."""
        return "on the same rows" if self.same_rows else "on its own rows"


def sides_of(compared: ComparedPictures) -> tuple[Side | None, Side | None]:
    """The version's side, and the champion's; None where there are no pictures."""
    own = Side(f"v{compared.version}", compared.own) if compared.own is not None else None
    if compared.champions is None:
        return own, None
    return own, Side(f"v{compared.champion}", compared.champions, compared.same_rows)


def model_charts(own: Side, other: Side | None = None) -> tuple[Chart, ...]:
    """Every chart that the version's task has, in the order in which one looks at them. The other version's lines are drawn
    where its task is the same."""
    beside = other if other is not None and other.pictures.task == own.pictures.task else None
    return (
        *_ranking(own, beside),
        *_reliability(own, beside),
        *_scores(own.pictures),
        *_numbers(own, beside),
        *(_dependence(one, own, beside) for one in own.pictures.dependence if one.numbers),
    )


def _ranking(own: Side, other: Side | None) -> Iterator[Chart]:
    curves = own.pictures.curves[:MOST_CLASSES]
    if not curves:
        return
    many = len(curves) > 1
    before = other.pictures.curves[0] if other is not None and other.pictures.curves and not many else None
    for title, across, points, value in (
        ("ROC: recall by the share of the others that is taken too", "share of the others", _roc, "auc"),
        ("Precision by recall", "recall", _precision, "average_precision"),
    ):
        series = [
            Series(safe(c.name), points(c), *_LINES[i], tag=safe(c.name)[:4] if many else own.name)
            for i, c in enumerate(curves)
        ]
        if value == "auc":
            series.insert(0, _IDEAL if many else Series("chance", _IDEAL.points, "dim", "dotted"))
        text = "  ".join(
            f"{safe(c.name) + ' ' if many else ''}{figure(getattr(c, value), 3)}" for c in curves
        )
        if before is not None and other is not None:
            series.insert(0, Series(other.name, points(before), "dim", "dashed", other.name))
            text += f" ({other.name} {other.rows_text}: {figure(getattr(before, value), 3)})"
        name = "AUC" if value == "auc" else "average precision"
        yield _unit_chart(title, f"{name} {text}", series, across)


def _unit_chart(title: str, headline: str, series: Sequence[Series], across: str) -> Chart:
    return Chart(
        title,
        Cell(headline, "strong"),
        tuple(series),
        start=0.0,
        end=1.0,
        from_zero=True,
        decimals=2,
        across=across,
    )


def _roc(curve: ClassCurve) -> tuple[Point, ...]:
    return (
        (0.0, 0.0),
        *(
            (fp / curve.negatives, tp / curve.positives)
            for tp, fp in zip(curve.true_positives, curve.false_positives, strict=True)
        ),
    )


def _precision(curve: ClassCurve) -> tuple[Point, ...]:
    return tuple(
        (tp / curve.positives, tp / (tp + fp))
        for tp, fp in zip(curve.true_positives, curve.false_positives, strict=True)
    )


def _reliability(own: Side, other: Side | None) -> Iterator[Chart]:
    found = own.pictures.reliability[:MOST_CLASSES]
    if not found:
        return
    many = len(found) > 1
    series = [_IDEAL]
    if other is not None and other.pictures.reliability and not many:
        series.append(
            Series(other.name, _reliable(other.pictures.reliability[0]), "dim", "dashed", other.name)
        )
    series += [
        Series(safe(r.name), _reliable(r), *_LINES[i], tag=safe(r.name)[:4] if many else own.name)
        for i, r in enumerate(found)
    ]
    rows = sum(one.rows for one in found[0].bins)
    headline = f"{rows:,} rows in {len(found[0].bins)} bins of scores"
    yield _unit_chart("Reliability: how often it is so where the score says", headline, series, "mean score")


def _reliable(one: Reliability) -> tuple[Point, ...]:
    return tuple((b.mean_score, b.observed) for b in one.bins)


def _scores(pictures: ModelPictures) -> Iterator[Chart]:
    parts = [one for one in pictures.scores if sum(one.counts)]
    if not parts:
        return
    series = tuple(
        Series(safe(one.name), _shares(one), *_LINES[i], tag=safe(one.name)[:4])
        for i, one in enumerate(parts)
    )
    headline = ", ".join(f"{safe(one.name)} {sum(one.counts):,} rows" for one in parts)
    yield Chart(
        "Scores: share of the rows of each kind",
        Cell(headline, "strong"),
        series,
        start=parts[0].edges[0],
        end=parts[0].edges[-1],
        from_zero=True,
        across="score",
    )


def _shares(one: Histogram) -> tuple[Point, ...]:
    total = sum(one.counts)
    return tuple((x, count / total) for x, count in _centres(one))


def _centres(one: Histogram) -> Iterator[tuple[float, int]]:
    for i, count in enumerate(one.counts):
        yield (one.edges[i] + one.edges[i + 1]) / 2, count


def _numbers(own: Side, other: Side | None) -> Iterator[Chart]:
    residuals = own.pictures.residuals
    if residuals is None:
        return
    bins = residuals.bins
    if bins:
        span = (bins[0].predicted, bins[-1].predicted)
        series = [Series("ideal", ((span[0], span[0]), (span[1], span[1])), "dim", "dotted")]
        if other is not None and other.pictures.residuals is not None:
            series.append(
                Series(other.name, _predicted(other.pictures.residuals), "dim", "dashed", other.name)
            )
        series.append(Series(own.name, _predicted(residuals), "info", tag=own.name))
        yield Chart(
            "Outcome by prediction: mean, 10th to 90th percentile",
            Cell(f"{own.pictures.rows:,} rows", "strong"),
            tuple(series),
            start=span[0],
            end=span[1],
            bands=(Band(own.name, tuple((b.predicted, b.low, b.high) for b in bins)),),
            across="prediction",
        )
    edges = residuals.histogram.edges
    yield Chart(
        "Residuals: outcome less prediction, rows",
        Cell(
            f"mean {figure(residuals.mean, 3)} ± {figure(residuals.deviation, 3)}, median {figure(residuals.median, 3)}",
            "strong",
        ),
        (
            Series(
                "rows",
                tuple((x, float(n)) for x, n in _centres(residuals.histogram)),
                "info",
                "bars",
            ),
        ),
        start=edges[0],
        end=edges[-1],
        from_zero=True,
        whole=True,
        across="residual",
    )


def _predicted(residuals: Residuals) -> tuple[Point, ...]:
    return tuple((b.predicted, b.actual) for b in residuals.bins)


def _dependence(one: Dependence, own: Side, other: Side | None) -> Chart:
    many = len(one.lines) > 1
    series = [
        Series(
            safe(line.name),
            tuple(zip(one.numbers, line.answers, strict=True)),
            *_LINES[i],
            tag=safe(line.name)[:4] if many else own.name,
        )
        for i, line in enumerate(one.lines)
    ]
    same = [d for d in other.pictures.dependence if d.feature == one.feature] if other is not None else []
    if same and same[0].numbers and not many and other is not None:
        points = tuple(zip(same[0].numbers, same[0].lines[0].answers, strict=True))
        series.insert(0, Series(other.name, points, "dim", "dashed", other.name))
    return Chart(
        f"Partial dependence on {safe(one.feature)}",
        Cell(f"mean answer over {one.rows:,} rows", "strong"),
        tuple(series),
        start=one.numbers[0],
        end=one.numbers[-1],
        across=safe(one.feature),
    )
