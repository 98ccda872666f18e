"""Distances between two samples, over counts or raw values; each works on many pairs at once.

Counts are arrays [..., bins] of one binning (shares will do), integer or float64; the result is float64[...]. It is
NaN where a sample is empty.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import AnyArray, Floats
from pilothouse.statistics.profiles.specification import NumericColumn

PSI_FILL = 1e-4
"""Share that stands for an empty bin in PSI (Evidently's constant)."""


def shares(counts: AnyArray) -> Floats:
    """Shares of counts [..., bins] in their sum over the last axis, float64[..., bins]; NaN where the sum is 0."""
    total = counts.sum(axis=-1, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts / total, np.float64)


def psi(reference: AnyArray, current: AnyArray) -> Any:
    """Population stability index Σ(r − c)·ln(r / c) of counts [..., bins] → [...], in nats; NaN where a sample is
    empty. The share of an empty bin is taken as PSI_FILL, on each side by itself, without bringing the sum back to 1.
    The sum is Jeffreys's symmetric divergence (Jeffreys 1946, Proceedings of the Royal Society A 186:453)."""
    r, c = shares(reference), shares(current)
    return psi_of_shares(np.where(r == 0, PSI_FILL, r), np.where(c == 0, PSI_FILL, c))


def psi_of_shares(reference: Floats, current: Floats) -> Any:
    """Population stability index Σ(r − c)·ln(r / c) of shares float64[..., bins] → [...], in nats. All must be above
    0: a 0 gives ∞ or NaN."""
    return np.sum((reference - current) * np.log(reference / current), axis=-1)


def kullback_leibler(reference: AnyArray, current: AnyArray) -> Any:
    """Kullback–Leibler divergence Σ r·ln(r / c) of counts [..., bins] → [...], in nats; ∞ where the reference has
    rows in a bin that is empty in current, NaN where a sample is empty (Kullback and Leibler 1951, Annals of
    Mathematical Statistics 22:79)."""
    return _entropy_terms(shares(reference), shares(current)).sum(axis=-1)


def jensen_shannon(reference: AnyArray, current: AnyArray, base: float = 2.0) -> Any:
    """Jensen–Shannon distance of counts [..., bins] → [...]: the square root of the divergence (Lin 1991, IEEE
    Transactions on Information Theory 37:145), which is a metric (Endres and Schindelin 2003, ibid. 49:1858). From 0
    to 1 to base 2, to √ln 2 to base e. NaN where a sample is empty."""
    r, c = shares(reference), shares(current)
    middle = (r + c) / 2
    divergence = (_entropy_terms(r, middle).sum(axis=-1) + _entropy_terms(c, middle).sum(axis=-1)) / 2
    return np.sqrt(np.maximum(divergence / math.log(base), 0.0))


def _entropy_terms(p: Floats, q: Floats) -> Floats:
    """Terms p·ln(p / q), 0 where p is. By log1p near p = q, where the logarithm of the quotient would lose its digits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.log1p((p - q) / q)
        return np.where(p == 0, 0.0, p * np.where(p > q / 2, near, np.log(p / q)))


def hellinger(reference: AnyArray, current: AnyArray) -> Any:
    """Hellinger distance √(½·Σ(√r − √c)²) of counts [..., bins] → [...], 0 to 1; NaN where a sample is empty
    (Hellinger 1909, J. für die reine und angewandte Mathematik 136:210)."""
    apart = np.sqrt(shares(reference)) - np.sqrt(shares(current))
    return np.minimum(np.sqrt((apart**2).sum(axis=-1) / 2), 1.0)


def l_infinity(reference: AnyArray, current: AnyArray) -> Any:
    """Largest absolute difference of a bin's shares, counts [..., bins] → [...], 0 to 1; NaN where a sample is empty."""
    return np.abs(shares(reference) - shares(current)).max(axis=-1)


def ks_of_counts(reference: AnyArray, current: AnyArray) -> Any:
    """Kolmogorov–Smirnov's D at the bins' edges, counts [..., bins] → [...], 0 to 1; NaN where a sample is empty.
    Bins must be in order. It lies below the exact D by at most the reference's largest share of a bin."""
    difference = np.cumsum(shares(reference), axis=-1) - np.cumsum(shares(current), axis=-1)
    return np.abs(difference).max(axis=-1)


def ks(reference: Floats, current: Floats) -> float:
    """Kolmogorov–Smirnov's two-sample D of raw values (float64[n], float64[m]), exact: the largest difference of the
    empirical distribution functions, 0 to 1 (Smirnov 1948, Annals of Mathematical Statistics 19:279). Values that are
    not finite are left out; NaN where none is left on a side."""
    x, y = in_order(reference), in_order(current)
    if not x.size or not y.size:
        return math.nan
    points = np.concatenate((x, y))
    below = np.searchsorted(x, points, side="right") / x.size
    return float(np.abs(below - np.searchsorted(y, points, side="right") / y.size).max())


def ks_p_value(d: float, reference_rows: int, current_rows: int) -> float:
    """Asymptotic p-value of a two-sample D: Kolmogorov's limit law at (√m + 0.12 + 0.11/√m)·D with m = n₁n₂/(n₁ +
    n₂), Stephens's correction for finite samples (Stephens 1970, J. Royal Statistical Society B 32:115). NaN where a
    sample is empty or D is NaN."""
    from scipy.special import kolmogorov

    if not (reference_rows and current_rows) or math.isnan(d):
        return math.nan
    root = math.sqrt(reference_rows * current_rows / (reference_rows + current_rows))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * d))


def ks_p_exact(reference: Floats, current: Floats) -> float:
    """p-value of the two-sample D of raw values (float64[n], float64[m]): exact up to 10,000 values a side,
    asymptotic beyond (``scipy.stats.ks_2samp``). Values that are not finite are left out; NaN where none is left on a
    side."""
    from scipy.stats import ks_2samp

    x, y = in_order(reference), in_order(current)
    return float(ks_2samp(x, y).pvalue) if x.size and y.size else math.nan


def wasserstein(reference: Floats, current: Floats) -> float:
    """First Wasserstein distance of raw values (float64[n], float64[m]), in their own unit: the area between the
    empirical distribution functions (Vallender 1974, Theory of Probability and its Applications 18:784). Values that
    are not finite are left out; NaN where none is left on a side."""
    x, y = in_order(reference), in_order(current)
    if not x.size or not y.size:
        return math.nan
    points = np.sort(np.concatenate((x, y)))
    below = np.searchsorted(x, points[:-1], side="right") / x.size
    gap = np.abs(below - np.searchsorted(y, points[:-1], side="right") / y.size)
    # halves, for the difference of two huge values may overflow where their distance's share does not
    return float(2 * np.dot(gap, np.diff(points / 2)))


def in_order(values: Floats) -> Floats:
    """Finite values in increasing order, a new float64[k]."""
    array = np.asarray(values, dtype=np.float64)
    return np.sort(array[np.isfinite(array)])


def bin_sizes(column: NumericColumn) -> tuple[Floats, Floats]:
    """Widths of the bins between the edges, float64[bins − 2], and length of each bin's step of position,
    float64[bins], both in units of the column's span. The column must have edges."""
    # halves: the difference of two huge edges may overflow
    return np.diff(column.edges / 2) / (column.span / 2), column.units / column.span


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """One side of a Wasserstein or KS comparison, prepared for any number of others; float64[..., bins] as shares of
    its rows.

    ``level`` is the distribution function after each bin. Of the bins between the edges, [..., bins − 2]: ``mass``,
    ``moved`` (mass times mean distance from the left edge) and ``integral`` of the distribution function. ``ends``
    [..., 2] is mass times mean distance beyond the first and the last edge. Lengths are in units of the column's
    span.
    """

    level: Floats
    mass: Floats
    moved: Floats
    integral: Floats
    ends: Floats

    def part(self, rows: slice) -> "Laid":
        """Sides of some of several comparisons, float64[comparisons, ...]; views."""
        return Laid(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def lay(width: Floats, unit: Floats, counts: AnyArray, positions: AnyArray) -> Laid:
    """Side of a comparison from (counts, positions), each [..., bins] of whole numbers, the first and the last bin beyond the
    edges. ``width`` [..., bins − 2] and ``unit`` [..., bins] are as ``bin_sizes`` gives them, and all four of one type of
    floats where less than double precision is wanted. A bin of width 0 without counts changes nothing, so columns of fewer
    bins may be padded. All is NaN where a side is empty."""
    total = counts.sum(axis=-1, keepdims=True, dtype=np.float64).astype(width.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        mass, moved = counts / total, positions * (unit / total)
    level = np.cumsum(mass, axis=-1)
    # ∫F over a bin is F(right edge)·width less the mass times its distance from the left edge (integration by
    # parts)
    integral = level[..., 1:-1] * width
    integral -= moved[..., 1:-1]
    return Laid(level, mass[..., 1:-1], moved[..., 1:-1], integral, moved[..., [0, -1]])


def ks_of_laid(reference: Laid, current: Laid) -> Any:
    """Kolmogorov–Smirnov's D of two prepared sides → [...]; equal to ``ks_of_counts``."""
    return np.abs(reference.level - current.level).max(axis=-1)


def wasserstein_of_laid(width: Floats, reference: Laid, current: Laid) -> Any:
    """First Wasserstein distance of two prepared sides → [...], in units of the column's span.

    Own construction: within a bin the area between the distribution functions is exact, as the bins keep the sums of
    their values' positions; only where the functions cross inside a bin is it estimated (``_crossing_area``).
    """
    return wasserstein_of_areas(areas_of_laid(width, reference, current), reference, current)


def wasserstein_of_areas(areas: Floats, reference: Laid, current: Laid) -> Any:
    """First Wasserstein distance → [...] from the areas that ``areas_of_laid`` gives and the two sides' mass beyond
    the edges."""
    return areas.sum(axis=-1) + np.abs(reference.ends - current.ends).sum(axis=-1)


def areas_of_laid(width: Floats, reference: Laid, current: Laid) -> Floats:
    """Area between two prepared sides' distribution functions in each bin between the edges, float64[..., bins − 2],
    in units of the column's span. Exact where the functions do not cross inside the bin, else ``_crossing_area``, if
    that is larger."""
    gap = reference.level - current.level
    area = reference.integral - current.integral
    np.abs(area, out=area)
    # the difference changes its sign between a bin's edges: |∫| is then less than ∫|·|
    at = np.nonzero(gap[..., :-2] * gap[..., 1:-1] < 0)
    if at[0].size:

        def here(array: Floats) -> Floats:
            return np.asarray(np.broadcast_to(array, area.shape)[at], np.float64)

        wide = here(width)
        estimate = wide * _crossing_area(
            here(gap[..., :-2]),
            wide,
            (here(reference.mass), here(reference.moved)),
            (here(current.mass), here(current.moved)),
        )
        area[at] = np.maximum(area[at], estimate)
    return np.asarray(area, np.float64)


def _crossing_area(
    left: Floats, width: Floats, reference: tuple[Floats, Floats], current: tuple[Floats, Floats]
) -> Floats:
    """Estimated area between two distribution functions in bins of width 1, float64[k], where they differ by ``left``
    at the left edge.

    Each side is (mass, mass times distance from the left edge in units of span). Its mass is spread evenly over the
    longest stretch of the bin that has its mean in the middle, so that mass at an edge stays there. Own construction.
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
    # two triangles of heights |u| and |v| over a stretch of width 1, where the difference changes its sign
    crossed = np.divide(u * u + v * v, 2 * both, out=np.zeros_like(both), where=both > 0)
    heights = np.where(u * v < 0, crossed, both / 2)
    return np.asarray((heights * np.diff(points, axis=0)).sum(axis=0), np.float64)


def chi_square(reference: AnyArray, current: AnyArray) -> tuple[Any, Any]:
    """Pearson's chi-square of the 2 × k table of two samples' counts, each int64[..., k] → [...], and its p-value
    [...], with k − 1 degrees of freedom (Pearson 1900, Philosophical Magazine 50:157); for k = 2 with the continuity
    correction of Yates (1934, Supplement to the J. Royal Statistical Society 1:217). Categories that occur in neither
    sample are left out; NaN where fewer than two occur or a sample is empty."""
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
    """Pearson's chi-square (1900) of current's counts int64[k] against the reference's scaled to as many rows, and
    its p-value with k − 1 degrees of freedom. The reference is taken as known without error, unlike in
    ``chi_square``. A category that only current has gives (∞, 0); fewer than two categories, or an empty sample, NaN."""
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
    """z of the difference of two shares (current minus reference) with pooled variance and no continuity correction,
    and its two-sided p-value (Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, chapter 3).
    (0, 1) where no row or every row is a hit, NaN where a side has no rows."""
    if not reference_rows or not current_rows:
        return math.nan, math.nan
    pooled = (reference_hits + current_hits) / (reference_rows + current_rows)
    error = math.sqrt(pooled * (1 - pooled) * (1 / reference_rows + 1 / current_rows))
    difference = current_hits / current_rows - reference_hits / reference_rows
    if error == 0:
        return 0.0, 1.0
    z = difference / error
    return z, math.erfc(abs(z) / math.sqrt(2))
