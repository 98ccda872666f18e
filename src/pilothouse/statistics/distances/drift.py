"""Bins of a column as its drift is measured by: groups of them, the reference's range, the scale of a distance."""

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.profiles.profile import Histogram, moments_in_spans
from pilothouse.statistics.profiles.specification import CategoricalColumn, Column, NumericColumn

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
