"""How far two samples are apart. Each statistic exists once, over counts or raw values, and works on many pairs at once.

Counts are arrays [..., bins] of one binning; the result has the shape [...]. Where a sample is empty it is NaN.
"""

import math
from typing import Any

import numpy as np

from .arrays import AnyArray, Flags, Floats, Ints
from .profile import Histogram, Profile, histogram, moments_in_spans
from .specification import CategoricalColumn, Column, NumericColumn, ProfileSpecification

PSI_FILL = 1e-4
"""The share that stands for an empty bin in PSI (Evidently's constant)."""
GROUPS = 10
"""Groups of about equal mass of the reference, into which fine bins are joined for PSI and Jensen–Shannon."""
SMALLEST_DEVIATION = 1e-3
"""Wasserstein is divided by the reference's deviation, but by no less than this share of its range."""


def shares(counts: AnyArray) -> Floats:
    """Counts as shares of their sum; NaN where the sum is 0."""
    total = counts.sum(axis=-1, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts / total, np.float64)


def psi(reference: AnyArray, current: AnyArray) -> Any:
    """Population stability index Σ(r − c)·ln(r / c), an empty bin's share taken as 0.0001, each side by itself."""
    r, c = shares(reference), shares(current)
    r, c = np.where(r == 0, PSI_FILL, r), np.where(c == 0, PSI_FILL, c)
    return np.sum((r - c) * np.log(r / c), axis=-1)


def jensen_shannon(reference: AnyArray, current: AnyArray) -> Any:
    """The Jensen–Shannon distance to base 2: the square root of the divergence, 0 to 1."""
    r, c = shares(reference), shares(current)
    middle = (r + c) / 2
    divergence = (_entropy_terms(r, middle) + _entropy_terms(c, middle)).sum(axis=-1) / (2 * math.log(2))
    return np.sqrt(np.maximum(divergence, 0.0))


def _entropy_terms(p: Floats, q: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p == 0, 0.0, p * np.log(p / q))


def hellinger(reference: AnyArray, current: AnyArray) -> Any:
    """The Hellinger distance √(1 − Σ√(r·c)), 0 to 1."""
    overlap = np.sqrt(shares(reference) * shares(current)).sum(axis=-1)
    return np.sqrt(np.maximum(1 - overlap, 0.0))


def l_infinity(reference: AnyArray, current: AnyArray) -> Any:
    """The largest difference of a share."""
    return np.abs(shares(reference) - shares(current)).max(axis=-1)


def ks_of_counts(reference: AnyArray, current: AnyArray) -> Any:
    """Kolmogorov–Smirnov's D at the bins' edges: below the exact D by a bin's reference mass at most."""
    difference = np.cumsum(shares(reference), axis=-1) - np.cumsum(shares(current), axis=-1)
    return np.abs(difference).max(axis=-1)


def ks(reference: Floats, current: Floats) -> float:
    """Kolmogorov–Smirnov's D of raw values (float64[n], float64[m]; not finite ones left out), exact."""
    x, y = _sorted(reference), _sorted(current)
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


def wasserstein(reference: Floats, current: Floats) -> float:
    """The first Wasserstein distance of raw values, in their own unit: the area between the distribution functions."""
    x, y = _sorted(reference), _sorted(current)
    if not x.size or not y.size:
        return math.nan
    points = np.sort(np.concatenate((x, y)))
    below = np.searchsorted(x, points[:-1], side="right") / x.size
    gap = np.abs(below - np.searchsorted(y, points[:-1], side="right") / y.size)
    return float(np.dot(gap, np.diff(points)))


def _sorted(values: Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.sort(array[np.isfinite(array)])


def wasserstein_of_counts(
    column: NumericColumn,
    reference: tuple[AnyArray, AnyArray],
    current: tuple[AnyArray, AnyArray],
) -> Any:
    """The first Wasserstein distance of (counts, positions), each [..., bins], in units of the column's span.

    The integral of the difference over each bin is exact, as the bins keep their sums; only where the distribution
    functions cross inside a bin is its area estimated (at least the integral's size, at best two triangles).
    """
    if not column.edges.size:
        return np.full(np.broadcast_shapes(reference[0].shape, current[0].shape)[:-1], np.nan)
    width = np.diff(column.edges / 2) / (column.span / 2)
    unit = column.units / column.span
    ends, inner, levels = [], [], []
    for counts, positions in (reference, current):
        total = counts.sum(axis=-1, keepdims=True, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mass, moved = counts / total, positions * unit / total
        level = np.cumsum(mass, axis=-1)
        ends.append(moved[..., [0, -1]])
        inner.append(level[..., :-2] * width + mass[..., 1:-1] * width - moved[..., 1:-1])
        levels.append(level)
    gap = levels[0] - levels[1]
    left, right = gap[..., :-2], gap[..., 1:-1]
    area = np.abs(inner[0] - inner[1])
    crossing: Flags = left * right < 0
    triangles = np.divide(
        left**2 + right**2, 2 * np.abs(right - left), out=np.zeros_like(left), where=crossing
    )
    area = np.maximum(area, np.where(crossing, triangles * width, 0.0))
    return area.sum(axis=-1) + np.abs(ends[0] - ends[1]).sum(axis=-1)


def chi_square(reference: AnyArray, current: AnyArray) -> tuple[float, float]:
    """Pearson's chi-square of the 2 × k table of counts [k] and its p-value; Yates's correction for k = 2.

    Categories that occur in neither are left out; fewer than two that occur, or an empty sample, give NaN.
    """
    from scipy.special import chdtrc

    table = np.array([reference, current], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return math.nan, math.nan
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    gap = np.abs(table - expected)
    if table.shape[1] == 2:
        gap = np.maximum(gap - 0.5, 0.0)
    statistic = float((gap**2 / expected).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


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


def group_starts(column: Column, reference: Ints) -> Ints:
    """The first bin of each group for PSI and Jensen–Shannon: for numbers about ``GROUPS`` of equal reference mass (a
    frequent value is alone in its group), with what lies below and above the reference apart; for categories each its own.
    """
    if isinstance(column, CategoricalColumn) or not reference.sum():
        return np.arange(len(reference))
    counts = reference.astype(np.float64)
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    group = np.minimum((middle * GROUPS).astype(np.int64), GROUPS - 1)
    group[0], group[-1] = -1, GROUPS
    return np.flatnonzero(np.diff(group, prepend=-2))


def grouped(counts: Ints, starts: Ints) -> Ints:
    """Counts [..., bins] summed over groups."""
    return np.add.reduceat(counts, starts, axis=-1)


def scale_of(column: NumericColumn, reference: Histogram) -> float:
    """What a distance in spans is divided by to be in deviations: the reference's deviation over the column's span, not
    less than SMALLEST_DEVIATION."""
    return float(np.nanmax([moments_in_spans(column, reference)[1], SMALLEST_DEVIATION]))


def column_drift(
    specification: ProfileSpecification, feature: str, reference: Profile, current: Profile
) -> dict[str, float]:
    """Every statistic that fits a column (or "score"), and the shares of rows ``missing`` and ``unseen``.

    Numbers: ``psi``, ``js``, ``ks``, ``ks_p``, ``wasserstein`` (in the reference's deviations). Categories: ``psi``, ``js``,
    ``l_infinity``, ``chi2``, ``chi2_p``. ``unseen`` is the share beyond the reference's range, or of categories that it does
    not hold. A statistic that the samples do not define (an empty column) is left out.
    """
    column = specification.by_name[feature]
    r, c = (histogram(specification, profile, feature) for profile in (reference, current))
    starts = group_starts(column, r.counts)
    groups = grouped(r.counts, starts), grouped(c.counts, starts)
    found = {"psi": float(psi(*groups)), "js": float(jensen_shannon(*groups))}
    if isinstance(column, NumericColumn):
        d = float(ks_of_counts(r.counts, c.counts))
        distance = wasserstein_of_counts(column, (r.counts, r.positions), (c.counts, c.positions))
        found |= {
            "ks": d,
            "ks_p": ks_p_value(d, r.present, c.present),
            "wasserstein": float(distance) / scale_of(column, r),
        }
    else:
        found["l_infinity"] = float(l_infinity(r.counts, c.counts))
        found["chi2"], found["chi2_p"] = chi_square(r.counts, c.counts)
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    return found | {"missing": missing_share(c), "unseen": unseen_share(column, r, c)}


def missing_share(current: Histogram) -> float:
    """Rows without a usable value, 0 to 1; 0 where there are no rows."""
    return current.missing / current.rows if current.rows else 0.0


def unseen_share(column: Column, reference: Histogram, current: Histogram) -> float:
    """Rows outside the reference's range, or of categories that the reference does not hold, 0 to 1."""
    if not current.rows or not reference.present:
        return 0.0
    if isinstance(column, CategoricalColumn):
        return float(current.counts[reference.counts == 0].sum()) / current.rows
    held = np.flatnonzero(reference.counts)
    outside = current.counts[: held[0]].sum() + current.counts[held[-1] + 1 :].sum()
    return float(outside) / current.rows
