"""Confidence intervals of the metrics, each by the formula that its docstring names; (NaN, NaN) where none is defined."""

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints

Interval = tuple[float, float]
NOWHERE: Interval = (math.nan, math.nan)
"""Interval of a value that is not defined."""

_FEW = 200
"""Observations up to which Student's t takes the place of the normal distribution."""


def quantile(confidence: float, observations: float = math.inf) -> float:
    """Two-sided quantile at ``confidence`` (0 to 1) of Student's t with ``observations`` − 1 degrees of freedom, at
    least one; of the normal distribution beyond 200 observations."""
    upper = 0.5 + confidence / 2
    if observations > _FEW:
        return NormalDist().inv_cdf(upper)
    from scipy.special import stdtrit

    return float(stdtrit(max(observations - 1, 1), upper))


def on_logit_scale(value: float, error: float, factor: float) -> Interval:
    """Interval of ``factor`` standard errors about ``value`` on the logit scale, by the delta method (Agresti 2013,
    Categorical Data Analysis, section 16.1): it stays between 0 and 1. NOWHERE unless the value lies within 0 and 1
    and the error is finite."""
    if not (0 < value < 1) or not math.isfinite(error):
        return NOWHERE
    centre, width = math.log(value / (1 - value)), factor * error / (value * (1 - value))
    return _logistic(centre - width), _logistic(centre + width)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def auc_interval(value: float, error: float, smaller_class: float, confidence: float) -> Interval:
    """Interval of an AUROC from its standard error (DeLong's), on the logit scale (Pepe 2003, The Statistical
    Evaluation of Medical Tests, chapter 5). A perfect or fully wrong ranking has no such error and gets a one-sided
    bound α^(1/n), n being the rows of the ``smaller_class`` and α half of 1 − ``confidence``: own construction, the
    exact bound of a share of n hits in n. NOWHERE where the value is NaN."""
    if value in (0.0, 1.0) and smaller_class > 0:
        bound = ((1 - confidence) / 2) ** (1 / smaller_class)
        return (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
    return on_logit_scale(value, error, quantile(confidence))


def share_interval(hits: float, rows: float, confidence: float) -> Interval:
    """Wilson's score interval of a share of ``hits`` in ``rows`` (Wilson 1927, J. American Statistical Association
    22:209); NOWHERE without rows."""
    if rows <= 0:
        return NOWHERE
    z, share = quantile(confidence), hits / rows
    centre = share + z * z / (2 * rows)
    width = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max((centre - width) / (1 + z * z / rows), 0.0), min((centre + width) / (1 + z * z / rows), 1.0)


def average_precision_interval(value: float, positives: float, confidence: float) -> Interval:
    """Logit interval of an average precision, with the error √(v(1 − v)/positives) (Boyd, Eng and Page 2013, ECML
    PKDD). Near 0 and 1 value and error are kept half a positive away, so that the interval has a width. NOWHERE
    without positives."""
    if positives <= 0:
        return NOWHERE
    error = math.sqrt(max(value * (1 - value), 0.0) / positives)
    inside = min(max(value, 0.5 / (positives + 1)), 1 - 0.5 / (positives + 1))
    low, high = on_logit_scale(inside, max(error, 0.5 / (positives + 1)), quantile(confidence))
    return min(low, value), max(high, value)


def mean_interval(mean: float, mean_square: float, rows: float, confidence: float) -> Interval:
    """Interval of the mean of non-negative losses: ± Student's t times its standard error, not below 0.
    ``mean_square`` is the mean of the squared losses, in their unit squared. NOWHERE for fewer than two rows."""
    if rows < 2:
        return NOWHERE
    deviation = math.sqrt(max(mean_square - mean * mean, 0.0) * rows / (rows - 1))
    width = quantile(confidence, rows) * deviation / math.sqrt(rows)
    return max(mean - width, 0.0), mean + width


OF_CONFUSION = ("precision", "recall", "f1")
"""Metrics that a confusion matrix gives, of one class or averaged over classes."""
CALIBRATION_BINS = 16
"""Bins of equal width over 0 to 1 in which calibration error compares the mean score with the share of positives."""


def by_class(metric: str, confusion: Floats | Ints) -> Floats:
    """Precision, recall or F1 of each class of confusion matrices [..., true, predicted], float64[..., classes]. A
    class without a row and without a prediction counts 0, as scikit-learn has it by default. Raises KeyError for
    another metric."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    rows, taken = confusion.sum(axis=-1), confusion.sum(axis=-2)
    above = 2 * right if metric == "f1" else right
    below = {"precision": taken, "recall": rows, "f1": rows + taken}[metric]
    return np.asarray(np.divide(above, below, out=np.zeros_like(right), where=below > 0), np.float64)


def of_confusion(metric: str, confusion: Floats | Ints) -> Floats:
    """Precision, recall or F1 of confusion matrices [..., true, predicted], float64[...]: that of the last class for
    two, the mean over classes (macro average) for more. Classes without rows count 0."""
    each = by_class(metric, confusion)
    return np.asarray(each[..., -1] if confusion.shape[-1] == 2 else each.mean(axis=-1), np.float64)


def class_interval(metric: str, confusion: Floats | Ints, k: int, confidence: float) -> Interval:
    """Interval of class ``k``'s precision, recall or F1 from one confusion matrix [true, predicted]: Wilson's for
    precision and recall; for F1 the delta method on the logit scale with multinomial counts, Wilson's where it is 0 or 1.
    NOWHERE where the metric's denominator is 0."""
    hits = float(confusion[k, k])
    rows, taken = float(confusion[k].sum()), float(confusion[:, k].sum())
    if metric != "f1":
        return share_interval(hits, taken if metric == "precision" else rows, confidence)
    # F1 = 2h/(2h + f) is a function of the counts of hits and faults alone; its delta-method error follows below
    faults = rows + taken - 2 * hits
    if hits == 0 or faults == 0:
        return share_interval(hits, hits + faults, confidence) if hits + faults else NOWHERE
    error = math.sqrt(4 * hits * faults * (hits + faults)) / (2 * hits + faults) ** 2
    return on_logit_scale(2 * hits / (2 * hits + faults), error, quantile(confidence))


def confusion_interval(metric: str, confusion: Floats | Ints, confidence: float, seed: int = 0) -> Interval:
    """Interval of ``of_confusion``: of two classes that of ``class_interval``; of more the percentiles of 1,000
    multinomial resamples of the matrix (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13),
    deterministic for a ``seed``. NOWHERE for fewer than two rows."""
    rows = float(confusion.sum())
    if rows < 2:
        return NOWHERE
    if confusion.shape[-1] == 2:
        return class_interval(metric, confusion, 1, confidence)
    draws = np.random.default_rng(seed).multinomial(int(rows), confusion.ravel() / rows, size=1000)
    values = of_confusion(metric, draws.reshape(-1, *confusion.shape))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)


def calibration_error(rows: Floats | Ints, scores: Floats, positives: Floats | Ints) -> Floats:
    """Expected calibration error Σ rows·|mean score − share of positives| / Σ rows, [..., CALIBRATION_BINS] →
    float64[...]; ``scores`` are sums of scores a bin (Naeini, Cooper and Hauskrecht 2015, AAAI, with bins of equal
    width). NaN without rows."""
    total = rows.sum(axis=-1)
    apart = np.abs(scores - positives).sum(axis=-1)
    return np.asarray(np.divide(apart, total, out=np.full_like(apart, np.nan), where=total > 0), np.float64)


def calibration_interval(
    rows: Floats | Ints, scores: Floats, positives: Floats | Ints, confidence: float, seed: int = 0
) -> Interval:
    """Interval of a calibration error from its bins, by 1,000 binomial draws of each bin's positives; NOWHERE for
    fewer than two rows. Own construction: a sample's error is biased upwards, since it adds up absolute differences;
    by as much as the draws exceed it on average, the lower bound is moved down. Deterministic for a ``seed``."""
    if rows.sum() < 2:
        return NOWHERE
    value = float(calibration_error(rows, scores, positives))
    share = np.divide(positives, rows, out=np.zeros(len(rows)), where=rows > 0)
    draws = np.random.default_rng(seed).binomial(np.asarray(rows, np.int64), share, size=(1000, len(rows)))
    values = calibration_error(np.broadcast_to(np.asarray(rows, np.float64), draws.shape), scores, draws)
    width = quantile(confidence) * float(np.std(values))
    return max(value - max(float(np.mean(values)) - value, 0.0) - width, 0.0), value + width


def regression_value(metric: str, means: Mapping[str, float]) -> float:
    """MAE, RMSE, R² or bias from the mean sums of outcome_profile.REGRESSION_SUMS by name, in the unit of the errors;
    R² without a unit, NaN for constant outcomes."""
    if metric == "mae":
        return means["|e|"]
    if metric == "bias":
        return means["e"]
    if metric == "rmse":
        return math.sqrt(means["e²"])
    spread = means["y²"] - means["y"] ** 2
    return 1 - means["e²"] / spread if spread > 0 else math.nan


def regression_interval(metric: str, means: Mapping[str, float], rows: float, confidence: float) -> Interval:
    """Interval of MAE, RMSE, R² or bias from mean sums of outcome_profile.REGRESSION_SUMS by name. MAE and bias: that
    of a mean. RMSE: the roots of the bounds of the mean square. R²: the delta method for the ratio of mean squared
    error and variance. NOWHERE for fewer than two rows, for R² three, or where the value is not defined."""
    if metric == "bias":
        if rows < 2:
            return NOWHERE
        spread = max(means["e²"] - means["e"] ** 2, 0.0) / (rows - 1)
        half = quantile(confidence, rows) * math.sqrt(spread)
        return means["e"] - half, means["e"] + half
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
    # relative variance of the ratio a/b for one row: Var(a)/a² + Var(b)/b² − 2·Cov(a, b)/(a·b)
    relative = (
        (means["e⁴"] - square**2) / square**2
        + (fourth - spread**2) / spread**2
        - 2 * (shared - square * spread) / (square * spread)
    )
    width = quantile(confidence, rows) * (square / spread) * math.sqrt(max(relative, 0.0) / rows)
    return value - width, value + width
