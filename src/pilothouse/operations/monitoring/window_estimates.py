"""Estimated performance of a window, without outcomes: the finding of the monitor ``estimate``."""

import math
from dataclasses import replace

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.findings import EstimateFinding, finite_or_none
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.operations.monitoring.baselines import estimator_of
from pilothouse.operations.services import Services
from pilothouse.statistics import performance_estimation
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.telemetry import Stream

_NOTHING_LEARNT = (
    "the version's hold-out is too small to learn from, or it was trained by a release without estimates"
)


def estimate_window(
    services: Services, stream: Stream, spec: ModelSpec, days: list[Profile]
) -> tuple[EstimateFinding, bool]:
    """The finding about a window of days, and whether there are enough rows for a verdict."""
    metric, rows = spec.primary_metric, sum(day.rows for day in days)
    task = spec.task
    if not performance_estimation.can_estimate(task, metric):
        possible = ", ".join(performance_estimation.ESTIMATED[task])
        why = f"{metric} of a {task} model cannot be estimated without outcomes; metrics that can: {possible}"
        return EstimateFinding(metric=metric, why=why), False
    specification, estimator, reference = estimator_of(services, stream.model, stream.version, stream.target)
    if reference.metric != metric:  # the model file now sets another metric
        reference = replace(reference, metric=metric, value=math.nan, low=math.nan, high=math.nan)
    if estimator is None:
        unknown = MetricValue(metric, math.nan, math.nan, math.nan, 0)
        return _finding(unknown, reference, _NOTHING_LEARNT), False
    estimate = performance_estimation.estimate(specification, estimator, days, metric)
    judged = rows >= spec.monitoring.minimum_rows and math.isfinite(estimate.value)
    return _finding(estimate, reference, ""), judged


def _finding(estimate: MetricValue, reference: MetricValue, why: str) -> EstimateFinding:
    return EstimateFinding(
        metric=estimate.metric,
        value=finite_or_none(estimate.value),
        low=finite_or_none(estimate.low),
        high=finite_or_none(estimate.high),
        reference=finite_or_none(reference.value),
        reference_low=finite_or_none(reference.low),
        reference_high=finite_or_none(reference.high),
        why=why,
    )
