"""Sections about a version's pictures: charts, classes, importance; and a model's versions and targets as charts."""

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_pictures import ComparedPictures, Dependence
from pilothouse.domain.models.model_report import ModelReport
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.domain.records import Version
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.cells import metric_cells
from pilothouse.presentation.charts.chart import Band, Chart, Series
from pilothouse.presentation.charts.model_charts import Side, model_charts, sides_of
from pilothouse.presentation.charts.monitor_charts import monitor_charts
from pilothouse.presentation.dossier.blocks import Block, Charts, Grid, Section, Text, facts, section
from pilothouse.presentation.pages.model_pictures_page import confusion_in_force, no_pictures_text
from pilothouse.presentation.texts import ABSENT, code_text, count_text, figure, parameters_text, time_text
from pilothouse.presentation.version_texts import standing_text

_MOST_CLASSES = 12
_TITLE = "Held-out rows in pictures"


def picture_section(compared: ComparedPictures) -> Section:
    """Figures and charts of the held-out rows."""
    own, champion = sides_of(compared)
    if own is None:
        text = no_pictures_text(compared.fault)
        return section("pictures", _TITLE, empty=text[0].upper() + text[1:] + ".")
    beside = (
        f" Dashed lines: {champion.name}, the champion, {champion.rows_text}." if champion is not None else ""
    )
    return section(
        "pictures",
        _TITLE,
        Text(f"{own.name} on {count_text(own.pictures.rows)} held-out rows.{beside}"),
        *_decisions(own),
        _classes(own),
        _confusion(own),
        _importance(own),
        Charts(model_charts(own, champion)),
        *(_categories(one) for one in own.pictures.dependence if one.texts),
    )


def _categories(one: Dependence) -> Grid:
    """Mean answer at each value of a category."""
    names = tuple(line.name if len(one.lines) > 1 else "mean answer" for line in one.lines)
    rows = tuple(
        (text, *(figure(line.answers[i], 3) for line in one.lines)) for i, text in enumerate(one.texts)
    )
    return Grid((f"partial dependence on {one.feature}", *names), rows, names)


def report_sections(report: ModelReport) -> list[Section]:
    """Sections of the report of a model."""
    return [_summary(report), _versions(report), picture_section(report.pictures), *_targets(report.monitors)]


def _summary(report: ModelReport) -> Section:
    model, version, run = report.model, report.version, report.run
    rows = run.snapshot
    metrics = Grid(
        ("metric", "rows of", "value", "95 % interval", "rows"),
        tuple(
            (one.metric, one.slice or "hold-out", *metric_cells(one), count_text(one.rows))
            for one in version.metrics
        ),
        ("value", "rows"),
    )
    gates = Grid(
        ("gate", "verdict", "reason"),
        tuple((one.gate, str(one.outcome), one.reason) for one in version.gates),
    )
    return section(
        "summary",
        "Summary",
        facts(
            [
                ("model", model.name),
                ("description", model.description),
                ("owner", model.owner),
                ("task", model.task),
                ("version shown", f"v{version.number}"),
                ("stage", standing_text(version.standing)),
                ("live on", ", ".join(version.live_on) or "nowhere"),
                ("trained", f"{time_text(run.started_at)} UTC by {run.started_by}"),
                ("why", run.reason),
                (
                    "rows",
                    f"{count_text(rows.training_rows)} to train on, {count_text(rows.holdout_rows)} held out",
                ),
                ("code", code_text(run.code)),
                ("parameters", parameters_text(run.parameters)),
                ("made", f"{time_text(report.made_at)} UTC by {report.made_by}"),
            ]
        ),
        metrics,
        gates,
    )


def _versions(report: ModelReport) -> Section:
    rows = tuple(
        (
            f"v{one.number}",
            standing_text(one.standing),
            _metric_text(one, report.metric),
            time_text(one.created_at),
        )
        for one in report.versions
    )
    left = f"{report.cut} older versions are left out." if report.cut else ""
    chart = versions_chart(report.versions, report.metric)
    return section(
        "versions",
        "Versions",
        Charts((chart,)) if chart is not None else None,
        Grid(("version", "stage", report.metric, "made"), rows),
        Text(left) if left else None,
    )


def versions_chart(versions: tuple[Version, ...], metric: str) -> Chart | None:
    """The metric of each version on its hold-out, with its interval; None of fewer than two that have it."""
    found = [
        (one.number, value) for one in reversed(versions) if (value := _metric_of(one, metric)) is not None
    ]
    if len(found) < 2:
        return None
    return Chart(
        f"{metric} on the hold-out, version by version",
        Cell(f"v{found[-1][0]}: {figure(found[-1][1].value, 3)}", "strong"),
        (Series(metric, tuple((float(n), v.value) for n, v in found), "info"),),
        start=float(found[0][0]),
        end=float(found[-1][0]),
        bands=(Band(metric, tuple((float(n), v.low, v.high) for n, v in found)),),
        across="version",
        across_whole=True,
    )


def _metric_of(version: Version, metric: str) -> MetricValue | None:
    return next((one for one in version.metrics if one.metric == metric and not one.slice), None)


def _metric_text(version: Version, metric: str) -> str:
    value = _metric_of(version, metric)
    return " ".join(metric_cells(value)) if value is not None else ABSENT


def _targets(monitors: tuple[MonitorView, ...]) -> list[Section]:
    return [
        section(
            f"target-{number}",
            f"Production on {view.target}",
            Charts(tuple(chart for chart in monitor_charts(view, None) if chart.has_points)),
            empty="No window has closed yet.",
        )
        for number, view in enumerate(monitors, 1)
    ]


def _decisions(own: Side) -> list[Block]:
    found = confusion_in_force(own.pictures, None)
    if found is None:
        return []
    curve, at = found
    return [
        Text(f"Confusion where the score is at least {figure(at.threshold, 3)}, as it answers:"),
        Grid(
            ("rows of", "taken for it", "not"),
            (
                (curve.name, f"{at.true_positives:,}", f"{at.false_negatives:,}"),
                ("the other", f"{at.false_positives:,}", f"{at.true_negatives:,}"),
            ),
            ("taken for it", "not"),
        ),
    ]


def _classes(own: Side) -> Grid:
    rows = tuple(
        (
            one.name,
            f"{one.rows:,}",
            *(figure(v, 3) if v is not None else ABSENT for v in (one.precision, one.recall, one.f1)),
        )
        for one in own.pictures.figures
    )
    return Grid(("class", "rows", "precision", "recall", "F1"), rows, ("rows", "precision", "recall", "F1"))


def _confusion(own: Side) -> Grid | None:
    pictures = own.pictures
    if pictures.task == "binary" or not 0 < len(pictures.confusion) <= _MOST_CLASSES:
        return None
    columns = tuple(f"answered {name}" for name in pictures.classes)
    rows = tuple(
        (name, *(f"{count:,}" for count in counts))
        for name, counts in zip(pictures.classes, pictures.confusion, strict=True)
    )
    return Grid(("true class", *columns), rows, columns)


def _importance(own: Side) -> Grid:
    rows = tuple(
        (one.feature, figure(one.loss, 4), f"{figure(one.low, 4)} to {figure(one.high, 4)}")
        for one in own.pictures.importance
    )
    return Grid(("feature", "loss when it is shuffled", "95 % interval"), rows, ("loss when it is shuffled",))
