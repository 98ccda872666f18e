"""Verdicts on performance from outcomes: is the model worse than on its reference?"""

import math
from collections.abc import Sequence
from enum import Enum

from pilothouse.domain.models.evaluation import SMALLEST_LOSS, SMALLEST_RISE, MetricValue
from pilothouse.domain.models.model_spec import METRICS, Direction, MonitoringSpec
from pilothouse.domain.monitoring.findings import PerformanceFinding, finite_or_none
from pilothouse.statistics.performance.intervals import quantile

SINGLE_WINDOW = 10.0
"""Multiple of the false alarm rate in which unchanged windows are found significantly worse; the rate itself is that
of losses that need no second window."""


def single_window_rate(rate: float) -> float:
    """Share of unchanged windows that are found significantly worse, at a false alarm ``rate``; at most 0.5."""
    return min(SINGLE_WINDOW * rate, 0.5)


def rate_of(rate: float, windows: int) -> float:
    """Share of unchanged windows that are found significantly worse where so many ``windows`` are judged together."""
    return single_window_rate(rate) if windows == 1 else min(rate, 0.5)


def judge_performance(
    value: MetricValue,
    reference: MetricValue,
    direction: Direction,
    *,
    false_alarm_rate: float,
    minimum_rows: int,
    labelled_share: float,
    windows: int = 1,
) -> tuple[PerformanceFinding, bool]:
    """Finding about a window whose metric by outcomes is ``value``, and whether there is enough for a verdict.

    Where it was measured over several ``windows``, which the next such measurement shares, a loss is significant only where it
    needs no second window (``performance_is_certain``).
    """
    rate = rate_of(false_alarm_rate, windows)
    judged = value.rows >= minimum_rows and math.isfinite(value.value) and math.isfinite(reference.value)
    finding = PerformanceFinding(
        metric=value.metric,
        value=finite_or_none(value.value),
        low=finite_or_none(value.low),
        high=finite_or_none(value.high),
        reference=finite_or_none(reference.value),
        reference_low=finite_or_none(reference.low),
        reference_high=finite_or_none(reference.high),
        labelled_share=labelled_share,
        significant=judged and _is_worse(value, reference, direction, rate),
    )
    return finding, judged


def is_significantly_worse(
    measured: MetricValue, reference: MetricValue, direction: Direction, rate: float
) -> bool:
    """True where a window is significantly worse than its reference, and by at least SMALLEST_LOSS or SMALLEST_RISE.
    False where a value or the window's interval is NaN.

    One-sided z test of the difference, with both errors from their 95 % intervals over days
    (``outcomes.measured_over_days``, ``TargetReference.performance``), at ``single_window_rate(rate)``. The level is lax:
    two weeks held out and four weeks watched are each known to some 0.05 of AUROC, and a strict one finds no decay
    that matters. One window is not yet an alarm: ask for k of the last n.
    """
    return _is_worse(measured, reference, direction, single_window_rate(rate))


def _is_worse(measured: MetricValue, reference: MetricValue, direction: Direction, share: float) -> bool:
    deficit = (reference.value - measured.value) * (1 if direction == "higher" else -1)
    least, by_sampling = _let_pass(measured, reference, direction, share)
    return (
        math.isfinite(deficit) and math.isfinite(by_sampling) and deficit >= least and deficit > by_sampling
    )


def performance_is_certain(
    measured: MetricValue, reference: MetricValue, direction: Direction, rate: float
) -> bool:
    """True where the loss needs no second window: the test of ``is_significantly_worse`` at the false alarm ``rate`` itself."""
    return _is_worse(measured, reference, direction, min(rate, 0.5))


class Loss(Enum):
    """What a judged window says of a loss of performance."""

    NONE = "none"
    SUSPECTED = "suspected"
    """Not certain, and not nothing either: more windows decide."""
    CERTAIN = "certain"
    """An alert opens by it."""


def loss_of(finding: PerformanceFinding, significant: Sequence[bool], rules: MonitoringSpec) -> Loss:
    """Loss in a window that was judged, the one rule for every screen, state and sentence. ``significant``: whether this window
    and those judged before it are, newest last.

    It is certain where an alert would open by it. It is suspected where it is significant all the same
    (``single_window_rate`` of unchanged windows are), or where the window's own 95 % interval excludes the reference on the
    worse side.
    """
    direction = METRICS[finding.metric][0]
    measured, expected = finding.measured, finding.expected
    if finding.significant and (
        performance_is_certain(measured, expected, direction, rules.false_alarm_rate)
        or sum(significant[-rules.of :]) >= rules.fire
    ):
        return Loss.CERTAIN
    if finding.significant or excludes_reference(measured, expected, direction):
        return Loss.SUSPECTED
    return Loss.NONE


def excludes_reference(measured: MetricValue, reference: MetricValue, direction: Direction) -> bool:
    """True where the window's interval lies wholly on the worse side of the reference's value, and the loss is at least
    SMALLEST_LOSS or SMALLEST_RISE. False where a figure is NaN."""
    least = _smallest_loss(reference, direction)
    if direction == "higher":
        return measured.high < reference.value and reference.value - measured.value >= least
    return measured.low > reference.value and measured.value - reference.value >= least


def performance_bound(
    measured: MetricValue, reference: MetricValue, direction: Direction, rate: float, windows: int = 1
) -> float:
    """Value beyond which ``judge_performance`` calls ``windows`` together worse; NaN where their interval is not known."""
    allowed = max(_let_pass(measured, reference, direction, rate_of(rate, windows)))
    return reference.value - allowed * (1 if direction == "higher" else -1)


def _let_pass(
    measured: MetricValue, reference: MetricValue, direction: Direction, share: float
) -> tuple[float, float]:
    """Smallest loss that counts, and the largest that sampling makes at this share; the latter is NaN where the
    window's error is not known."""
    known = _error(reference)
    error = math.hypot(_error(measured), known if math.isfinite(known) else 0.0)
    return _smallest_loss(reference, direction), quantile(1 - 2 * share) * error


def _smallest_loss(reference: MetricValue, direction: Direction) -> float:
    """Smallest loss that counts."""
    return SMALLEST_LOSS if direction == "higher" else SMALLEST_RISE * abs(reference.value)


def _error(value: MetricValue) -> float:
    """Standard error of a value, from its 95 % interval."""
    return (value.high - value.low) / (2 * quantile(0.95))
