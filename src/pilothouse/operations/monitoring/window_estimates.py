"""A window's performance as estimated without outcomes: the reading of the monitor ``estimate``."""

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

NOTHING_LEARNT = (
    "the version's hold-out is too small to learn from, or it was trained by a release without estimates"
)


def estimate_window(
    services: Services, stream: Stream, spec: ModelSpec, days: list[Profile]
) -> tuple[EstimateFinding, int, bool]:
    """The finding about a window of days, its rows, and whether there are enough for a verdict."""
    metric, rows = spec.primary_metric, sum(day.rows for day in days)
    task = spec.task
    if not performance_estimation.can_estimate(task, metric):
        known = ", ".join(performance_estimation.ESTIMATED[task])
        why = f"{metric} of a {task} model cannot be estimated without outcomes; of such a model {known} can"
        return EstimateFinding(metric=metric, why=why), rows, False
    specification, estimator, reference = estimator_of(services, stream.model, stream.version, stream.target)
    if reference.metric != metric:  # the model file now names another metric than the version was accepted by
        reference = replace(reference, metric=metric, value=math.nan, low=math.nan, high=math.nan)
    if estimator is None:
        unknown = MetricValue(metric, math.nan, math.nan, math.nan, 0)
        return _finding(unknown, reference, NOTHING_LEARNT), rows, False
    found = performance_estimation.estimate(specification, estimator, days, metric)
    judged = rows >= spec.monitoring.minimum_rows and math.isfinite(found.value)
    return _finding(found, reference, ""), rows, judged


def _finding(found: MetricValue, reference: MetricValue, why: str) -> EstimateFinding:
    return EstimateFinding(
        metric=found.metric,
        value=finite_or_none(found.value),
        low=finite_or_none(found.low),
        high=finite_or_none(found.high),
        reference=finite_or_none(reference.value),
        reference_low=finite_or_none(reference.low),
        reference_high=finite_or_none(reference.high),
        why=why,
    )
