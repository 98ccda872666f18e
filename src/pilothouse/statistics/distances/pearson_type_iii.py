"""Standardised Pearson type III distribution: a gamma variable less its mean, over its standard deviation.

It is a normal distribution made skew, and has the first three moments of a mean of many draws right (Pearson 1895,
Philosophical Transactions of the Royal Society A 186:343; Johnson, Kotz and Balakrishnan 1994, Continuous Univariate
Distributions 1, chapter 17).
"""

import math

_NORMAL = 1e-3
"""Skewness below which the distribution is taken as normal."""


def pearson_tail(z: float, skew: float) -> float:
    """Upper tail probability P(Z > z) of mean 0, deviation 1 and skewness ``skew``: the regularised incomplete gamma
    function at shape 4/skew² (Johnson, Kotz and Balakrishnan 1994, chapter 17); the normal tail below a skewness of
    0.001. NaN for NaN."""
    from scipy.special import gammainc, gammaincc, ndtr

    if abs(skew) < _NORMAL:
        return float(ndtr(-z))
    shape = 4 / skew**2  # Z = (G − shape)/√shape of a gamma variable G; mirrored for negative skewness
    if skew > 0:
        return float(gammaincc(shape, max(shape + z * math.sqrt(shape), 0.0)))
    return float(gammainc(shape, max(shape - z * math.sqrt(shape), 0.0)))


def pearson_at(p_value: float, skew: float) -> float:
    """Value with the upper tail probability ``p_value`` (0 to 1), the inverse of ``pearson_tail`` at the same ``skew``."""
    from scipy.special import gammainccinv, gammaincinv, ndtri

    if abs(skew) < _NORMAL:
        return -float(ndtri(p_value))
    shape = 4 / skew**2
    if skew > 0:
        return (float(gammainccinv(shape, p_value)) - shape) / math.sqrt(shape)
    return (shape - float(gammaincinv(shape, p_value))) / math.sqrt(shape)
