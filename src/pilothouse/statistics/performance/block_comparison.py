"""Comparison of two models on very many rows: the paired bootstrap over blocks of time, from sums a block.

A resample of blocks weighs all rows of a block alike, so that most metrics of it follow from a few figures a block: its cost
depends on the blocks, not on the rows. With the same draws the values are those of ``comparison.paired_bootstrap`` with
``blocks``, to rounding; a test holds this.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import METRICS, Task
from pilothouse.statistics.arrays import AnyArray, Floats, Ints, ratio
from pilothouse.statistics.performance import intervals
from pilothouse.statistics.performance.comparison import Comparison, expanded_tail
from pilothouse.statistics.performance.metrics import losses, needs_probabilities
from pilothouse.statistics.profiles.scored_rows import ScoredRows, check_task

OfBlocks = Callable[[Floats], Floats]
"""Metric of weighted blocks: weights float64[repeats, blocks] to values float64[repeats]."""


def metrics_over_blocks(task: Task) -> tuple[str, ...]:
    """Metrics of a task that follow from figures a block, in the order of METRICS. Those are not among them that need every
    row's place (average precision) or the probabilities of all classes."""
    return tuple(
        name
        for name, (_, tasks) in METRICS.items()
        if task in tasks and name != "average_precision" and not needs_probabilities(name, task)
    )


def compare_over_blocks(
    metrics: Sequence[str],
    first: ScoredRows,
    second: ScoredRows,
    blocks: AnyArray,
    *,
    repeats: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[Comparison]:
    """Difference of each metric between two models on the same n rows, with its interval over resamples of whole ``blocks``
    (a label a row, any integers). Metrics that the rows do not define are left out. Method and sign as in
    ``comparison.paired_bootstrap``. Deterministic for a ``seed``.

    Raises InvalidInputError for no rows, another number of labels, or a metric that is not of ``metrics_over_blocks``.
    """
    if not first.rows or len(blocks) != first.rows or second.rows != first.rows:
        raise InvalidInputError(
            f"comparison: {first.rows} and {second.rows} rows with {len(blocks)} blocks; expected as many of each, one or more"
        )
    labels, member = np.unique(blocks, return_inverse=True)
    units = len(labels)
    rng = np.random.default_rng(seed)
    draws = [np.bincount(rng.integers(0, units, units), minlength=units) for _ in range(repeats)]
    weights = np.array([np.ones(units), *draws], dtype=np.float64)
    tail = expanded_tail(units, confidence)
    compared = []
    for metric in metrics:
        check_task(metric, first.task)
        a, b = (of_blocks(metric, rows, member, units)(weights) for rows in (first, second))
        if not (np.isfinite(a[0]) and np.isfinite(b[0])):
            continue
        sign = 1.0 if METRICS[metric][0] == "higher" else -1.0
        low, high = np.nanquantile(sign * (b[1:] - a[1:]), (tail, 1 - tail))
        compared.append(
            Comparison(
                metric,
                sign * float(b[0] - a[0]),
                float(low),
                float(high),
                first.rows,
                float(a[0]),
                float(b[0]),
                confidence,
            )
        )
    return compared


def of_blocks(metric: str, rows: ScoredRows, member: Ints, units: int) -> OfBlocks:
    """Metric as a function of the blocks' weights, NaN where they leave it undefined. ``member`` int64[rows] is the number of
    each row's block, below ``units``. Raises InvalidInputError for a metric that does not follow from figures a block."""
    if metric == "auc" and rows.task == "binary":
        return _auc(rows, member, units)
    if metric in intervals.OF_CONFUSION:
        confusion = _confusion(rows, member, units)
        return lambda weights: intervals.of_confusion(metric, np.tensordot(weights, confusion, axes=1))
    if metric == "calibration_error":
        return _calibration(rows, member, units)
    count = np.bincount(member, minlength=units).astype(np.float64)
    if metric in ("rmse", "r2"):
        square, value, values = (
            np.bincount(member, weights=each, minlength=units)
            for each in (
                (rows.scores - rows.outcomes) ** 2,
                rows.outcomes - rows.outcomes.mean(),
                (rows.outcomes - rows.outcomes.mean()) ** 2,
            )
        )
        if metric == "rmse":
            return lambda weights: np.sqrt(ratio(weights @ square, weights @ count))
        return lambda weights: (
            1 - ratio(weights @ square, weights @ values - ratio((weights @ value) ** 2, weights @ count))
        )
    if metric in ("accuracy", "mae", "brier", "log_loss") and not needs_probabilities(metric, rows.task):
        lost = np.bincount(member, weights=losses(metric, rows), minlength=units)
        return lambda weights: ratio(weights @ lost, weights @ count)
    raise InvalidInputError(f"metric {metric!r} does not follow from figures of blocks")


def _auc(rows: ScoredRows, member: Ints, units: int) -> OfBlocks:
    """AUROC from the pairs that each block's positives win against each block's negatives; ties count half.

    With weights w a block it is w·A·w over the product of the weighted class totals, exact for distinct scores too.
    """
    positive = rows.outcomes == 1
    order = np.argsort(rows.scores[positive], kind="stable")
    scores, own = rows.scores[positive][order], member[positive][order]
    negatives, of = rows.scores[~positive], member[~positive]
    by_block = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[by_block], np.arange(units + 1))
    wins = np.zeros((units, units))
    for block in range(units):
        below = np.sort(negatives[by_block[bounds[block] : bounds[block + 1]]])
        if below.size:
            won = np.searchsorted(below, scores, side="left") + np.searchsorted(below, scores, side="right")
            wins[:, block] = np.bincount(own, weights=won / 2, minlength=units)
    up = np.bincount(own, minlength=units).astype(np.float64)
    down = np.bincount(of, minlength=units).astype(np.float64)
    return lambda weights: ratio(((weights @ wins) * weights).sum(axis=1), (weights @ up) * (weights @ down))


def _confusion(rows: ScoredRows, member: Ints, units: int) -> Floats:
    """Confusion matrix of each block, float64[blocks, classes, classes], true class by predicted class."""
    k = len(rows.classes)
    cell = (member * k + rows.outcomes.astype(np.int64)) * k + rows.labels
    return np.bincount(cell, minlength=units * k * k).reshape(units, k, k).astype(np.float64)


def _calibration(rows: ScoredRows, member: Ints, units: int) -> OfBlocks:
    bins = intervals.CALIBRATION_BINS
    cell = member * bins + np.clip((rows.scores * bins).astype(np.int64), 0, bins - 1)
    count, scores, hits = (
        np.bincount(cell, weights=each, minlength=units * bins).reshape(units, bins).astype(np.float64)
        for each in (None, rows.scores, rows.outcomes)
    )
    return lambda weights: intervals.calibration_error(weights @ count, weights @ scores, weights @ hits)
