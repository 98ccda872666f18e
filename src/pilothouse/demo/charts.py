"""The report's charts: performance week by week on each target, with deployments and alerts marked."""

from collections.abc import Iterator

from pilothouse.demo.steps import Demo
from pilothouse.operations import catalogue
from pilothouse.operations.monitoring import monitor_views
from pilothouse.presentation.charts.chart import MARK_LEGEND
from pilothouse.presentation.charts.monitor_charts import monitor_charts
from pilothouse.presentation.charts.plotting import draw

_SIZE = (100, 14)


def performance_by_week(demo: Demo, *, colour: bool) -> Iterator[str]:
    """Lines of text: one chart a model and target, drawn from the stored readings."""
    for model in catalogue.list_models(demo.services, demo.approver):
        for target in model.targets:
            view = monitor_views.monitor_view(demo.services, demo.approver, model.name, target)
            chart = monitor_charts(view, None)[0]
            yield f"{model.name} on {target}: {chart.title}; {chart.headline.text}"
            yield from draw(chart, *_SIZE, colour=colour).splitlines()
            yield ""
    yield MARK_LEGEND
