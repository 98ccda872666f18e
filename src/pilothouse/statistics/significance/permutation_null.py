"""Permutation null of the categories of two samples: what two of their statistics do while the rows of both are dealt
at random to a reference and a current of their sizes.

It holds for any number of categories, however rare: given how often each category occurs in both together, nothing of
their law is left unknown (Fisher 1935, The Design of Experiments; Pitman 1937, Supplement to the J. Royal Statistical
Society 4:119). Of N + n rows a current of n gets *c* of one category with the hypergeometric probability. A statistic is
a sum over categories. Its deviation and skewness are those of the same sum with every row dealt by itself, with
probability π = n/(N + n), less its regression on the number of rows that current then gets (Holst 1979, J. Applied
Probability 16:154). The tail is that of a Pearson III law of the same three moments.
"""

import math

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.pearson_type_iii import pearson_tail

_ROUNDING = 1e-9
"""Share of a sum's variance that its regression may leave by rounding alone: the sum is then the same in every deal."""

_NEVER = 1e-12
"""Variance below which a sum of whole numbers is its nearest whole number but once in as many deals."""


def unseen_p_value(reference: Ints, current: Ints) -> float:
    """Probability of at least as many rows of current in categories that the reference does not hold, from the counts
    of each category int64[k]; 1 where a sample is empty.

    A category of c rows in both is unseen, and counts c rows, with the probability q = C(n, c)/C(N + n, c): the sum's
    mean is Σ c·q. Of a single category with rows on both sides this is Fisher's exact test.
    """
    sizes, many, before, now = _pooled(reference, current)
    if not before or not now:
        return 1.0
    hits = int(current[reference == 0].sum())
    q = _all_in(sizes, now, before + now)
    share = now / (before + now)
    # moments of A = c·(I − q), I saying that all c rows were dealt to current, and of X, the rows dealt to it: E[I·X] = q·c
    variance = sizes**2 * q * (1 - q)
    together = sizes**2 * q * (1 - share)
    third = sizes**3 * q * (1 - q) * (1 - 2 * q)
    square_by_rows = sizes**3 * (1 - 2 * q) * q * (1 - share)
    by_rows_squared = sizes * q * (sizes**2 * (1 - share) ** 2 - sizes * share * (1 - share))
    mean = float(many @ (sizes * q))
    moments = (many @ part for part in (variance, together, third, square_by_rows, by_rows_squared))
    # between two whole numbers of hits lies half a hit, as in Yates's correction
    return _tail(hits - 0.5 - mean, before + now, share, *map(float, moments))


def chi_square_p_value(reference: Ints, current: Ints) -> float:
    """Probability of a Pearson chi-square of the 2 × k table at least as large, from the counts of each category
    int64[k]; 1 where a sample is empty or holds one category alone.

    Its mean is (k − 1)·(N + n)/(N + n − 1) (Haldane 1940, Biometrika 31:346). Where all expected counts are large this is
    the chi-square law; with rare categories and samples of unlike size that law is far off.
    """
    sizes, many, before, now = _pooled(reference, current)
    rows, categories = before + now, int(many.sum())
    if not before or not now or categories < 2:
        return 1.0
    share = now / rows
    pooled = reference + current
    counts, of_all = current[pooled > 0], pooled[pooled > 0]
    binomial = share * (1 - share)
    statistic = float(((counts - share * of_all) ** 2 / (of_all * binomial)).sum())
    # moments of A = Z² − 1, Z being the rows dealt to current, standardised; by the cumulants of the binomial law
    square = sizes * binomial
    deviation = np.sqrt(square)
    skew = (1 - 2 * share) / deviation
    fourth = 3 + (1 - 6 * binomial) / square
    fifth = 10 * skew + skew * (1 - 12 * binomial) / square
    sixth = 15 * (fourth - 2) + 10 * skew**2 + (1 - 30 * binomial + 120 * binomial**2) / square**2
    variance, together = fourth - 1, deviation * skew
    third = sixth - 3 * fourth + 2
    square_by_rows, by_rows_squared = deviation * (fifth - 2 * skew), square * (fourth - 1)
    mean = (categories - 1) * rows / (rows - 1)
    moments = (many @ part for part in (variance, together, third, square_by_rows, by_rows_squared))
    return _tail(statistic - mean, rows, share, *map(float, moments))


def _pooled(reference: Ints, current: Ints) -> tuple[Floats, Floats, int, int]:
    """Distinct numbers of rows that a category has in both samples, how many categories have each, and the rows of
    either sample."""
    pooled = reference + current
    sizes, many = np.unique(pooled[pooled > 0], return_counts=True)
    return (
        sizes.astype(np.float64),
        many.astype(np.float64),
        int(reference.sum()),
        int(current.sum()),
    )


def _all_in(sizes: Floats, now: int, rows: int) -> Floats:
    """Probability that all of ``sizes`` rows are among the ``now`` that are drawn from ``rows``, float64[sizes]."""
    from scipy.special import gammaln

    fit = np.minimum(sizes, now)
    logarithm = gammaln(rows - fit + 1) - gammaln(now - fit + 1) - gammaln(rows + 1) + gammaln(now + 1)
    return np.where(sizes <= now, np.exp(np.minimum(logarithm, 0.0)), 0.0)


def _tail(
    excess: float,
    rows: int,
    share: float,
    variance: float,
    together: float,
    third: float,
    square_by_rows: float,
    by_rows_squared: float,
) -> float:
    """Upper tail of a sum ΣA at ``excess`` above its mean, given that just ``share`` of the ``rows`` was dealt to
    current: with X the rows dealt to it, from Σ of A², A·X, A³, A²·X and A·X² (each centred)."""
    of_rows = rows * share * (1 - share)
    slope = together / of_rows
    left = variance - slope * together
    if variance < _NEVER:
        return 1.0 if excess <= 0 else 0.0
    if left <= _ROUNDING * variance:
        return 1.0
    cubed = (
        third
        - 3 * slope * square_by_rows
        + 3 * slope**2 * by_rows_squared
        - slope**3 * of_rows * (1 - 2 * share)
    )
    return pearson_tail(excess / math.sqrt(left), max(cubed / left**1.5, 0.0))
