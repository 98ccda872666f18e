"""Moment of a change: the day from which a model's loss is of another level."""

from dataclasses import dataclass

import numpy as np

from pilothouse.domain.models.model_spec import Task
from pilothouse.statistics.arrays import AnyArray, Floats
from pilothouse.statistics.profiles.outcome_profile import POINT, OutcomeProfile

_FEWEST_DAYS = 3
"""Days on either side of a change at least: two may be one weekend."""
_CLEAR = 3.0
"""Standard errors by which the loss must rise. The day is the best of some twenty to fifty, and the largest of so many under no
change stays below 3 in about nine of ten cases."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """First day of the new level: its place among the days, and the rise in standard errors."""

    index: int
    rise: float


def daily_loss(task: Task, days: list[OutcomeProfile]) -> tuple[Floats, Floats]:
    """Mean loss of each day, and its rows: log loss for two classes, share of wrong labels for more, absolute error in units of
    the specification's scale for a regression. NaN for a day without rows."""
    rows = np.array([day.rows for day in days], dtype=np.float64)
    if task == "multiclass":
        total = rows - np.array([np.trace(day.confusion) for day in days], dtype=np.float64)
    else:
        position = 2 if task == "binary" else 1
        total = np.array([day.sums[position] / POINT for day in days], dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(rows > 0, total / rows, np.nan), rows


def locate(loss: AnyArray, rows: AnyArray, first: int, last: int) -> ChangePoint | None:
    """The day in ``first`` to ``last`` (both included) from which the loss is higher, most clearly by Welch's t of the days
    before against those from it on (Bai 1994, Journal of Time Series Analysis 15:453, for the least-squares estimate of a shift
    in the mean); None where no rise is clear. ``loss`` and ``rows``: float64[days]; days without rows are left out."""
    known = np.flatnonzero(rows > 0)
    best: ChangePoint | None = None
    for index in range(first, last + 1):
        before, after = known[known < index], known[known >= index]
        if min(len(before), len(after)) < _FEWEST_DAYS:
            continue
        rise = _welch(loss[before], rows[before], loss[after], rows[after])
        if rise >= _CLEAR and (best is None or rise > best.rise):
            best = ChangePoint(index, rise)
    return best


def _welch(a: Floats, weights_a: Floats, b: Floats, weights_b: Floats) -> float:
    """Rise of the weighted mean from ``a`` to ``b`` in standard errors, days being the units."""
    mean_a, error_a = _mean(a, weights_a)
    mean_b, error_b = _mean(b, weights_b)
    error = np.hypot(error_a, error_b)
    return float((mean_b - mean_a) / error) if error > 0 else 0.0


def _mean(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean of days, and its standard error."""
    share = weights / weights.sum()
    mean = float(share @ values)
    count = len(values)
    return mean, float(np.sqrt((share**2) @ (values - mean) ** 2 * count / (count - 1)))
