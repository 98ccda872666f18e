"""AUROC and average precision from counts by score: exact where each count is of one score. Ties count half."""

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints


def auc(negatives: Floats | Ints, positives: Floats | Ints) -> tuple[float, float]:
    """AUROC and its standard error; NaN where a class is absent. ``negatives`` and ``positives`` count rows by
    increasing score, [bins].

    The value is the Mann–Whitney probability that a positive ranks above a negative, ties counting half. The error is
    DeLong's: the variance, over each class, of a row's probability to be ranked right (DeLong, DeLong and
    Clarke-Pearson 1988, Biometrics 44:837).
    """
    n, p = float(negatives.sum()), float(positives.sum())
    if n == 0 or p == 0:
        return np.nan, np.nan
    below = np.cumsum(negatives) - 0.5 * negatives
    above = p - (np.cumsum(positives) - 0.5 * positives)
    value = float(np.dot(positives, below)) / (n * p)
    of_positives = float(np.dot(positives, (below / n - value) ** 2)) / max(p - 1, 1)
    of_negatives = float(np.dot(negatives, (above / p - value) ** 2)) / max(n - 1, 1)
    return value, float(np.sqrt(of_positives / p + of_negatives / n))


def average_precision(negatives: Floats | Ints, positives: Floats | Ints) -> Floats:
    """Average precision of counts by increasing score, [..., bins] → float64[...]; NaN without positives. The sum
    over thresholds of the step in recall times the precision there, as scikit-learn defines it."""
    hits = np.cumsum(positives[..., ::-1], axis=-1)
    taken = hits + np.cumsum(negatives[..., ::-1], axis=-1)
    precision = np.divide(hits, taken, out=np.zeros_like(hits, dtype=np.float64), where=taken > 0)
    total = hits[..., -1]
    gained = (precision * positives[..., ::-1]).sum(axis=-1)
    value = np.divide(gained, total, out=np.full_like(gained, np.nan), where=total > 0)
    return np.asarray(value, np.float64)


def pairs_between(negatives: Ints, positives: Ints) -> Floats:
    """Pairs that each group's positives win against each group's negatives, float64[groups, groups]; ties count half.
    ``negatives`` and ``positives`` are int64[groups, bins] by increasing score.

    With weights w a group, the AUROC of the weighted rows is w·A·w over the product of the weighted class totals: a
    bootstrap over groups needs no second pass.
    """
    below = np.cumsum(negatives, axis=1, dtype=np.float64) - 0.5 * negatives
    wins: Floats = positives.astype(np.float64) @ below.T
    return wins
