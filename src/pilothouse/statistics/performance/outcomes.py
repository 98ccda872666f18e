"""Performance of windows from outcome profiles: a value and its interval.

``measured`` takes rows as independent; ``measured_over_days`` takes days as the unit that repeats (weather, strikes
and holidays move whole days), which is what a verdict about a window needs.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import METRICS, NOT_WATCHED, SHOWN_ONLY, Task
from pilothouse.statistics.arrays import Floats, Ints, ratio
from pilothouse.statistics.performance import intervals, ranking
from pilothouse.statistics.profiles.outcome_profile import (
    POINT,
    REGRESSION_SUMS,
    OutcomeProfile,
    by_class,
    merge_all,
)
from pilothouse.statistics.profiles.specification import ProfileSpecification

Statistic = Callable[[Floats], Floats]
"""Metric of weighted days: weights float64[repeats, days] to values float64[repeats]."""


def measured(
    specification: ProfileSpecification, profile: OutcomeProfile, metric: str, confidence: float = 0.95
) -> MetricValue:
    """Metric of a window from outcomes, with its interval, rows taken as independent; NaN where it is not defined (no
    rows, one class). Errors are in the outcome's unit.

    AUROC is off by at most half the mass of the pairs that share a bin (``binning_error``, 0.001 where scores lie as
    the reference's do), by which its interval is widened; the other metrics are exact to rounding. Formulas are those
    of ``intervals``. Raises InvalidInputError for a metric that the task does not have or telemetry does not carry.
    """
    check_metric(specification, metric)
    rows = profile.rows
    value, (low, high) = math.nan, intervals.NOWHERE
    if not rows:
        pass
    elif metric == "auc":
        negatives, positives = by_class(specification, profile)
        value, error = ranking.auc(negatives, positives)
        smaller = float(min(negatives.sum(), positives.sum()))
        low, high = intervals.auc_interval(value, error, smaller, confidence)
        lost = binning_error(specification, negatives, positives)
        low, high = max(low - lost, 0.0), min(high + lost, 1.0)
    elif metric == "average_precision":
        negatives, positives = by_class(specification, profile)
        value = float(ranking.average_precision(negatives, positives))
        low, high = intervals.average_precision_interval(value, float(positives.sum()), confidence)
    elif metric == "accuracy":
        hits = float(np.trace(profile.confusion))
        value, (low, high) = hits / rows, intervals.share_interval(hits, rows, confidence)
    elif metric in intervals.OF_CONFUSION:
        value = float(intervals.of_confusion(metric, profile.confusion))
        low, high = intervals.confusion_interval(metric, profile.confusion, confidence)
    elif metric == "calibration_error":
        bins = calibration_bins(specification, [profile])
        value = float(intervals.calibration_error(*bins)[0])
        low, high = intervals.calibration_interval(bins[0][0], bins[1][0], bins[2][0], confidence)
    elif metric in ("brier", "log_loss"):
        first = 0 if metric == "brier" else 2
        value = profile.sums[first] / POINT / rows
        low, high = intervals.mean_interval(value, profile.sums[first + 1] / POINT / rows, rows, confidence)
    else:
        means = {
            name: total / POINT / rows for name, total in zip(REGRESSION_SUMS, profile.sums, strict=True)
        }
        unit = 1.0 if metric == "r2" else specification.scale
        value = unit * intervals.regression_value(metric, means)
        low, high = (unit * x for x in intervals.regression_interval(metric, means, rows, confidence))
    return MetricValue(metric, value, low, high, rows)


def measured_over_days(
    specification: ProfileSpecification,
    days: Sequence[OutcomeProfile],
    metric: str,
    *,
    confidence: float = 0.95,
    repeats: int = 1000,
    seed: int = 0,
) -> MetricValue:
    """Metric of a window of days from outcomes, with the interval of a bootstrap that draws whole days ``repeats``
    times.

    Own construction: Student's t with days − 1 degrees times the bootstrap's standard error times √(D/(D − 1)), by
    which a bootstrap of D units is too narrow; on the logit scale for shares; never narrower than the interval of
    ``measured``. Days without rows are left out; a single day, or more than half of the resamples undefined, gives
    ``measured``. Deterministic for a ``seed``. Raises InvalidInputError as ``measured`` does.
    """
    check_metric(specification, metric)
    kept = [day for day in days if day.rows]
    whole = measured(specification, merge_all(specification, kept), metric, confidence)
    if len(kept) < 2 or not math.isfinite(whole.value):
        return whole
    weights = np.random.default_rng(seed).multinomial(
        len(kept), np.full(len(kept), 1 / len(kept)), size=repeats
    )
    values = day_statistic(specification, kept, metric)(weights.astype(np.float64))
    values = values[np.isfinite(values)]
    if len(values) < repeats / 2:
        return whole
    error = float(np.std(values)) * math.sqrt(len(kept) / (len(kept) - 1))
    factor = intervals.quantile(confidence, len(kept))
    if metric in ("mae", "rmse", "r2", "bias", "brier", "log_loss", "calibration_error"):
        low, high = whole.value - factor * error, whole.value + factor * error
        low = max(low, 0.0) if metric not in ("r2", "bias") else low
    else:
        low, high = intervals.on_logit_scale(whole.value, error, factor)
    return MetricValue(
        metric, whole.value, float(np.fmin(low, whole.low)), float(np.fmax(high, whole.high)), whole.rows
    )


def day_statistic(
    specification: ProfileSpecification, days: Sequence[OutcomeProfile], metric: str
) -> Statistic:
    """Metric as a function of the days' weights float64[repeats, days] → float64[repeats], for bootstraps of any
    number of repeats; NaN where the weights leave it undefined. All days must be of the specification."""
    if metric in ("auc", "average_precision"):
        pairs = [by_class(specification, day) for day in days]
        negatives = np.array([pair[0] for pair in pairs])
        positives = np.array([pair[1] for pair in pairs])
        if metric == "average_precision":
            return lambda weights: ranking.average_precision(weights @ negatives, weights @ positives)
        # the AUROC of weighted days is w·wins·w over the weighted class totals: no resample needs a pass over the
        # bins
        wins = ranking.pairs_between(negatives, positives)
        n, p = negatives.sum(axis=1).astype(float), positives.sum(axis=1).astype(float)
        return lambda weights: ratio(((weights @ wins) * weights).sum(axis=1), (weights @ n) * (weights @ p))
    rows = np.array([day.rows for day in days], dtype=np.float64)
    if metric == "calibration_error":
        bins = calibration_bins(specification, days)
        return lambda weights: intervals.calibration_error(*(weights @ part for part in bins))
    if metric in ("accuracy", *intervals.OF_CONFUSION):
        confusion = np.array([day.confusion for day in days], dtype=np.float64)
        if metric != "accuracy":
            return lambda weights: intervals.of_confusion(metric, np.tensordot(weights, confusion, axes=1))
        hits = np.trace(confusion, axis1=1, axis2=2)
        return lambda weights: ratio(weights @ hits, weights @ rows)
    sums = np.array([[total / POINT for total in day.sums] for day in days])
    if metric in ("brier", "log_loss"):
        losses = sums[:, 0 if metric == "brier" else 2]
        return lambda weights: ratio(weights @ losses, weights @ rows)
    named = {name: sums[:, i] for i, name in enumerate(REGRESSION_SUMS)}
    scale = specification.scale
    if metric == "bias":
        return lambda weights: scale * ratio(weights @ named["e"], weights @ rows)
    if metric == "mae":
        return lambda weights: scale * ratio(weights @ named["|e|"], weights @ rows)
    if metric == "rmse":
        return lambda weights: scale * np.sqrt(ratio(weights @ named["e²"], weights @ rows))
    return lambda weights: (
        1
        - ratio(
            weights @ named["e²"], weights @ named["y²"] - ratio((weights @ named["y"]) ** 2, weights @ rows)
        )
    )


def metrics_of(task: Task) -> tuple[str, ...]:
    """Names of all metrics that outcome profiles of a task give, in the order in which they are shown."""
    named = [name for name, (_, tasks) in METRICS.items() if task in tasks and name not in NOT_WATCHED[task]]
    return (*named, *SHOWN_ONLY[task])


def of_classes(
    specification: ProfileSpecification, profile: OutcomeProfile, confidence: float = 0.95
) -> list[tuple[str, list[MetricValue]]]:
    """(class, its precision, recall and F1 with intervals at ``confidence``) of each class, rows taken as
    independent; an empty list for a regression. The rows of each value are those of the true class."""
    confusion, by_class_name = profile.confusion, []
    for k, name in enumerate(specification.classes):
        values = []
        for metric in intervals.OF_CONFUSION:
            low, high = intervals.class_interval(metric, confusion, k, confidence)
            value = float(intervals.by_class(metric, confusion)[k])
            values.append(MetricValue(metric, value, low, high, int(confusion[k].sum())))
        by_class_name.append((name, values))
    return by_class_name


def binning_error(specification: ProfileSpecification, negatives: Ints, positives: Ints) -> float:
    """Largest error of an AUROC from binned scores: half the share of pairs whose two scores share a bin that holds
    more than one value. ``negatives`` and ``positives`` are int64[bins]; 0 where a class is absent. Own construction:
    such a pair counts half, where it should count 0 or 1."""
    score = specification.score
    single = np.zeros(score.bins, np.bool_)
    single[1:-1] = score.units[1:-1] == 0
    pairs = np.where(single, 0.0, negatives.astype(np.float64) * positives).sum()
    total = float(negatives.sum()) * float(positives.sum())
    return float(pairs) / (2 * total) if total else 0.0


def calibration_bins(
    specification: ProfileSpecification, days: Sequence[OutcomeProfile]
) -> tuple[Floats, Floats, Floats]:
    """Rows, summed scores and positives of each day by calibration bin, each float64[days, CALIBRATION_BINS]. A fine
    bin's scores are taken as its middle: within 1/1024 of the exact calibration error, where scores fill 0 to 1."""
    bins, edges = intervals.CALIBRATION_BINS, specification.score.edges
    ends = np.clip(np.concatenate((edges[:1], edges, edges[-1:])), 0.0, 1.0)
    middle = np.where(np.isin(ends[:-1], specification.score.atoms), ends[:-1], (ends[:-1] + ends[1:]) / 2)
    members = np.eye(bins)[np.clip((middle * bins).astype(np.int64), 0, bins - 1)]
    pairs = [by_class(specification, day) for day in days]
    negatives = np.array([pair[0] for pair in pairs], np.float64)
    positives = np.array([pair[1] for pair in pairs], np.float64)
    both = negatives + positives
    return both @ members, (both * middle) @ members, positives @ members


def check_metric(specification: ProfileSpecification, metric: str) -> None:
    """Check that outcome profiles of the specification's task carry a metric. Raises InvalidInputError where they do
    not."""
    task = specification.task
    if metric not in SHOWN_ONLY[task] and (metric not in METRICS or task not in METRICS[metric][1]):
        known = ", ".join(name for name, (_, tasks) in METRICS.items() if task in tasks)
        raise InvalidInputError(
            f"metric {metric!r} is not defined for a {task} model; expected one of {known}"
        )
    if task == "multiclass" and metric in ("auc", "log_loss"):
        raise InvalidInputError(
            f"metric {metric!r} of a multiclass model cannot be watched: telemetry carries the winning class's "
            "probability alone; use accuracy or f1"
        )
