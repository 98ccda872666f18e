"""Verdicts on realised performance: has the model become worse?"""

import math

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.model_spec import Direction
from pilothouse.statistics.performance.intervals import quantile

SMALLEST_LOSS = 0.01
"""A metric that is better when higher must fall by this much to be worth a word."""
SMALLEST_RISE = 0.03
"""A loss must rise by this share of its reference value to be worth a word."""
SPEAKS = 10.0
"""Of windows in which nothing has changed so many times the false alarm rate speak by chance; the rate itself is that of losses
that are certain without a second window."""


def speaking_share(rate: float) -> float:
    """The share of quiet windows that speak by chance."""
    return min(SPEAKS * rate, 0.5)


def performance_speaks(
    reading: MetricValue, reference: MetricValue, direction: Direction, rate: float
) -> bool:
    """True where a window is worse than its reference by more than chance and worth a word.

    Chance does it, one-sided, in SPEAKS times the false alarm ``rate`` of windows. Both carry 95 % intervals over days
    (``outcomes.realised_over_days``, ``TargetReference.performance``): days differ more than their rows tell. The level is lax:
    two weeks held out and four weeks watched are each known to some 0.05 of AUROC, and a strict one finds no decay that
    matters. One window is not yet an alarm: ask for k of the last n. False where a value or the window's interval is not
    known.
    """
    return _is_worse(reading, reference, direction, speaking_share(rate))


def _is_worse(reading: MetricValue, reference: MetricValue, direction: Direction, share: float) -> bool:
    deficit = (reference.value - reading.value) * (1 if direction == "higher" else -1)
    least, chance = _let_pass(reading, reference, direction, share)
    if not math.isfinite(deficit) or not math.isfinite(chance):
        return False
    return deficit >= least and deficit > chance


def performance_is_certain(
    reading: MetricValue, reference: MetricValue, direction: Direction, rate: float
) -> bool:
    """True where the loss is so large that one window is enough: chance does it in a share of ``rate`` of them."""
    return _is_worse(reading, reference, direction, min(rate, 0.5))


def performance_bound(
    reading: MetricValue, reference: MetricValue, direction: Direction, rate: float
) -> float:
    """The value beyond which ``performance_speaks`` calls the window worse; NaN where it cannot be said."""
    allowed = max(_let_pass(reading, reference, direction, speaking_share(rate)))
    return reference.value - allowed * (1 if direction == "higher" else -1)


def _let_pass(
    reading: MetricValue, reference: MetricValue, direction: Direction, share: float
) -> tuple[float, float]:
    """The smallest loss worth a word, and the loss that chance makes; that is NaN where the window's error is not known."""
    least = SMALLEST_LOSS if direction == "higher" else SMALLEST_RISE * abs(reference.value)
    known = _error(reference)
    chance = math.hypot(_error(reading), known if math.isfinite(known) else 0.0)
    return least, quantile(1 - 2 * share) * chance


def _error(value: MetricValue) -> float:
    return (value.high - value.low) / (2 * quantile(0.95))
