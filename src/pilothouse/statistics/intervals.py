"""Confidence intervals of the metrics, each by the formula that its docstring names. NaN where there is nothing to say."""

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from .arrays import Floats, Ints

Interval = tuple[float, float]
NOWHERE: Interval = (math.nan, math.nan)

_FEW = 200
"""Up to this many observations Student's t takes the place of the normal distribution."""


def quantile(confidence: float, observations: float = math.inf) -> float:
    """The two-sided quantile of the normal distribution, or of Student's t with ``observations`` − 1 degrees."""
    upper = 0.5 + confidence / 2
    if observations > _FEW:
        return NormalDist().inv_cdf(upper)
    from scipy.special import stdtrit

    return float(stdtrit(max(observations - 1, 1), upper))


def on_logit_scale(value: float, error: float, factor: float) -> Interval:
    """``value`` ± ``factor`` standard errors on the logit scale (delta method): stays between 0 and 1."""
    if not (0 < value < 1) or not math.isfinite(error):
        return NOWHERE
    centre, width = math.log(value / (1 - value)), factor * error / (value * (1 - value))
    return _logistic(centre - width), _logistic(centre + width)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def auc_interval(value: float, error: float, smaller_class: float, confidence: float) -> Interval:
    """DeLong's error on the logit scale. A perfect or fully wrong ranking: the exact one-sided bound α^(1/n)."""
    if value in (0.0, 1.0) and smaller_class > 0:
        bound = ((1 - confidence) / 2) ** (1 / smaller_class)
        return (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
    return on_logit_scale(value, error, quantile(confidence))


def share_interval(hits: float, rows: float, confidence: float) -> Interval:
    """Wilson's score interval of a share."""
    if rows <= 0:
        return NOWHERE
    z, share = quantile(confidence), hits / rows
    centre = share + z * z / (2 * rows)
    width = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max((centre - width) / (1 + z * z / rows), 0.0), min((centre + width) / (1 + z * z / rows), 1.0)


def average_precision_interval(value: float, positives: float, confidence: float) -> Interval:
    """The logit interval of Boyd, Eng and Page (2013): error √(v(1−v)/positives)."""
    if positives <= 0:
        return NOWHERE
    error = math.sqrt(max(value * (1 - value), 0.0) / positives)
    inside = min(max(value, 0.5 / (positives + 1)), 1 - 0.5 / (positives + 1))
    low, high = on_logit_scale(inside, max(error, 0.5 / (positives + 1)), quantile(confidence))
    return min(low, value), max(high, value)


def mean_interval(mean: float, mean_square: float, rows: float, confidence: float) -> Interval:
    """The mean of non-negative losses ± Student's t times its standard error, not below 0."""
    if rows < 2:
        return NOWHERE
    deviation = math.sqrt(max(mean_square - mean * mean, 0.0) * rows / (rows - 1))
    width = quantile(confidence, rows) * deviation / math.sqrt(rows)
    return max(mean - width, 0.0), mean + width


def f1(confusion: Floats | Ints) -> Floats:
    """F1 of confusion matrices [..., true, predicted] → [...]: of the last class for two, macro-averaged for more.

    A class without a row and without a prediction counts 0, as scikit-learn has it by default.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    both = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    each = np.divide(2 * right, both, out=np.zeros_like(right), where=both > 0)
    return np.asarray(each[..., -1] if confusion.shape[-1] == 2 else each.mean(axis=-1), np.float64)


def f1_interval(confusion: Floats | Ints, confidence: float, seed: int = 0) -> Interval:
    """Two classes: the delta method on the logit scale (counts are multinomial); more: 1,000 multinomial resamples."""
    rows = float(confusion.sum())
    if rows < 2:
        return NOWHERE
    if confusion.shape[-1] == 2:
        hits = float(confusion[1, 1])
        faults = float(confusion[0, 1] + confusion[1, 0])
        if hits == 0 or faults == 0:
            return share_interval(hits, hits + faults, confidence) if hits + faults else NOWHERE
        error = math.sqrt(4 * hits * faults * (hits + faults)) / (2 * hits + faults) ** 2
        return on_logit_scale(2 * hits / (2 * hits + faults), error, quantile(confidence))
    draws = np.random.default_rng(seed).multinomial(int(rows), confusion.ravel() / rows, size=1000)
    values = f1(draws.reshape(-1, *confusion.shape))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)


def regression_value(metric: str, means: Mapping[str, float]) -> float:
    """``mae``, ``rmse`` or ``r2`` from the mean sums of outcome_profile.REGRESSION_SUMS."""
    if metric == "mae":
        return means["|e|"]
    if metric == "rmse":
        return math.sqrt(means["e²"])
    spread = means["y²"] - means["y"] ** 2
    return 1 - means["e²"] / spread if spread > 0 else math.nan


def regression_interval(metric: str, means: Mapping[str, float], rows: float, confidence: float) -> Interval:
    """MAE: of a mean. RMSE: the root of the interval of the mean square. R²: the delta method for a ratio."""
    if metric == "mae":
        return mean_interval(means["|e|"], means["e²"], rows, confidence)
    if metric == "rmse":
        low, high = mean_interval(means["e²"], means["e⁴"], rows, confidence)
        return math.sqrt(low), math.sqrt(high)
    value = regression_value(metric, means)
    mean, spread, square = means["y"], means["y²"] - means["y"] ** 2, means["e²"]
    if rows < 3 or not math.isfinite(value):
        return NOWHERE
    if square == 0:
        return value, value
    fourth = means["y⁴"] - 4 * mean * means["y³"] + 6 * mean**2 * means["y²"] - 3 * mean**4
    shared = means["e²y²"] - 2 * mean * means["e²y"] + mean**2 * square
    relative = (
        (means["e⁴"] - square**2) / square**2
        + (fourth - spread**2) / spread**2
        - 2 * (shared - square * spread) / (square * spread)
    )
    width = quantile(confidence, rows) * (square / spread) * math.sqrt(max(relative, 0.0) / rows)
    return value - width, value + width
