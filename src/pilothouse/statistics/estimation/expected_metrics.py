"""Metrics of a binary model from expected counts: how many of each score's rows are positive on average.

Everything is by score: ``positives`` and ``rows`` are float64[..., bins], ``scores`` float64[bins] by increasing
score; the result is float64[...], NaN where the metric is not defined (0 for F1). The model answers with the positive
class where its score is above one half.
"""

from collections.abc import Callable

import numpy as np

from pilothouse.statistics.arrays import Floats, ratio
from pilothouse.statistics.performance import ranking
from pilothouse.statistics.profiles.outcome_profile import SMALLEST_PROBABILITY

Expected = Callable[[Floats, Floats, Floats], Floats]

THRESHOLD = 0.5
"""Score above which the answer is the positive class: the winner of two probabilities."""


def _auc(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Expected AUROC: Σ positives·(negatives of lower scores + half of those of the same) / (Σ positives · Σ negatives)."""
    negatives = rows - positives
    below = np.cumsum(negatives, axis=-1) - 0.5 * negatives
    return ratio((positives * below).sum(axis=-1), positives.sum(axis=-1) * negatives.sum(axis=-1))


def _average_precision(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Average precision of the expected counts."""
    return ranking.average_precision(rows - positives, positives)


def _accuracy(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Share of expected right answers: positives above the threshold, negatives up to it."""
    right = np.where(scores > THRESHOLD, positives, rows - positives)
    return ratio(right.sum(axis=-1), rows.sum(axis=-1))


def _precision(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Share of expected positives among the rows above the threshold."""
    answered = scores > THRESHOLD
    return ratio(positives[..., answered].sum(axis=-1), rows[..., answered].sum(axis=-1))


def _recall(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Share of the expected positives that lie above the threshold."""
    return ratio(positives[..., scores > THRESHOLD].sum(axis=-1), positives.sum(axis=-1))


def _f1(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """F1 of the expected counts, 2·hits / (answered + positives); 0 where both are 0."""
    answered = scores > THRESHOLD
    both = rows[..., answered].sum(axis=-1) + positives.sum(axis=-1)
    hits = 2 * positives[..., answered].sum(axis=-1)
    return np.asarray(np.divide(hits, both, out=np.zeros_like(hits), where=both > 0), np.float64)


def _brier(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Mean expected squared difference of score and outcome."""
    each = positives * (1 - scores) ** 2 + (rows - positives) * scores**2
    return ratio(each.sum(axis=-1), rows.sum(axis=-1))


def _log_loss(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Mean expected negative log likelihood, in nats."""
    yes = -np.log(np.clip(scores, SMALLEST_PROBABILITY, 1.0))
    no = -np.log(np.clip(1 - scores, SMALLEST_PROBABILITY, 1.0))
    return ratio((positives * yes + (rows - positives) * no).sum(axis=-1), rows.sum(axis=-1))


def _hits(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Share of expected positives."""
    return ratio(positives.sum(axis=-1), rows.sum(axis=-1))


EXPECTED: dict[str, Expected] = {
    "auc": _auc,
    "average_precision": _average_precision,
    "accuracy": _accuracy,
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "brier": _brier,
    "log_loss": _log_loss,
    "hits": _hits,
}
"""Each metric as a function of scores, rows and expected positives. ``hits`` is the share of positives: the accuracy
of several classes, where a positive is a row whose winning class is right."""
