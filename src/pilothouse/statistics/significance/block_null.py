"""Null distribution of a statistic between 0 and 1, from its values on windows of the reference itself.

As for single columns (``calibration``): on the logit scale the values of m independent windows are taken as normal
with unknown mean and deviation, so that a new window's value follows Student's t with m − 1 degrees of freedom,
scaled by √(1 + 1/m).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEAST_SPREAD = 0.1
"""Least standard deviation on the logit scale that a handful of windows may claim."""
_EDGE = 1e-4
"""Least distance from 0 and 1 of a value whose logit is taken."""


@dataclass(frozen=True, slots=True)
class BlockNull:
    """Mean and standard deviation on the logit scale, from ``windows`` independent windows' worth of evidence (two or
    more)."""

    mean: float
    deviation: float
    windows: float

    @property
    def usual(self) -> float:
        """Median of the statistic while nothing has changed, 0 to 1."""
        return 1 / (1 + math.exp(-self.mean))

    def p_value(self, value: float) -> float:
        """Probability of a value this large or larger while nothing has changed: the upper tail of Student's
        prediction distribution of a new normal observation (Geisser 1993, Predictive Inference). NaN for NaN."""
        from scipy.special import stdtr

        return float(stdtr(self.windows - 1, (self.mean - _logit(value)) / self._spread))

    def value_at(self, p_value: float) -> float:
        """Value with this p-value, 0 to 1; the inverse of ``p_value``."""
        from scipy.special import stdtrit

        return 1 / (1 + math.exp(-(self.mean - float(stdtrit(self.windows - 1, p_value)) * self._spread)))

    @property
    def _spread(self) -> float:
        return self.deviation * math.sqrt(1 + 1 / self.windows)


def block_null(values: Sequence[float], independent: float) -> BlockNull | None:
    """Null of a statistic with these ``values`` (0 to 1) on windows of the reference, which overlap and are worth
    ``independent`` ones; None where that is fewer than two."""
    windows = min(independent, len(values))
    if windows < 2:
        return None
    unbounded = np.array([_logit(value) for value in values])
    return BlockNull(float(unbounded.mean()), max(float(unbounded.std(ddof=1)), _LEAST_SPREAD), windows)


def _logit(value: float) -> float:
    inside = min(max(value, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))
