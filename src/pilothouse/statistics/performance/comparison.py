"""Comparison of two models on the same rows: the paired bootstrap of the difference of a metric."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import METRICS
from pilothouse.statistics.arrays import AnyArray, Floats, ratio
from pilothouse.statistics.performance import intervals, ranking
from pilothouse.statistics.performance.metrics import losses, needs_probabilities
from pilothouse.statistics.profiles.scored_rows import ScoredRows, check_task

Weighted = Callable[[Floats], Floats]
"""Metric of weighted rows: weights float64[repeats, n] to values float64[repeats]."""

_CHUNK = 1_000_000
"""Weights held in memory at once."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Difference of a metric between two models: ``difference`` > 0 means that B is better than A, whichever way the
    metric points. ``low`` and ``high`` bound it at ``confidence``; ``value_a`` and ``value_b`` are the metric itself."""

    metric: str
    difference: float
    low: float
    high: float
    rows: int
    value_a: float
    value_b: float
    confidence: float


def paired_bootstrap(
    metric: str,
    first: ScoredRows,
    second: ScoredRows,
    *,
    repeats: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
    blocks: AnyArray | None = None,
) -> Comparison:
    """Difference of ``metric`` between two models on the same n rows, with its percentile interval over resamples of
    rows, or of whole ``blocks`` where given (a label a row, such as its day) (Efron and Tibshirani 1993, An
    Introduction to the Bootstrap, chapter 13). Deterministic for a ``seed``; resamples that do not define the metric
    are left out.

    Few units vary less among themselves than the world that they were drawn from, so the quantiles are those of the expanded
    percentile interval (Hesterberg 2015, What Teachers Should Know About the Bootstrap, The American Statistician 69, section
    5): for n units a tail of Φ(−√(n / (n − 1)) t(n − 1)) in place of (1 − ``confidence``) / 2.

    ``first`` (A) and ``second`` (B) are the same rows with the same outcomes. Raises InvalidInputError for a metric of another
    task, no rows, or rows that do not define the metric.
    """
    check_task(metric, first.task)
    if not first.rows:
        raise InvalidInputError(
            f"comparison by {metric}: there are no rows; expected some that both models scored"
        )
    evaluate_a, evaluate_b = weighted_metric(metric, first), weighted_metric(metric, second)
    ones = np.ones((1, first.rows))
    value_a, value_b = float(evaluate_a(ones)[0]), float(evaluate_b(ones)[0])
    if not np.isfinite(value_a) or not np.isfinite(value_b):
        raise InvalidInputError(
            f"comparison by {metric}: the {first.rows:,} rows do not define it (one class alone, or constant outcomes)"
        )
    sign = 1.0 if METRICS[metric][0] == "higher" else -1.0
    drawn = [
        sign * (evaluate_b(weights) - evaluate_a(weights))
        for weights in _resamples(first.rows, blocks, repeats, np.random.default_rng(seed))
    ]
    differences = np.concatenate(drawn)
    tail = expanded_tail(first.rows if blocks is None else len(np.unique(blocks)), confidence)
    low, high = np.nanquantile(differences, (tail, 1 - tail))
    return Comparison(
        metric,
        sign * (value_b - value_a),
        float(low),
        float(high),
        first.rows,
        value_a,
        value_b,
        confidence,
    )


def expanded_tail(units: int, confidence: float) -> float:
    """Share of resamples outside the interval on each side, for so many units that are drawn."""
    # what norm and t of scipy.stats call, without an import of a second
    from scipy.special import ndtr, stdtrit

    tail = (1 - confidence) / 2
    if units < 2:
        return tail
    return float(ndtr(np.sqrt(units / (units - 1)) * stdtrit(units - 1, tail)))


def weighted_metric(metric: str, rows: ScoredRows) -> Weighted:
    """Metric as a function of the rows' weights float64[repeats, n] → float64[repeats], NaN where they leave it
    undefined. What the weights do not change is computed once. Raises InvalidInputError for a multiclass metric that
    needs ``probabilities`` without them."""
    if needs_probabilities(metric, rows.task) and rows.probabilities is None:
        raise InvalidInputError(
            f"metric {metric!r} of a multiclass model needs the probabilities of all classes"
        )
    if metric == "auc" and rows.task == "multiclass":
        assert rows.probabilities is not None
        curves = [
            _weighted_auc(rows.probabilities[:, k], rows.outcomes == k)
            for k in range(len(rows.classes))
            if 0 < int((rows.outcomes == k).sum()) < rows.rows
        ]
        return lambda weights: (
            np.nanmean([curve(weights) for curve in curves], axis=0)
            if curves
            else np.full(len(weights), np.nan)
        )
    if metric == "auc":
        return _weighted_auc(rows.scores, rows.outcomes == 1)
    if metric == "average_precision":
        return _weighted_average_precision(rows.scores, rows.outcomes == 1)
    if metric in intervals.OF_CONFUSION:
        return _weighted_of_classes(metric, rows)
    if metric == "calibration_error":
        return _weighted_calibration(rows)
    if metric in ("rmse", "r2"):
        square = (rows.scores - rows.outcomes) ** 2
        if metric == "rmse":
            return lambda weights: np.sqrt(weights @ square / weights.sum(axis=1))
        value = rows.outcomes - rows.outcomes.mean()
        return lambda weights: (
            1 - ratio(weights @ square, weights @ value**2 - (weights @ value) ** 2 / weights.sum(axis=1))
        )
    each = losses(metric, rows)
    return lambda weights: np.asarray(weights @ each / weights.sum(axis=1), np.float64)


def _weighted_auc(scores: Floats, positive: AnyArray) -> Weighted:
    """AUROC of weighted rows: a positive's wins are the weights of negatives of lower score and half of those of the same."""
    order = np.argsort(scores, kind="stable")
    ranked, up = scores[order], positive[order]
    hits, misses = order[up], order[~up]
    # below each positive: the negatives of lower score, and half of those of the same score
    first = np.searchsorted(ranked[~up], ranked[up], side="left")
    last = np.searchsorted(ranked[~up], ranked[up], side="right")

    def evaluate(weights: Floats) -> Floats:
        of_hits, of_misses = weights[:, hits], weights[:, misses]
        below = np.zeros((len(weights), len(misses) + 1))
        np.cumsum(of_misses, axis=1, out=below[:, 1:])
        won = np.einsum("ij,ij->i", of_hits, below[:, first] + below[:, last]) / 2
        return ratio(won, of_hits.sum(axis=1) * below[:, -1])

    return evaluate


def _weighted_average_precision(scores: Floats, positive: AnyArray) -> Weighted:
    """Average precision of weighted rows, by the distinct scores."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    up = positive[order].astype(np.float64)

    def evaluate(weights: Floats) -> Floats:
        ranked = weights[:, order]
        positives = np.add.reduceat(ranked * up, starts, axis=1)
        both = np.add.reduceat(ranked, starts, axis=1)
        return ranking.average_precision(both - positives, positives)

    return evaluate


def _weighted_of_classes(metric: str, rows: ScoredRows) -> Weighted:
    """Precision, recall or F1 of weighted rows: of the positive class for two classes, the mean over classes for more."""
    counted = [1] if rows.task == "binary" else range(len(rows.classes))
    masks = [((rows.outcomes == k).astype(float), (rows.labels == k).astype(float)) for k in counted]

    def evaluate(weights: Floats) -> Floats:
        each = []
        for true, predicted in masks:
            hits = weights @ (true * predicted)
            parts = {"precision": (predicted,), "recall": (true,), "f1": (true, predicted)}[metric]
            below = np.sum([weights @ part for part in parts], axis=0)
            each.append(np.divide(len(parts) * hits, below, out=np.zeros_like(below), where=below > 0))
        return np.asarray(np.mean(each, axis=0), np.float64)

    return evaluate


def _weighted_calibration(rows: ScoredRows) -> Weighted:
    """Calibration error of weighted rows over CALIBRATION_BINS bins."""
    bins = intervals.CALIBRATION_BINS
    bin_of_row = np.clip((rows.scores * bins).astype(np.int64), 0, bins - 1)
    members = np.eye(bins)[bin_of_row]

    def evaluate(weights: Floats) -> Floats:
        return intervals.calibration_error(
            weights @ members, (weights * rows.scores) @ members, (weights * rows.outcomes) @ members
        )

    return evaluate


def _resamples(
    rows: int, blocks: AnyArray | None, repeats: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Weights float64[chunk, rows] of rows drawn with replacement, ``repeats`` of them in all."""
    if blocks is None:
        units, member = rows, None
    else:
        if len(blocks) != rows:
            raise InvalidInputError(
                f"comparison: {len(blocks)} block labels for {rows} rows; expected one a row"
            )
        labels, member = np.unique(blocks, return_inverse=True)
        units = len(labels)
    step = max(1, _CHUNK // rows)
    for start in range(0, repeats, step):
        drawn = [
            np.bincount(rng.integers(0, units, units), minlength=units)
            for _ in range(min(step, repeats - start))
        ]
        weights = np.array(drawn, dtype=np.float64)
        yield weights if member is None else weights[:, member]
