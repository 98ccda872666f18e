"""Verdicts on realised performance: has the model become worse?"""

import math

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.model_spec import Direction

from .intervals import quantile

SMALLEST_LOSS = 0.01
"""A metric that is better when higher must fall by this much to be worth a word."""
SMALLEST_RISE = 0.03
"""A loss must rise by this share of its reference value to be worth a word."""
SPEAKS_LEVEL = 0.9
"""One-sided: chance makes a loss as large in one window of ten at most …"""
CERTAIN_LEVEL = 0.99
"""… and in one of a hundred what is certain without a second window."""


def performance_speaks(
    reading: MetricValue, reference: MetricValue, direction: Direction, *, level: float = SPEAKS_LEVEL
) -> bool:
    """True where a window is worse than its reference by more than chance (one-sided, at ``level``) and worth a word.

    Both carry 95 % intervals over days (``outcomes.realised_over_days``, ``TargetReference.performance``): days differ more
    than their rows tell. The level is a lax one: two weeks held out and four weeks watched are each known to some
    0.05 of AUROC, and a strict one finds no decay that matters. One window is not yet an alarm: ask for k of the last n.
    False where a value or the window's interval is not known.
    """
    deficit = (reference.value - reading.value) * (1 if direction == "higher" else -1)
    least, chance = _let_pass(reading, reference, direction, level)
    if not math.isfinite(deficit) or not math.isfinite(chance):
        return False
    return deficit >= least and deficit > chance


def performance_is_certain(reading: MetricValue, reference: MetricValue, direction: Direction) -> bool:
    """True where the loss is so large that one window is enough (CERTAIN_LEVEL)."""
    return performance_speaks(reading, reference, direction, level=CERTAIN_LEVEL)


def performance_bound(
    reading: MetricValue, reference: MetricValue, direction: Direction, *, level: float = SPEAKS_LEVEL
) -> float:
    """The value beyond which ``performance_speaks`` calls the window worse; NaN where it cannot be said."""
    allowed = max(_let_pass(reading, reference, direction, level))
    return reference.value - allowed * (1 if direction == "higher" else -1)


def _let_pass(
    reading: MetricValue, reference: MetricValue, direction: Direction, level: float
) -> tuple[float, float]:
    """The smallest loss worth a word, and the loss that chance makes; that is NaN where the window's error is not known."""
    least = SMALLEST_LOSS if direction == "higher" else SMALLEST_RISE * abs(reference.value)
    known = _error(reference)
    chance = math.hypot(_error(reading), known if math.isfinite(known) else 0.0)
    return least, quantile(2 * level - 1) * chance


def _error(value: MetricValue) -> float:
    return (value.high - value.low) / (2 * quantile(0.95))
