"""Pearson's type III law, standardised: a normal law that leans to one side.

The law of a gamma variable less its mean, over its deviation; of the mean of many draws it has the first three moments right
(Pearson 1895, Philosophical Transactions of the Royal Society A 186:343).
"""

import math

_NORMAL = 1e-3
"""With less skewness than this it is taken as normal."""


def pearson_tail(z: float, skew: float) -> float:
    """How probable a value above ``z`` is, of mean 0, deviation 1 and skewness ``skew``."""
    from scipy.special import gammainc, gammaincc, ndtr

    if abs(skew) < _NORMAL:
        return float(ndtr(-z))
    shape = 4 / skew**2
    if skew > 0:
        return float(gammaincc(shape, max(shape + z * math.sqrt(shape), 0.0)))
    return float(gammainc(shape, max(shape - z * math.sqrt(shape), 0.0)))


def pearson_at(p_value: float, skew: float) -> float:
    """The value above which the law has this much."""
    from scipy.special import gammainccinv, gammaincinv, ndtri

    if abs(skew) < _NORMAL:
        return -float(ndtri(p_value))
    shape = 4 / skew**2
    if skew > 0:
        return (float(gammainccinv(shape, p_value)) - shape) / math.sqrt(shape)
    return (shape - float(gammaincinv(shape, p_value))) / math.sqrt(shape)
