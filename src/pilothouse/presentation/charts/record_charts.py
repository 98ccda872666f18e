"""Charts of records: a metric over the versions of a model, over the candidates of a search, and the metrics of a notebook run
over its time."""

from collections.abc import Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.jobs.notebook_runs import NotebookRun
from pilothouse.domain.records import Version
from pilothouse.domain.search import TrialLine
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts.chart import Band, Chart, Mark, Series
from pilothouse.presentation.texts import figure

_MOST_POINTS = 1_000
_LONGEST = 60
MOST_CHARTS = 12
"""Metrics of a run that are drawn."""


def versions_chart(versions: Sequence[Version], number: int, metric: str) -> Chart:
    """A metric on each version's own hold-out up to version ``number``, over the times of their training, with its interval."""
    shown = sorted((v for v in versions if v.number <= number), key=lambda v: v.created_at)
    found = [(v, m) for v in shown if (m := v.metric(metric)) is not None]
    points = tuple((v.created_at.timestamp(), m.value) for v, m in found)
    band = tuple((v.created_at.timestamp(), m.low, m.high) for v, m in found)
    newest = next((m for v, m in found if v.number == number), None)
    marks = tuple(
        Mark(v.created_at.timestamp(), "●", "info", f"version {v.number}", v.number == number)
        for v, _ in found
    )
    return Chart(
        title=f"{metric} of each version on its hold-out",
        headline=Cell(f"version {number}: {figure(newest.value)}" if newest else ""),
        series=(Series(metric, points, "info", tag=f"v{number}"),),
        bands=(Band(metric, band),),
        marks=marks[-40:],
        start=points[0][0] if points else 0.0,
        end=points[-1][0] if points else 0.0,
        empty=f"no version has {metric}",
    )


def trials_chart(trials: Sequence[TrialLine], metric: str) -> Chart:
    """Mean of a metric over the folds of each candidate, by its number from 1 on, with the least and greatest of its folds."""
    tried = sorted((trial for trial in trials if trial.mean is not None), key=lambda trial: trial.candidate)
    points, band = [], []
    for trial in tried:
        scores = [score for score in trial.scores.values() if score is not None]
        at = float(trial.candidate + 1)
        points.append((at, trial.mean or 0.0))
        band.append((at, min(scores), max(scores)))
    best = next((trial for trial in trials if trial.mean is not None), None)
    marks = (Mark(best.candidate + 1.0, "●", "good", "best", True),) if best is not None else ()
    return Chart(
        title=f"{metric} of each candidate, mean of its folds",
        headline=Cell(f"best: candidate {best.candidate + 1}, {figure(best.mean)}" if best else ""),
        series=(Series(metric, tuple(points), "info"),),
        bands=(Band("folds", tuple(band)),),
        marks=marks,
        start=points[0][0] if points else 0.0,
        end=points[-1][0] if points else 0.0,
        across="candidate",
        across_whole=True,
        empty="no candidate has been tried",
    )


def run_charts(run: NotebookRun) -> tuple[Chart, ...]:
    """Each metric of a run over the times at which it was logged; those logged once are left out."""
    charts = []
    for name, values in sorted(run.content.metrics.items()):
        finite = [(point.at.timestamp(), point.value) for point in values if abs(point.value) < float("inf")]
        if len(finite) < 2:
            continue
        every = -(-len(finite) // _MOST_POINTS)
        points = (*finite[:-1:every], finite[-1])
        charts.append(
            Chart(
                title=safe(name, _LONGEST),
                headline=Cell(f"newest {figure(points[-1][1])}"),
                series=(Series(safe(name, _LONGEST), points, "info"),),
                start=points[0][0],
                end=points[-1][0],
            )
        )
    return tuple(charts[:MOST_CHARTS])
