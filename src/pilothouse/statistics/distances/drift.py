"""How far a window's profile is from its reference, column by column: the statistics of ``distances`` on profiles."""

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
"""Groups of about equal mass of the reference, into which fine bins are joined for PSI and Jensen–Shannon."""
SMALLEST_DEVIATION = 1e-3
"""Wasserstein is divided by the reference's deviation, but by no less than this share of its range."""


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

    Numbers: ``psi``, ``js``, ``ks``, ``ks_p``, ``wasserstein`` (in the reference's deviations), ``within`` (the same between
    the reference's smallest and largest value), and ``ranks.RANKS``. Categories: ``psi``, ``js``, ``l_infinity``, ``chi2``,
    ``chi2_p``. ``unseen`` is the share beyond the reference's range, or of categories that it does
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
            "within": _within(column, r, c),
        }
        ranks = rank_statistics(rank_scores(r.counts), shares(c.counts))
        found |= {name: float(value) for name, value in ranks.items()}
    else:
        found["l_infinity"] = float(l_infinity(r.counts, c.counts))
        found["chi2"], found["chi2_p"] = map(float, chi_square(r.counts, c.counts))
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    return found | {"missing": missing_share(c), "unseen": unseen_share(column, r, c)}


def _within(column: NumericColumn, reference: Histogram, current: Histogram) -> float:
    """Wasserstein's distance with every value beyond the reference's smallest or largest taken as that one."""
    if not column.edges.size or not reference.present or not current.present:
        return math.nan
    sizes = bin_sizes(column)
    sides = [lay(*sizes, side.counts, side.positions) for side in (reference, current)]
    areas = areas_of_laid(sizes[0], *sides)
    return float((areas * inside(reference.counts)[1:-1]).sum()) / scale_of(column, reference)


def inside(reference: Ints) -> Floats:
    """1 for each bin from the first to the last that a reference's counts [bins] fill, else 0."""
    held = np.flatnonzero(reference)
    marks = np.zeros(len(reference))
    if held.size:
        marks[held[0] : held[-1] + 1] = 1.0
    return marks


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
