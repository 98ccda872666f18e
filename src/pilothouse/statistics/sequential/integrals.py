"""Integrals of log-concave likelihoods, in log space: the mixtures over a bet."""

import math
from collections.abc import Callable

import numpy as np

from pilothouse.statistics.arrays import Floats, frozen

_DROP = 45.0
"""Natural logarithm below the maximum at which an integrand ends: what is left out is less than its rounding."""
_PANELS = 24
_POINTS = 33
_ROUNDS = 9
_NODES, _WEIGHTS = (frozen(np.asarray(part, np.float64)) for part in np.polynomial.legendre.leggauss(10))

LogDensity = Callable[[Floats], Floats]


def log_integral(log_density: LogDensity, low: float, high: float) -> float:
    """log ∫ exp(``log_density``) from ``low`` to ``high``, for a density that is log-concave (its logarithm may be −inf
    at the ends). Composite Gauss–Legendre quadrature where the density is within e⁻⁴⁵ of its maximum, so that any number of
    observations is as exact as few: 1e-9 of the integral."""

    top = _mode(log_density, low, high)
    peak = float(log_density(np.array([top]))[0])
    left = _edge(log_density, top, low, peak - _DROP)
    right = _edge(log_density, top, high, peak - _DROP)
    # panels meet at the mode: towards either side the density falls
    panels = np.unique(np.concatenate([np.linspace(left, top, _PANELS), np.linspace(top, right, _PANELS)]))
    half = np.diff(panels)[:, None] / 2
    points = panels[:-1, None] + half * (1 + _NODES)
    values = np.exp(log_density(points.ravel()).reshape(points.shape) - peak)
    return peak + math.log(float((half * _WEIGHTS * values).sum()))


def _mode(log_density: LogDensity, low: float, high: float) -> float:
    """Where a concave function is largest, within 1e-10 of the range: between the neighbours of the best of some points."""
    for _ in range(_ROUNDS):
        points = np.linspace(low, high, _POINTS)
        best = int(np.argmax(log_density(points)))
        low, high = float(points[max(best - 1, 0)]), float(points[min(best + 1, _POINTS - 1)])
    return (low + high) / 2


def _edge(log_density: LogDensity, top: float, end: float, level: float) -> float:
    """Where a function that falls from ``top`` to ``end`` falls below ``level``, or the end."""
    if float(log_density(np.array([end]))[0]) >= level:
        return end
    for _ in range(_ROUNDS):
        points = np.linspace(top, end, _POINTS)
        outside = int(np.argmax(log_density(points) < level))
        top, end = float(points[max(outside - 1, 0)]), float(points[outside])
    return end
