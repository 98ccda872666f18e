"""What a statistic between 0 and 1 does while nothing has changed, from its values on windows of the reference itself.

The same reasoning as for single columns (``calibration``): on the logit scale the values of m independent windows are taken as
normal with unknown mean and deviation, so a new window's follows Student's t with m − 1 degrees, scaled by √(1 + 1/m).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEAST_SPREAD = 0.1
"""The least deviation on the logit scale that a handful of windows may claim."""
_EDGE = 1e-4


@dataclass(frozen=True, slots=True)
class BlockNull:
    """Mean and deviation on the logit scale, from ``windows`` independent windows' worth of evidence (two or more)."""

    mean: float
    deviation: float
    windows: float

    @property
    def usual(self) -> float:
        """The value that is usual while nothing has changed."""
        return 1 / (1 + math.exp(-self.mean))

    def p_value(self, value: float) -> float:
        """How probable a value this large is while nothing has changed."""
        from scipy.special import stdtr

        return float(stdtr(self.windows - 1, (self.mean - _logit(value)) / self._spread))

    def value_at(self, p_value: float) -> float:
        """The value that has this p-value."""
        from scipy.special import stdtrit

        return 1 / (1 + math.exp(-(self.mean - float(stdtrit(self.windows - 1, p_value)) * self._spread)))

    @property
    def _spread(self) -> float:
        return self.deviation * math.sqrt(1 + 1 / self.windows)


def block_null(values: Sequence[float], independent: float) -> BlockNull | None:
    """The null of these values; None where there are fewer than two windows' worth."""
    windows = min(independent, len(values))
    if windows < 2:
        return None
    unbounded = np.array([_logit(value) for value in values])
    return BlockNull(float(unbounded.mean()), max(float(unbounded.std(ddof=1)), _LEAST_SPREAD), windows)


def _logit(value: float) -> float:
    inside = min(max(value, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))
