"""Curves, reliability and histograms of scores whose classes are known.

ROC and precision–recall points as scikit-learn defines them (one point a distinct score), reliability in bins of equal width
(Murphy 1977, Applied Statistics 26:41).
"""

import numpy as np

from pilothouse.domain.models.model_pictures import ClassCurve, Histogram, Reliability, ReliabilityBin
from pilothouse.statistics.arrays import Flags, Floats, Ints
from pilothouse.statistics.performance.ranking import auc, average_precision

MOST_POINTS = 256
"""Points of a curve that are kept."""
BINS = 20
"""Bins of a histogram of scores."""
RELIABILITY_BINS = 10
HALF = 0.5
"""Threshold that is always kept: a binary task's label is the more probable class."""


def class_curve(name: str, is_class: Flags, scores: Floats) -> ClassCurve | None:
    """Curve of one class against all others; None where either is absent. ``is_class`` bool[n], ``scores`` float64[n]."""
    positives = int(is_class.sum())
    negatives = len(is_class) - positives
    if not positives or not negatives:
        return None
    values, place = np.unique(scores, return_inverse=True)
    hits = np.bincount(place, weights=is_class, minlength=len(values)).astype(np.int64)
    misses = np.bincount(place, minlength=len(values)) - hits
    area, _ = auc(misses, hits)
    precision = float(average_precision(misses, hits))
    # thresholds fall: the rows at or above each are those from the right
    true, false = np.cumsum(hits[::-1]), np.cumsum(misses[::-1])
    falling = values[::-1]
    kept = _kept(
        true / positives + false / negatives, int(np.searchsorted(-falling, -HALF, side="right")) - 1
    )
    return ClassCurve(
        name,
        positives,
        negatives,
        area,
        precision,
        tuple(falling[kept].tolist()),
        tuple(true[kept].tolist()),
        tuple(false[kept].tolist()),
    )


def _kept(walked: Floats, half: int) -> Ints:
    """Indices of the points that are kept: both ends, the one at a half, and others evenly along the curve's steps.
    ``walked`` rises from 0 to 2 along both axes together."""
    if len(walked) <= MOST_POINTS:
        return np.arange(len(walked))
    even = np.searchsorted(walked, np.linspace(walked[0], walked[-1], MOST_POINTS - 3))
    chosen = np.concatenate([[0, len(walked) - 1], even, [half] if half >= 0 else []])
    return np.unique(chosen.astype(np.int64))


def reliability(name: str, is_class: Flags, scores: Floats) -> Reliability:
    """Reliability of probabilities within [0, 1], in ten bins of equal width; empty bins are left out."""
    place = np.clip((scores * RELIABILITY_BINS).astype(np.int64), 0, RELIABILITY_BINS - 1)
    rows = np.bincount(place, minlength=RELIABILITY_BINS)
    sums = np.bincount(place, weights=scores, minlength=RELIABILITY_BINS)
    hits = np.bincount(place, weights=is_class, minlength=RELIABILITY_BINS)
    return Reliability(
        name,
        tuple(
            ReliabilityBin(float(sums[i] / rows[i]), float(hits[i] / rows[i]), int(rows[i]))
            for i in range(RELIABILITY_BINS)
            if rows[i]
        ),
    )


def histogram(name: str, values: Floats, low: float, high: float) -> Histogram:
    """Rows by value between ``low`` and ``high`` (of equal bounds: half a unit around them), in equal bins."""
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    return Histogram(name, tuple(edges.tolist()), tuple(counts.tolist()))
