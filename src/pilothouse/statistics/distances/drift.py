"""Drift of a window's profile from its reference, column by column: the statistics of ``distances`` on profiles."""

import math

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.distances import (
    areas_of_laid,
    bin_sizes,
    chi_square,
    hellinger,
    jensen_shannon,
    ks,
    ks_of_counts,
    ks_p_value,
    l_infinity,
    lay,
    psi,
    shares,
    two_proportion_z,
    wasserstein,
    wasserstein_of_counts,
)
from pilothouse.statistics.distances.ranks import rank_scores, rank_statistics
from pilothouse.statistics.profiles.profile import Histogram, Profile, histogram, moments_in_spans
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    Column,
    NumericColumn,
    ProfileSpecification,
)

__all__ = [
    "chi_square",
    "column_drift",
    "group_starts",
    "grouped",
    "hellinger",
    "jensen_shannon",
    "ks",
    "ks_of_counts",
    "ks_p_value",
    "l_infinity",
    "missing_share",
    "psi",
    "scale_of",
    "two_proportion_z",
    "unseen_share",
    "wasserstein",
    "wasserstein_of_counts",
]

GROUPS = 10
"""Groups of about equal reference mass into which fine bins are joined for PSI and Jensen–Shannon, which grow with
the bins."""
SMALLEST_DEVIATION = 1e-3
"""Least deviation by which Wasserstein is divided, as a share of the reference's range."""


def group_starts(column: Column, reference: Ints) -> Ints:
    """First bin of each group for PSI and Jensen–Shannon, int64[groups], from a reference's counts int64[bins].
    Numbers get about GROUPS groups of equal reference mass (a frequent value is alone in its group), and one each for
    what lies below and above the reference; of categories, and where the reference is empty, each bin is a group."""
    if isinstance(column, CategoricalColumn) or not reference.sum():
        return np.arange(len(reference))
    counts = reference.astype(np.float64)
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    group = np.minimum((middle * GROUPS).astype(np.int64), GROUPS - 1)
    # under- and overflow are groups of their own, however little mass the reference has there
    group[0], group[-1] = -1, GROUPS
    return np.flatnonzero(np.diff(group, prepend=-2))


def grouped(counts: Ints, starts: Ints) -> Ints:
    """Counts int64[..., bins] summed over groups → int64[..., groups]; ``starts`` as ``group_starts`` gives them."""
    return np.add.reduceat(counts, starts, axis=-1)


def scale_of(column: NumericColumn, reference: Histogram) -> float:
    """Divisor that turns a distance in spans into one in reference standard deviations: the reference's deviation
    over the column's span, at least SMALLEST_DEVIATION (also where the reference is empty)."""
    return float(np.nanmax([moments_in_spans(column, reference)[1], SMALLEST_DEVIATION]))


def column_drift(
    specification: ProfileSpecification, feature: str, reference: Profile, current: Profile
) -> dict[str, float]:
    """Every statistic that fits a column (or "score"), and the shares of rows ``missing`` and ``unseen``, 0 to 1.

    Numbers: ``psi``, ``js``, ``ks``, ``ks_p``, ``wasserstein`` (in the reference's standard deviations), ``within``
    (the same with values clipped to the reference's range) and ``ranks.RANKS``. Categories: ``psi``, ``js``,
    ``l_infinity``, ``chi2``, ``chi2_p``. ``unseen`` is the share beyond the reference's range, or of categories that
    it does not hold. A statistic that is not finite (an empty side) is left out. Raises KeyError for a column that
    the specification does not have.
    """
    column = specification.by_name[feature]
    r, c = (histogram(specification, profile, feature) for profile in (reference, current))
    starts = group_starts(column, r.counts)
    groups = grouped(r.counts, starts), grouped(c.counts, starts)
    values = {"psi": float(psi(*groups)), "js": float(jensen_shannon(*groups))}
    if isinstance(column, NumericColumn):
        d = float(ks_of_counts(r.counts, c.counts))
        distance = wasserstein_of_counts(column, (r.counts, r.positions), (c.counts, c.positions))
        values |= {
            "ks": d,
            "ks_p": ks_p_value(d, r.present, c.present),
            "wasserstein": float(distance) / scale_of(column, r),
            "within": _within(column, r, c),
        }
        ranks = rank_statistics(rank_scores(r.counts), shares(c.counts))
        values |= {name: float(value) for name, value in ranks.items()}
    else:
        values["l_infinity"] = float(l_infinity(r.counts, c.counts))
        values["chi2"], values["chi2_p"] = map(float, chi_square(r.counts, c.counts))
    values = {name: value for name, value in values.items() if math.isfinite(value)}
    return values | {"missing": missing_share(c), "unseen": unseen_share(column, r, c)}


def _within(column: NumericColumn, reference: Histogram, current: Histogram) -> float:
    """Wasserstein's distance with every value beyond the reference's smallest or largest taken as that one; NaN where
    a side is empty."""
    if not column.edges.size or not reference.present or not current.present:
        return math.nan
    sizes = bin_sizes(column)
    sides = [lay(*sizes, side.counts, side.positions) for side in (reference, current)]
    areas = areas_of_laid(sizes[0], *sides)
    return float((areas * inside(reference.counts)[1:-1]).sum()) / scale_of(column, reference)


def inside(reference: Ints) -> Floats:
    """Marks, float64[bins]: 1 from the first to the last bin that a reference's counts int64[bins] fill, else 0; all
    0 where it is empty."""
    filled = np.flatnonzero(reference)
    marks = np.zeros(len(reference))
    if filled.size:
        marks[filled[0] : filled[-1] + 1] = 1.0
    return marks


def missing_share(current: Histogram) -> float:
    """Share of rows without a usable value, 0 to 1; 0 where there are no rows."""
    return current.missing / current.rows if current.rows else 0.0


def unseen_share(column: Column, reference: Histogram, current: Histogram) -> float:
    """Share of all rows that lie outside the reference's range, or in categories that the reference does not hold, 0
    to 1; 0 where either side is empty."""
    if not current.rows or not reference.present:
        return 0.0
    if isinstance(column, CategoricalColumn):
        return float(current.counts[reference.counts == 0].sum()) / current.rows
    filled = np.flatnonzero(reference.counts)
    outside = current.counts[: filled[0]].sum() + current.counts[filled[-1] + 1 :].sum()
    return float(outside) / current.rows
