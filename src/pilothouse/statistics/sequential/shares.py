"""Tests of a share at every look: evidence that hits are more frequent than a stated share.

Each hit multiplies the wealth of a bet by q/p, each miss by (1 − q)/(1 − p), for a q above the stated share p. While a hit's
probability, given all before, is at most p, that is at most 1 on average, and so is the mixture over q by a Beta(a, b) law
cut to (p, 1) (Robbins 1970, Annals of Mathematical Statistics 41:1397; as the beta-binomial mixture in Howard and Ramdas
2022, Bernoulli 28:1704). The probability may change from trial to trial, as long as it stays below p.
"""

import math

import numpy as np

from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.sequential.integrals import log_integral
from pilothouse.statistics.sequential.verdicts import crossing

Prior = tuple[float, float]
UNIFORM: Prior = (1.0, 1.0)
_LEAST = 1e-280
"""Tail of the Beta law below which the mixture is integrated in log space."""
_FEW = 100_000
"""Trials beyond which it is too: the closed form is a difference of numbers that grow with them, and loses their digits."""


def log_e_above(hits: float, trials: float, share: float, prior: Prior = UNIFORM) -> float:
    """Natural logarithm of the e-value against: hits have probability ``share`` (0 to 1, exclusive) at most.

    With k hits of n and p = ``share``, E = B(a + k, b + n − k) P(Beta(a + k, b + n − k) > p) / (B(a, b) P(Beta(a, b) > p)
    pᵏ (1 − p)ⁿ⁻ᵏ). ``prior`` (a, b), each at least 1. Counts need not be whole.
    """
    from scipy.special import betaincc, betaln

    a, b = prior[0] + hits, prior[1] + trials - hits
    tail = float(betaincc(a, b, share))
    before = float(betaln(*prior)) + math.log(float(betaincc(*prior, share)))
    if trials <= _FEW and tail > _LEAST:
        mass = float(betaln(a, b)) + math.log(tail)
        return mass - before - hits * math.log(share) - (trials - hits) * math.log1p(-share)

    def relative(q: Floats) -> Floats:
        at_prior = _power(prior[0] - 1, q) + _power(prior[1] - 1, 1 - q)
        return at_prior + _power(hits, q / share) + _power(trials - hits, (1 - q) / (1 - share))

    return log_integral(relative, share, 1.0) - before


def log_e_above_many(hits: Floats, trials: float, share: float, prior: Prior = UNIFORM) -> Floats:
    """``log_e_above`` for many counts of hits, float64[...]; −inf where the Beta law's tail is below 1e-280, where the
    e-value is below 1."""
    from scipy.special import betaincc, betaln

    a, b = prior[0] + hits, prior[1] + trials - hits
    tail = betaincc(a, b, share)
    before = float(betaln(*prior)) + math.log(float(betaincc(*prior, share)))
    with np.errstate(divide="ignore"):
        mass = betaln(a, b) + np.where(tail > _LEAST, np.log(tail), -np.inf)
    return np.asarray(
        mass - before - hits * math.log(share) - (trials - hits) * math.log1p(-share), np.float64
    )


def share_bounds(hits: float, trials: float, log_low: float, log_high: float) -> tuple[float, float]:
    """Confidence sequence (low, high) of a share: the shares up to ``low`` are refuted by an e-value of exp(``log_low``),
    those from ``high`` on by one of exp(``log_high``)."""
    least = 1e-9
    low = crossing(lambda p: log_e_above(hits, trials, p), log_low, least, 1 - least)
    high = crossing(lambda p: log_e_above(trials - hits, trials, p), log_high, least, 1 - least)
    return low or 0.0, 1 - (high or 0.0)


def _power(exponent: float, base: Floats) -> Floats:
    """exponent · log(base), 0 where the exponent is 0."""
    if exponent == 0:
        return np.zeros_like(base)
    with np.errstate(divide="ignore"):
        return np.asarray(exponent * np.log(base), np.float64)
