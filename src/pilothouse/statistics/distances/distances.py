"""How far two samples are apart. Each statistic exists once, over counts or raw values, and works on many pairs at once.

Counts are arrays [..., bins] of one binning (shares will do); the result has the shape [...]. Where a sample is empty it
is NaN.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import AnyArray, Floats
from pilothouse.statistics.profiles.specification import NumericColumn

PSI_FILL = 1e-4
"""The share that stands for an empty bin in PSI (Evidently's constant)."""


def shares(counts: AnyArray) -> Floats:
    """Counts as shares of their sum; NaN where the sum is 0."""
    total = counts.sum(axis=-1, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts / total, np.float64)


def psi(reference: AnyArray, current: AnyArray) -> Any:
    """Population stability index, an empty bin's share taken as 0.0001, each side by itself."""
    r, c = shares(reference), shares(current)
    return psi_of_shares(np.where(r == 0, PSI_FILL, r), np.where(c == 0, PSI_FILL, c))


def psi_of_shares(reference: Floats, current: Floats) -> Any:
    """Σ(r − c)·ln(r / c) of shares that are all above 0."""
    return np.sum((reference - current) * np.log(reference / current), axis=-1)


def kullback_leibler(reference: AnyArray, current: AnyArray) -> Any:
    """The Kullback–Leibler divergence Σ r·ln(r / c) in nats; infinite where the reference holds what is not in current."""
    return _entropy_terms(shares(reference), shares(current)).sum(axis=-1)


def jensen_shannon(reference: AnyArray, current: AnyArray, base: float = 2.0) -> Any:
    """The Jensen–Shannon distance, the square root of the divergence: 0 to 1 to base 2 (to base e up to √ln 2)."""
    r, c = shares(reference), shares(current)
    middle = (r + c) / 2
    divergence = (_entropy_terms(r, middle).sum(axis=-1) + _entropy_terms(c, middle).sum(axis=-1)) / 2
    return np.sqrt(np.maximum(divergence / math.log(base), 0.0))


def _entropy_terms(p: Floats, q: Floats) -> Floats:
    """p·ln(p / q), by log1p so that what is nearly equal does not drown in rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.log1p((p - q) / q)
        return np.where(p == 0, 0.0, p * np.where(p > q / 2, near, np.log(p / q)))


def hellinger(reference: AnyArray, current: AnyArray) -> Any:
    """The Hellinger distance √(½·Σ(√r − √c)²), 0 to 1."""
    apart = np.sqrt(shares(reference)) - np.sqrt(shares(current))
    return np.minimum(np.sqrt((apart**2).sum(axis=-1) / 2), 1.0)


def l_infinity(reference: AnyArray, current: AnyArray) -> Any:
    """The largest difference of a share."""
    return np.abs(shares(reference) - shares(current)).max(axis=-1)


def ks_of_counts(reference: AnyArray, current: AnyArray) -> Any:
    """Kolmogorov–Smirnov's D at the bins' edges: below the exact D by a bin's reference mass at most."""
    difference = np.cumsum(shares(reference), axis=-1) - np.cumsum(shares(current), axis=-1)
    return np.abs(difference).max(axis=-1)


def ks(reference: Floats, current: Floats) -> float:
    """Kolmogorov–Smirnov's D of raw values (float64[n], float64[m]; not finite ones left out), exact."""
    x, y = in_order(reference), in_order(current)
    if not x.size or not y.size:
        return math.nan
    points = np.concatenate((x, y))
    below = np.searchsorted(x, points, side="right") / x.size
    return float(np.abs(below - np.searchsorted(y, points, side="right") / y.size).max())


def ks_p_value(d: float, reference_rows: int, current_rows: int) -> float:
    """The asymptotic p-value of D, with Stephens's correction for finite samples."""
    from scipy.special import kolmogorov

    if not (reference_rows and current_rows) or math.isnan(d):
        return math.nan
    root = math.sqrt(reference_rows * current_rows / (reference_rows + current_rows))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * d))


def ks_p_exact(reference: Floats, current: Floats) -> float:
    """The p-value of D of raw values: exact up to 10,000 values a side, asymptotic beyond, as scipy has it by default."""
    from scipy.stats import ks_2samp

    x, y = in_order(reference), in_order(current)
    return float(ks_2samp(x, y).pvalue) if x.size and y.size else math.nan


def wasserstein(reference: Floats, current: Floats) -> float:
    """The first Wasserstein distance of raw values, in their own unit: the area between the distribution functions."""
    x, y = in_order(reference), in_order(current)
    if not x.size or not y.size:
        return math.nan
    points = np.sort(np.concatenate((x, y)))
    below = np.searchsorted(x, points[:-1], side="right") / x.size
    gap = np.abs(below - np.searchsorted(y, points[:-1], side="right") / y.size)
    # halves, for the difference of two huge values may overflow where their distance's share does not
    return float(2 * np.dot(gap, np.diff(points / 2)))


def in_order(values: Floats) -> Floats:
    """The finite values, sorted."""
    array = np.asarray(values, dtype=np.float64)
    return np.sort(array[np.isfinite(array)])


def wasserstein_of_counts(
    column: NumericColumn,
    reference: tuple[AnyArray, AnyArray],
    current: tuple[AnyArray, AnyArray],
) -> Any:
    """The first Wasserstein distance of (counts, positions), each [..., bins], in units of the column's span.

    The integral of the difference over each bin is exact, as the bins keep their sums; only where the distribution
    functions cross inside a bin its area is estimated (``_crossing_area``).
    """
    if not column.edges.size:
        return np.full(np.broadcast_shapes(reference[0].shape, current[0].shape)[:-1], np.nan)
    width, unit = bin_sizes(column)
    return wasserstein_of_laid(width, lay(width, unit, *reference), lay(width, unit, *current))


def bin_sizes(column: NumericColumn) -> tuple[Floats, Floats]:
    """In units of the column's span: the widths of the bins between edges [bins − 2], and each bin's step of position."""
    return np.diff(column.edges / 2) / (column.span / 2), column.units / column.span


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """One side's bins as shares, [..., bins]: ``level`` is the distribution function after each bin; of the bins between the
    edges ``mass``, ``moved`` (mass times distance from the left edge) and ``integral``; ``ends`` what lies how far beyond."""

    level: Floats
    mass: Floats
    moved: Floats
    integral: Floats
    ends: Floats


def lay(width: Floats, unit: Floats, counts: AnyArray, positions: AnyArray) -> Laid:
    """Shares of (counts, positions), each [..., bins], the first and the last bin beyond the edges: ``width`` [..., bins − 2]
    and ``unit`` [..., bins] as ``bin_sizes`` gives them. A bin of width 0 without counts changes nothing."""
    total = counts.sum(axis=-1, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mass, moved = counts / total, positions * (unit / total)
    level = np.cumsum(mass, axis=-1)
    integral = level[..., 1:-1] * width
    integral -= moved[..., 1:-1]
    return Laid(level, mass[..., 1:-1], moved[..., 1:-1], integral, moved[..., [0, -1]])


def ks_of_laid(reference: Laid, current: Laid) -> Any:
    """``ks_of_counts``."""
    return np.abs(reference.level - current.level).max(axis=-1)


def wasserstein_of_laid(width: Floats, reference: Laid, current: Laid) -> Any:
    """``wasserstein_of_counts``."""
    return wasserstein_of_areas(areas_of_laid(width, reference, current), reference, current)


def wasserstein_of_areas(areas: Floats, reference: Laid, current: Laid) -> Any:
    """``wasserstein_of_counts``, from what ``areas_of_laid`` gives and what lies beyond the edges."""
    return areas.sum(axis=-1) + np.abs(reference.ends - current.ends).sum(axis=-1)


def areas_of_laid(width: Floats, reference: Laid, current: Laid) -> Floats:
    """The area between the distribution functions in each bin between the edges, [..., bins − 2]."""
    gap = reference.level - current.level
    area = np.abs(reference.integral - current.integral)
    at = np.flatnonzero((gap[..., :-2] * gap[..., 1:-1] < 0).ravel())
    if at.size:
        shape = area.shape

        def here(array: Floats) -> Floats:
            return np.asarray(np.broadcast_to(array, shape).reshape(-1)[at], np.float64)

        wide = here(width)
        estimate = wide * _crossing_area(
            here(gap[..., :-2]),
            wide,
            (here(reference.mass), here(reference.moved)),
            (here(current.mass), here(current.moved)),
        )
        flat = area.reshape(-1)
        flat[at] = np.maximum(flat[at], estimate)
        area = flat.reshape(shape)
    return np.asarray(area, np.float64)


def _crossing_area(
    left: Floats, width: Floats, reference: tuple[Floats, Floats], current: tuple[Floats, Floats]
) -> Floats:
    """The area between two distribution functions in bins of width 1, [k], where they differ by ``left`` at the left edge.

    Each side is (mass, mass times distance from the left edge in units of span): its mass is taken as even over the
    longest stretch of the bin that has its mean in the middle, so that what lies together at an edge stays there.
    """
    stretches = []
    for mass, moved in (reference, current):
        weight = mass * width
        mean = np.clip(np.divide(moved, weight, out=np.full_like(mass, 0.5), where=weight > 0), 0.0, 1.0)
        half = np.maximum(np.minimum(mean, 1 - mean), 1e-9)
        stretches.append((mass, mean - half, 2 * half))
    points = np.sort(
        np.clip([edge for _, first, long in stretches for edge in (first, first + long)], 0.0, 1.0), axis=0
    )
    points = np.vstack((np.zeros_like(left), points, np.ones_like(left)))
    rises = [mass * np.clip((points - first) / long, 0.0, 1.0) for mass, first, long in stretches]
    gaps = left + rises[0] - rises[1]
    u, v = gaps[:-1], gaps[1:]
    both = np.abs(u) + np.abs(v)
    crossed = np.divide(u * u + v * v, 2 * both, out=np.zeros_like(both), where=both > 0)
    heights = np.where(u * v < 0, crossed, both / 2)
    return np.asarray((heights * np.diff(points, axis=0)).sum(axis=0), np.float64)


def chi_square(reference: AnyArray, current: AnyArray) -> tuple[Any, Any]:
    """Pearson's chi-square of the 2 × k table of counts, each [..., k], and its p-value, [...]; Yates's correction for k = 2.

    Categories that occur in neither are left out; fewer than two that occur, or an empty sample, give NaN.
    """
    from scipy.special import chdtrc

    table = np.stack([reference, current], axis=-2).astype(np.float64)
    seen = table.sum(axis=-2)
    kinds = (seen > 0).sum(axis=-1)
    rows = table.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = rows[..., None] * (seen / seen.sum(axis=-1, keepdims=True))[..., None, :]
        gap = np.abs(table - expected)
        gap = np.where((kinds == 2)[..., None, None], np.maximum(gap - 0.5, 0.0), gap)
        terms = np.where(expected > 0, gap**2 / expected, 0.0)
    statistic = np.where((kinds < 2) | (rows == 0).any(axis=-1), np.nan, terms.sum(axis=(-2, -1)))
    return statistic, chdtrc(np.maximum(kinds - 1, 1), statistic)


def chi_square_of_fit(reference: AnyArray, current: AnyArray) -> tuple[float, float]:
    """Pearson's chi-square of current's counts [k] against the reference's, scaled to as many rows, and its p-value.

    The reference is taken as known without error, which ``chi_square`` does not do; what it does not hold gives ∞ and 0.
    """
    from scipy.special import chdtrc

    seen = (np.asarray(reference) + np.asarray(current)) > 0
    observed = np.asarray(current, np.float64)[seen]
    expected = np.asarray(reference, np.float64)[seen]
    if len(observed) < 2 or not observed.sum() or not expected.sum():
        return math.nan, math.nan
    expected = expected * (observed.sum() / expected.sum())
    with np.errstate(divide="ignore"):
        statistic = float(((observed - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(len(observed) - 1, statistic)) if math.isfinite(statistic) else 0.0


def two_proportion_z(
    reference_hits: int, reference_rows: int, current_hits: int, current_rows: int
) -> tuple[float, float]:
    """The pooled z of the difference of two shares (current minus reference) and its two-sided p-value."""
    if not reference_rows or not current_rows:
        return math.nan, math.nan
    pooled = (reference_hits + current_hits) / (reference_rows + current_rows)
    error = math.sqrt(pooled * (1 - pooled) * (1 / reference_rows + 1 / current_rows))
    difference = current_hits / current_rows - reference_hits / reference_rows
    if error == 0:
        return 0.0, 1.0
    z = difference / error
    return z, math.erfc(abs(z) / math.sqrt(2))
