"""Findings of monitors and pictures as a program is told them; imported when the first is asked for."""

from collections.abc import Sequence

from pilothouse.api import values
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.presentation.charts.chart import Chart
from pilothouse.presentation.charts.feature_charts import drift_chart
from pilothouse.presentation.charts.monitor_charts import monitor_charts
from pilothouse.presentation.charts.vector import ON_ANY_PAGE, svg
from pilothouse.presentation.verdicts import drift_word


def findings(view: MonitorView, feature: str | None) -> list[values.Finding]:
    """Newest finding of each feature, the most drifted first; of one feature alone with its picture. Raises NotFoundError."""
    newest = {
        name: found for name, windows in view.drift.items() if (found := view.newest(windows)) is not None
    }
    if feature is not None and feature not in newest:
        known = ", ".join(newest) or "none yet: a window has to pass first"
        raise NotFoundError(
            f"there is no finding of {feature!r} for {view.model} on {view.target}: there are {known}"
        )
    told = []
    for name, one in newest.items():
        if feature not in (None, name):
            continue
        window, drift = one.window, one.finding
        drawn = (
            picture(_feature_charts(view, name), f"{name} of {view.model} on {view.target}")
            if feature
            else ""
        )
        told.append(
            values.Finding(
                model=view.model,
                target=view.target,
                version=one.version,
                feature=name,
                window_start=window.start,
                window_end=window.end,
                rows=window.rows,
                statistic=drift.statistic,
                value=drift.value,
                threshold=drift.threshold,
                p_value=drift.p_value,
                drifts=window.judged and drift.significant,
                verdict=str(drift_word(window, drift)),
                missing=drift.missing,
                unseen=drift.unseen,
                picture=drawn,
            )
        )
    return told


def _feature_charts(view: MonitorView, feature: str) -> list[Chart]:
    """Charts of the monitor that are about one feature."""
    own = drift_chart(view, feature, None).title
    charts = monitor_charts(view, feature)
    return [chart for chart in (charts[1], *charts[4:]) if chart.has_points or chart.title == own]


def picture(charts: Sequence[Chart], title: str) -> str:
    """Charts as one SVG that stands in a page; nothing where there is none."""
    return svg(charts, safe(title), ON_ANY_PAGE) if charts else ""
