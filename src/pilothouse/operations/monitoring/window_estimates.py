"""Estimated performance of a window, without its outcomes: the finding of the monitor ``estimate``.

The estimate from inputs is corrected by the stream's record of earlier windows, as their readings were when the window was
estimated first: judged again, or by a back-fill, it learns from the same.
"""

import math
from dataclasses import replace

from pilothouse.domain.formats.time_units import SECOND_US, to_us
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import EstimateFinding, PerformanceFinding, finite_or_none, known
from pilothouse.operations.monitoring.baselines import estimator_of
from pilothouse.operations.services import Services
from pilothouse.statistics import performance_estimation
from pilothouse.statistics.estimation import estimate_record
from pilothouse.statistics.estimation.estimate_record import EstimatedWindow, RecordedEstimate
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.telemetry import Stream
from pilothouse.telemetry.windows import readings, revisions
from pilothouse.telemetry.windows.readings import ESTIMATE, PERFORMANCE, Reading, finding_of

_NOTHING_LEARNT = (
    "the version's hold-out is too small to learn from, or it was trained by a release without estimates"
)
_MOST_READINGS = 1_000
"""Readings of the record that are looked at, where windows overlap much."""


def estimate_window(
    services: Services, stream: Stream, spec: ModelSpec, span: Span, days: list[Profile]
) -> tuple[EstimateFinding, bool]:
    """The finding about the window ``span`` with these days, and whether there are enough rows for a verdict."""
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
        return _finding(RecordedEstimate(unknown, unknown), unknown, reference, _NOTHING_LEARNT), False
    inputs = performance_estimation.estimate(specification, estimator, days, metric)
    window = EstimatedWindow(span.end_us, span.end_us - span.start_us, inputs)
    corrected = estimate_record.correct(
        window,
        _record(services, stream, spec, span),
        reference,
        delay=spec.data.outcome_delay * SECOND_US,
        step=spec.monitoring.performance_step * SECOND_US,
    )
    judged = rows >= spec.monitoring.minimum_rows and math.isfinite(inputs.value)
    return _finding(corrected, inputs, reference, ""), judged


def _record(services: Services, stream: Stream, spec: ModelSpec, span: Span) -> list[EstimatedWindow]:
    """Windows before this one with what was estimated and measured, by the readings of the time at which it was closed."""
    overlap = math.ceil((span.end_us - span.start_us) / (spec.monitoring.performance_step * SECOND_US))
    limit = min(max(overlap, estimate_record.A_LENGTH) * estimate_record.MOST_WINDOWS, _MOST_READINGS)
    with services.telemetry.read() as connection:
        own = readings.find(connection, stream.id, ESTIMATE, span.end_us)
        wall_us = revisions.first_recorded(connection, own) if own is not None else to_us(services.now())
        estimates, outcomes = (
            revisions.history_as_of(
                connection, stream.id, monitor, until_us=span.end_us - 1, wall_us=wall_us, limit=limit
            )
            for monitor in (ESTIMATE, PERFORMANCE)
        )
    measured = {(reading.start_us, reading.end_us): reading for reading in outcomes if reading.judged}
    record = []
    for reading in estimates:
        pair = measured.get((reading.start_us, reading.end_us))
        past = _estimated(reading, pair, spec.primary_metric) if pair is not None else None
        if past is not None:
            record.append(past)
    return record


def _estimated(estimate: Reading, outcome: Reading, metric: str) -> EstimatedWindow | None:
    """A window of the record; None where its figures are of other windows together, or of another metric."""
    if estimate.window.together != outcome.window.together:
        return None
    estimated, found = finding_of(estimate, EstimateFinding), finding_of(outcome, PerformanceFinding)
    if not estimated.metric == found.metric == metric:
        return None
    length = estimate.end_us - estimate.start_us
    return EstimatedWindow(
        estimate.end_us, length, estimated.from_inputs, known(found.value), lost=found.significant
    )


def _finding(
    estimate: RecordedEstimate, inputs: MetricValue, reference: MetricValue, why: str
) -> EstimateFinding:
    value = estimate.value
    return EstimateFinding(
        metric=value.metric,
        value=finite_or_none(value.value),
        low=finite_or_none(value.low),
        high=finite_or_none(value.high),
        reference=finite_or_none(reference.value),
        reference_low=finite_or_none(reference.low),
        reference_high=finite_or_none(reference.high),
        why=why,
        inputs=_known(inputs),
        explained=_known(estimate.explained),
        weights=estimate.weights,
        record=estimate.windows,
    )


def _known(value: MetricValue) -> MetricValue | None:
    """A figure for storage; None where a part is not known."""
    return value if all(map(math.isfinite, (value.value, value.low, value.high))) else None
