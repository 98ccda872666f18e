"""A window's performance as estimated without its truth: the reading of the monitor ``estimate``."""

import math
from dataclasses import replace

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.operations.monitoring.baselines import estimator_of
from pilothouse.operations.services import Services
from pilothouse.statistics import performance_estimation
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.telemetry import Stream
from pilothouse.telemetry.readings import EstimateFigure

NOTHING_LEARNT = (
    "the version's hold-out is too small to learn from, or it was trained by a release without estimates"
)


def estimate_window(
    services: Services, stream: Stream, spec: ModelSpec, days: list[Profile]
) -> tuple[int, tuple[bool, bool], EstimateFigure]:
    """Rows, (judged, speaks) and the figure of a window of days. An estimate does not speak: it is no evidence that truth
    has moved, and where inputs have moved drift says so.
    """
    metric, rows = spec.primary_metric, sum(day.rows for day in days)
    task = spec.task
    if not performance_estimation.can_estimate(task, metric):
        known = ", ".join(performance_estimation.ESTIMATED[task])
        why = f"{metric} of a {task} model cannot be estimated without truth; of such a model {known} can"
        return rows, (False, False), EstimateFigure(metric, why=why)
    specification, estimator, reference = estimator_of(services, stream.model, stream.version, stream.target)
    if (
        reference.metric != metric
    ):  # the model file now speaks of another metric than the version was accepted by
        reference = replace(reference, metric=metric, value=math.nan, low=math.nan, high=math.nan)
    if estimator is None:
        return (
            rows,
            (False, False),
            _figure(MetricValue(metric, math.nan, math.nan, math.nan, 0), reference, NOTHING_LEARNT),
        )
    found = performance_estimation.estimate(specification, estimator, days, metric)
    judged = rows >= spec.monitoring.minimum_rows and math.isfinite(found.value)
    return rows, (judged, False), _figure(found, reference, "")


def _figure(found: MetricValue, reference: MetricValue, why: str) -> EstimateFigure:
    return EstimateFigure(
        found.metric,
        finite_or_none(found.value),
        finite_or_none(found.low),
        finite_or_none(found.high),
        finite_or_none(reference.value),
        finite_or_none(reference.low),
        finite_or_none(reference.high),
        why,
    )


def finite_or_none(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
