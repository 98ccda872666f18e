"""Calibration of scores: the probability of the positive class given the score, learnt from held-out days.

No single form of calibration is best for every model, so several are fitted: none at all, a shift of the log-odds,
Platt's line (Platt 1999), the beta calibration (Kull, Silva Filho and Flach 2017) and centred isotonic regression
(Oron and Flournoy 2017). Blocks of consecutive days left out in turn show how well each predicts, and the
probabilities are averaged with weights exp(−ΔL/T) of the left-out log loss L. Days are correlated and the window to
be estimated is not the hold-out, so that evidence counts for less than its rows: the temperature T is the
overdispersion of the days times ``CAUTION``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints, frozen

BLOCKS = 5
"""Parts into which the held-out days are cut, in time, to compare the forms."""
CAUTION = 10.0
"""Rows whose evidence counts as one: the left-out days are of the hold-out, the window is not."""
_CLOSEST = 1e-6
"""Least distance of a probability from 0 and 1."""
_PRIOR = 1.0
"""Precision of the normal prior of each slope about that of an uncalibrated score."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedScores:
    """Calibrated probability of the positive class in each bin of the score, ``probabilities`` float64[bins], within
    1e-6 of 0 and 1.

    ``weights`` are those of each form by its name, with sum 1. ``dispersion`` is the factor by which the days' sums
    of residuals vary more than independent rows would (1 or more).
    """

    probabilities: Floats
    weights: dict[str, float]
    dispersion: float


Form = Callable[[Floats, Floats, Floats], Floats]
"""Form of calibration: scores, rows and positives, each float64[bins], to probabilities, float64[bins]."""


def calibrate_scores(scores: Floats, rows: Ints, positives: Ints) -> CalibratedScores:
    """Probabilities fitted on days: ``scores`` float64[bins] stands for each bin; ``rows`` and ``positives`` are
    int64[days, bins]. With fewer than two days, or rows of one class alone, the scores are taken as they are.

    Own construction (see the module): a mean of the forms weighted by exp(−ΔL/T), an Akaike-like weight of the
    left-out log loss.
    """
    n, k = rows.astype(np.float64), positives.astype(np.float64)
    scores = np.clip(scores, _CLOSEST, 1 - _CLOSEST)
    total, hits = n.sum(axis=0), k.sum(axis=0)
    if len(n) < 2 or not 0 < hits.sum() < total.sum():
        return CalibratedScores(frozen(scores), {"none": 1.0}, 1.0)
    losses = _left_out_losses(scores, n, k)
    fitted = {name: form(scores, total, hits) for name, form in FORMS.items()}
    dispersion = day_dispersion(fitted["beta"], n, k)
    least = min(losses.values())
    weights = {name: float(np.exp((least - loss) / (CAUTION * dispersion))) for name, loss in losses.items()}
    whole = math.fsum(weights.values())
    weights = {name: weight / whole for name, weight in weights.items()}
    mixed = np.sum([weight * fitted[name] for name, weight in weights.items()], axis=0)
    return CalibratedScores(frozen(np.clip(mixed, _CLOSEST, 1 - _CLOSEST)), weights, dispersion)


def refit(name: str, scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Probabilities of one form fitted on other rows (a resample of the days), float64[bins]; ``scores``, ``rows``
    and ``positives`` are float64[bins]. Raises KeyError for a name that is not in FORMS."""
    fitted = FORMS[name](np.clip(scores, _CLOSEST, 1 - _CLOSEST), rows, positives)
    return np.asarray(np.clip(fitted, _CLOSEST, 1 - _CLOSEST), np.float64)


def day_dispersion(probabilities: Floats, rows: Floats, positives: Floats) -> float:
    """Variance of the days' sums of residuals over that of independent rows, at least 1: the quasi-binomial
    dispersion factor (McCullagh and Nelder 1989, Generalized Linear Models, section 4.5). ``probabilities``
    float64[bins], ``rows`` and ``positives`` float64[days, bins]."""
    residuals = positives.sum(axis=1) - rows @ probabilities
    binomial = rows @ (probabilities * (1 - probabilities))
    return max(1.0, float(np.sum(residuals**2) / max(np.sum(binomial), _CLOSEST)))


def _left_out_losses(scores: Floats, rows: Floats, positives: Floats) -> dict[str, float]:
    """Log loss of each form over all days, each block of days predicted from the others."""
    days = len(rows)
    block = np.arange(days) * min(BLOCKS, days) // days
    losses = dict.fromkeys(FORMS, 0.0)
    for i in range(block[-1] + 1):
        out = block == i
        n, k = rows[out].sum(axis=0), positives[out].sum(axis=0)
        kept, hits = rows[~out].sum(axis=0), positives[~out].sum(axis=0)
        for name, form in FORMS.items():
            p = np.clip(form(scores, kept, hits), _CLOSEST, 1 - _CLOSEST)
            losses[name] -= float(k @ np.log(p) + (n - k) @ np.log1p(-p))
    return losses


def _uncalibrated(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """The scores themselves."""
    return scores


def _shifted(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Log-odds of the score shifted by one fitted constant."""
    odds = np.log(scores / (1 - scores))
    return _logistic_fit(np.ones((1, len(scores))), odds, np.zeros(1), rows, positives)


def _platt(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Platt's line on the log-odds of the score (Platt 1999, Advances in Large Margin Classifiers), with a normal prior
    of its slope about 1."""
    odds = np.log(scores / (1 - scores))
    centred = odds - np.average(odds, weights=rows)
    design = np.stack((np.ones_like(odds), centred))
    return _logistic_fit(design, odds, np.array([0.0, _PRIOR]), rows, positives)


def _beta(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Beta calibration, a line in ln s and −ln(1 − s) (Kull, Silva Filho and Flach 2017, AISTATS), with normal priors of
    both slopes about 1."""
    low, high = np.log(scores), -np.log1p(-scores)
    design = np.stack((np.ones_like(low), low, high))
    return _logistic_fit(design, low + high, np.array([0.0, _PRIOR, _PRIOR]), rows, positives)


def _isotonic(scores: Floats, rows: Floats, positives: Floats) -> Floats:
    """Centred isotonic regression (Oron and Flournoy 2017, Statistics in Biopharmaceutical Research 9:258): linear
    between the centres of its steps in place of flat."""
    from scipy.optimize import isotonic_regression

    used = rows > 0
    n, x = rows[used], scores[used]
    steps = isotonic_regression(positives[used] / n, weights=n)
    starts = steps.blocks[:-1]
    centres = np.add.reduceat(x * n, starts) / np.add.reduceat(n, starts)
    return np.asarray(np.interp(scores, centres, steps.x[starts]), np.float64)


FORMS: dict[str, Form] = {
    "none": _uncalibrated,
    "shift": _shifted,
    "platt": _platt,
    "beta": _beta,
    "isotonic": _isotonic,
}


def _logistic_fit(
    design: Floats, offset: Floats, precision: Floats, rows: Floats, positives: Floats, steps: int = 25
) -> Floats:
    """Probabilities of a logistic regression of counts about an offset, by Newton's method: ``design`` is [terms,
    bins], the prior of each coefficient normal about 0 with ``precision`` [terms]. A step is bounded by 2 in each
    coefficient."""
    used = rows > 0
    part, start, n, k = design[:, used], offset[used], rows[used], positives[used]
    coefficients = np.zeros(len(design))
    ridge = np.diag(precision + 1e-9)  # keeps the matrix regular where a coefficient has no prior
    for _ in range(steps):
        p = _logistic(start + coefficients @ part)
        slope = part @ (k - n * p) - precision * coefficients
        curve = (part * (n * p * (1 - p))) @ part.T + ridge
        step = np.clip(np.linalg.solve(curve, slope), -2.0, 2.0)
        coefficients += step
        if float(np.abs(step).max()) < 1e-7:
            break
    return _logistic(offset + coefficients @ design)


def _logistic(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700, 700))), np.float64)
