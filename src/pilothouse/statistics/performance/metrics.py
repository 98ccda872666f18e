"""Metrics of scored rows, each with its confidence interval. Rows are taken as independent.

Sources of the intervals: AUROC DeLong et al. 1988 (multiclass: the same influences averaged over one-against-the-rest
curves); average precision Boyd et al. 2013; accuracy, precision and recall Wilson 1927; F1 delta method; averages
over more classes multinomial resamples; calibration error resamples of its bins; log loss, Brier, MAE and RMSE of a
mean; R² delta method for a ratio. ``intervals`` gives each formula.
"""

import math

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import METRICS, Task
from pilothouse.statistics.arrays import AnyArray, Floats, Ints
from pilothouse.statistics.performance import intervals, ranking
from pilothouse.statistics.profiles.outcome_profile import REGRESSION_SUMS, SMALLEST_PROBABILITY
from pilothouse.statistics.profiles.scored_rows import ScoredRows, check_task

Measured = tuple[float, intervals.Interval]


def compute_metrics(rows: ScoredRows, *, confidence: float = 0.95, seed: int = 0) -> list[MetricValue]:
    """Every metric of the task that these rows define, in the order of METRICS, with intervals at ``confidence``.

    A multiclass model's AUROC and log loss need ``probabilities``. A metric that is not defined on the rows (one class
    alone) is left out, so that no rows give an empty list.
    """
    task = rows.task
    known = [
        metric
        for metric, (_, tasks) in METRICS.items()
        if task in tasks and not (needs_probabilities(metric, task) and rows.probabilities is None)
    ]
    values = [measure(metric, rows, confidence=confidence, seed=seed) for metric in known]
    return [value for value in values if math.isfinite(value.value)]


def measure(metric: str, rows: ScoredRows, *, confidence: float = 0.95, seed: int = 0) -> MetricValue:
    """One metric with its interval at ``confidence``; value and bounds are NaN where the rows do not define it. Raises
    InvalidInputError for a metric of another task, and where ``probabilities`` are needed and missing."""
    check_task(metric, rows.task)
    if needs_probabilities(metric, rows.task) and rows.probabilities is None:
        raise InvalidInputError(
            f"metric {metric!r} of a multiclass model needs the probabilities of all classes"
        )
    value, (low, high) = _measure(metric, rows, confidence, seed)
    return MetricValue(metric, value, low, high, rows.rows)


def needs_probabilities(metric: str, task: Task) -> bool:
    """True where the winning class's probability does not suffice: AUROC and log loss of several classes."""
    return task == "multiclass" and metric in ("auc", "log_loss")


def losses(metric: str, rows: ScoredRows) -> Floats:
    """Loss of each row, float64[n], for the metrics that are means: brier, log_loss (nats), mae, and accuracy as 1
    for a hit. Probabilities are kept 1e-15 away from 0."""
    if metric == "accuracy":
        return np.asarray(rows.outcomes == rows.labels, np.float64)
    if metric == "mae":
        return np.asarray(np.abs(rows.scores - rows.outcomes), np.float64)
    if metric == "brier":
        return np.asarray((rows.scores - rows.outcomes) ** 2, np.float64)
    if rows.probabilities is not None:
        given = rows.probabilities[np.arange(rows.rows), rows.outcomes.astype(np.int64)]
    else:
        given = np.where(rows.outcomes == 1, rows.scores, 1 - rows.scores)
    return np.asarray(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0)), np.float64)


def _measure(metric: str, rows: ScoredRows, confidence: float, seed: int) -> Measured:
    """Value and interval of a metric; NaN and NOWHERE where the rows do not define it."""
    n = rows.rows
    if not n:
        return math.nan, intervals.NOWHERE
    if metric == "auc" and rows.task == "multiclass":
        return _auc_of_many(rows, confidence)
    if metric in ("auc", "average_precision"):
        negatives, positives = by_score(rows.scores, rows.outcomes == 1)
        if metric == "average_precision":
            value = float(ranking.average_precision(negatives, positives))
            return value, intervals.average_precision_interval(value, float(positives.sum()), confidence)
        value, error = ranking.auc(negatives, positives)
        smaller = float(min(negatives.sum(), positives.sum()))
        return value, intervals.auc_interval(value, error, smaller, confidence)
    if metric == "accuracy":
        hits = float(losses(metric, rows).sum())
        return hits / n, intervals.share_interval(hits, n, confidence)
    if metric in intervals.OF_CONFUSION:
        confusion = confusion_of(rows)
        value = float(intervals.of_confusion(metric, confusion))
        return value, intervals.confusion_interval(metric, confusion, confidence, seed)
    if metric == "calibration_error":
        bins = calibration_bins(rows.scores, rows.outcomes == 1)
        return float(intervals.calibration_error(*bins)), intervals.calibration_interval(
            *bins, confidence, seed
        )
    if metric in ("brier", "log_loss"):
        each = losses(metric, rows)
        return float(each.mean()), intervals.mean_interval(
            float(each.mean()), float((each**2).mean()), n, confidence
        )
    return _regression(metric, rows, confidence)


def by_score(scores: Floats, positive: AnyArray) -> tuple[Ints, Ints]:
    """Counts of the negative and the positive rows at each distinct score, by increasing score, each int64[k].
    ``scores`` float64[n], ``positive`` bool[n]."""
    distinct, rank = np.unique(scores, return_inverse=True)
    both = np.bincount(rank, minlength=len(distinct))
    positives = np.bincount(rank[positive], minlength=len(distinct))
    return both - positives, positives


def calibration_bins(scores: Floats, positive: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Rows (int64), summed scores (float64) and positives (int64) of each of CALIBRATION_BINS bins of equal width
    over 0 to 1, each [bins]. ``scores`` float64[n], ``positive`` bool[n]."""
    bins = intervals.CALIBRATION_BINS
    bin_of_row = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    return (
        np.bincount(bin_of_row, minlength=bins),
        np.bincount(bin_of_row, weights=scores, minlength=bins).astype(np.float64),
        np.bincount(bin_of_row[positive], minlength=bins),
    )


def confusion_of(rows: ScoredRows) -> Ints:
    """Confusion matrix of classified rows, int64[classes, classes], true class by predicted class."""
    k = len(rows.classes)
    return np.bincount(rows.outcomes.astype(np.int64) * k + rows.labels, minlength=k * k).reshape(k, k)


def _auc_of_many(rows: ScoredRows, confidence: float) -> Measured:
    """Mean of the one-against-the-rest AUROCs of the classes that occur, and its interval by the rows' influences."""
    assert rows.probabilities is not None
    influence, values = np.zeros(rows.rows), []
    for k in range(len(rows.classes)):
        positive = rows.outcomes == k
        p, n = float(positive.sum()), float((~positive).sum())
        if not p or not n:
            continue
        distinct, rank = np.unique(rows.probabilities[:, k], return_inverse=True)
        positives = np.bincount(rank[positive], minlength=len(distinct))
        negatives = np.bincount(rank, minlength=len(distinct)) - positives
        below = (np.cumsum(negatives) - 0.5 * negatives)[rank] / n
        above = 1 - (np.cumsum(positives) - 0.5 * positives)[rank] / p
        value = float(below[positive].mean())
        values.append(value)
        # influence of each row on the AUROC; the sum of their squares is its variance
        influence += np.where(positive, (below - value) / p, (above - value) / n)
    if not values:
        return math.nan, intervals.NOWHERE
    value = float(np.mean(values))
    error = float(np.sqrt(np.sum((influence / len(values)) ** 2)))
    return value, intervals.auc_interval(value, error, rows.rows / len(values), confidence)


def _regression(metric: str, rows: ScoredRows, confidence: float) -> Measured:
    """Value and interval of a regression's metric, in the outcome's unit."""
    spread = float(np.std(rows.outcomes)) or 1.0  # in these units fourth powers of large values stay finite
    error, value = (rows.scores - rows.outcomes) / spread, (rows.outcomes - rows.outcomes.mean()) / spread
    powers = (
        error,
        np.abs(error),
        error**2,
        error**4,
        value,
        value**2,
        value**3,
        value**4,
        error**2 * value,
        error**2 * value**2,
    )
    means = {name: float(power.mean()) for name, power in zip(REGRESSION_SUMS, powers, strict=True)}
    unit = 1.0 if metric == "r2" else spread
    low, high = intervals.regression_interval(metric, means, rows.rows, confidence)
    return unit * intervals.regression_value(metric, means), (unit * low, unit * high)
