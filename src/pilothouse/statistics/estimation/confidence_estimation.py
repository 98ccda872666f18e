"""Confidence-based performance estimation: metrics of a window whose outcomes are not known, from its scores and a
hold-out.

The expected outcome of a score is its calibrated probability; the metrics follow from expected counts. The band holds
two variances. That of what was learnt: a form of calibration is drawn by its weight and refitted on resampled
held-out days. And that of the window's own outcomes: drawn from the probabilities, times the overdispersion of days,
for outcomes of one day are correlated. The band covers the metric from outcomes as long as the probability of a
positive, given the score, stays as it was.
"""

import math
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.statistics.arrays import Floats, Ints, frozen
from pilothouse.statistics.estimation.expected_metrics import EXPECTED, Expected
from pilothouse.statistics.estimation.probability_calibration import (
    CalibratedScores,
    calibrate_scores,
    refit,
)
from pilothouse.statistics.performance import intervals

DRAWS = 100
"""Resamples of the held-out days, and draws of a window's outcomes."""
KNOTS = 128
"""Points along the score at which the draws of the calibration are kept."""
LARGEST_DRAW = 7.5
"""Largest difference of a draw of the calibration, in log-odds: within what ``performance_estimation`` stores."""
_STEP = 1e-4
"""Part of a day's residuals that is added to a window to learn a day's effect on a metric: small, for a derivative."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreEstimator:
    """Calibration of scores learnt from held-out days: ``scores`` float64[bins] stands for each bin, ``calibrated``
    its probability.

    ``knots`` (float64[k]) are scores at which ``draws`` (float64[DRAWS, k], no rows for fewer than two days) hold the
    difference of each refitted calibration in log-odds. ``rows`` and ``positives`` (int64[days, bins]) are the
    held-out days.
    """

    scores: Floats
    calibrated: CalibratedScores
    knots: Floats
    draws: Floats
    rows: Ints
    positives: Ints


def learn_from_scores(scores: Floats, rows: Ints, positives: Ints, *, seed: int = 0) -> ScoreEstimator:
    """Estimator learnt from held-out days: ``scores`` float64[bins] within 0 to 1, ``rows`` and ``positives``
    int64[days, bins]. Deterministic for a ``seed``. Forms and weights are those of ``calibrate_scores``; their error
    is that of a bootstrap of whole days (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 6),
    without draws for fewer than two days."""
    calibrated = calibrate_scores(scores, rows, positives)
    filled = np.flatnonzero(rows.sum(axis=0))
    some = (
        filled[np.unique(np.linspace(0, len(filled) - 1, KNOTS).astype(np.int64))] if len(filled) else filled
    )
    knots = scores[some]
    days = len(rows)
    if days < 2 or not len(some):
        return ScoreEstimator(
            scores, calibrated, frozen(knots), frozen(np.zeros((0, len(knots)))), rows, positives
        )
    rng = np.random.default_rng(seed)
    base = _odds(calibrated.probabilities[some])
    draws = []
    names = rng.choice(list(calibrated.weights), size=DRAWS, p=list(calibrated.weights.values()))
    resamples = rng.multinomial(days, np.full(days, 1 / days), size=DRAWS).astype(np.float64)
    for name, weights in zip(names, resamples, strict=True):
        again = refit(str(name), scores, weights @ rows, weights @ positives)
        draws.append(np.clip(_odds(again[some]) - base, -LARGEST_DRAW, LARGEST_DRAW))
    return ScoreEstimator(scores, calibrated, frozen(knots), frozen(np.array(draws)), rows, positives)


def estimate_from_scores(
    estimator: ScoreEstimator,
    counts: Ints,
    metric: str,
    *,
    rows_a_day: float,
    confidence: float = 0.95,
    seed: int = 0,
) -> MetricValue:
    """Estimated value of a metric in a window whose scores lie as ``counts`` (int64[bins]), with its band at
    ``confidence``; NaN where it is not defined (no rows, no expected positive). ``rows_a_day`` is the size of the
    window's days as a row sees it (Σn²/Σn): the larger, the more outcomes are correlated. Raises KeyError for a
    metric that is not in EXPECTED.

    Own construction: variance = binomial variance of the outcomes × overdispersion of days + variance over refitted
    calibrations; bounds are Student's t times its root, with as many degrees as held-out days less one, on the logit
    scale for shares.
    """
    form = EXPECTED[metric]
    n = counts.astype(np.float64)
    rows = int(counts.sum())
    p = estimator.calibrated.probabilities
    value = float(form(estimator.scores, n, n * p)) if rows else math.nan
    if not math.isfinite(value):
        return MetricValue(metric, value, math.nan, math.nan, rows)
    rng = np.random.default_rng(seed)
    filled = np.flatnonzero(counts)  # bins without rows change no metric, and many are empty
    scores, own_rows = estimator.scores[filled], n[filled]
    outcomes = rng.binomial(counts[filled], p[filled], size=(DRAWS, len(filled))).astype(np.float64)
    of_outcomes = _variance(form(scores, own_rows, outcomes))
    dispersion = _dispersion(estimator, form, n, rows_a_day, rng)
    variance = of_outcomes * dispersion + _learnt_variance(estimator, form, filled, own_rows)
    factor = intervals.quantile(confidence, max(len(estimator.rows), 2))
    low, high = _band(metric, value, math.sqrt(variance), factor)
    return MetricValue(metric, value, low, high, rows)


def _learnt_variance(estimator: ScoreEstimator, form: Expected, filled: Ints, n: Floats) -> float:
    """Variance of the metric over the refitted calibrations, of a window with ``n`` rows in the ``filled`` bins; 0 for fewer
    than two days."""
    if not len(estimator.draws):
        return 0.0
    scores = estimator.scores[filled]
    base = _odds(estimator.calibrated.probabilities[filled])
    moved = np.array([np.interp(scores, estimator.knots, draw) for draw in estimator.draws])
    values = form(scores, n, n / (1 + np.exp(-base - moved)))
    days = len(estimator.rows)
    return _variance(values) * days / (days - 1)  # a bootstrap of D units is too narrow by (D − 1)/D


def _dispersion(
    estimator: ScoreEstimator, form: Expected, n: Floats, rows_a_day: float, rng: np.random.Generator
) -> float:
    """Factor by which a window of such days varies more in this metric than independent outcomes would, at least 1.

    It is the mean square of each held-out day's effect on the window's metric over that of effects drawn from the
    binomial distribution. Outcomes with the correlation ρ within a day give 1 + (m − 1)ρ for days of m rows, by which
    the factor is carried over to other sizes of days.
    """
    days = estimator.rows
    if len(days) < 2:
        return 1.0
    p = estimator.calibrated.probabilities
    # residuals of a held-out day, scaled to a small part of the window; the ratio below is free of the scale
    scale = _STEP * n.sum() / days.sum()
    centre = form(estimator.scores, n, n * p)

    def effects(positives: Ints) -> Floats:
        return form(estimator.scores, n, n * p + scale * (positives - days * p)) - centre

    observed = float(np.mean(effects(estimator.positives) ** 2))
    expected = float(np.mean([effects(rng.binomial(days, p)) ** 2 for _ in range(5)]))
    if not expected > 0 or not math.isfinite(observed):
        return 1.0
    sizes = days.sum(axis=1).astype(np.float64)
    rows_a_held_out_day = float((sizes**2).sum() / sizes.sum())
    return 1.0 + max(observed / expected - 1.0, 0.0) * rows_a_day / rows_a_held_out_day


def _band(metric: str, value: float, error: float, factor: float) -> intervals.Interval:
    """Interval of ``factor`` errors: about losses not below 0, about shares on the logit scale; the value itself where
    that has none."""
    if metric in ("brier", "log_loss"):
        return max(value - factor * error, 0.0), value + factor * error
    low, high = intervals.on_logit_scale(value, error, factor)
    return (low, high) if math.isfinite(low) else (value, value)


def _variance(values: Floats) -> float:
    """Variance of the finite values; 0 for fewer than two."""
    finite = values[np.isfinite(values)]
    return float(np.var(finite)) if len(finite) > 1 else 0.0


def _odds(p: Floats) -> Floats:
    """Log-odds of probabilities."""
    return np.asarray(np.log(p / (1 - p)), np.float64)
