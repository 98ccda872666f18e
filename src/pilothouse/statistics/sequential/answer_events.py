"""What of an answer is counted before outcomes exist: is its score above each of some thresholds, which class is it?

Two distributions of scores differ by as much as the share of scores above some threshold differs: the largest such
difference is the Kolmogorov distance, read at the thresholds (``paired_answers``, ``arm_answers``)."""

from collections.abc import Sequence

import numpy as np

from pilothouse.statistics.arrays import Flags, Floats

THRESHOLDS = 19
"""Thresholds of scores: every twentieth of the champion's scores lies between two of them."""


def thresholds_of(scores: Floats) -> tuple[float, ...]:
    """Thresholds at the 5 %, 10 %, … 95 % quantiles of the champion's ``scores`` float64[rows] before the roll-out;
    equal ones once, none without scores."""
    finite = np.asarray(scores, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return ()
    cuts = np.quantile(finite, np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1))
    return tuple(float(cut) for cut in np.unique(cuts))


def above(scores: Floats, thresholds: Sequence[float]) -> Flags:
    """Whether each score lies above each threshold, bool[answers, thresholds]; NaN above none."""
    return np.asarray(scores, np.float64)[:, None] > np.asarray(thresholds, np.float64)


def of_class(labels: Sequence[str], classes: Sequence[str]) -> Flags:
    """Whether each label is each class, bool[answers, classes]."""
    return np.asarray(np.asarray(labels, object)[:, None] == np.asarray(classes, object), np.bool_)
