"""Bins of many values at once: a grid over the edges in place of a search for every value.

The cells of the grid are of equal width over the middle of the edges. A value's cell says how many edges lie surely
below it; one comparison settles the edge that shares its cell, and only where several edges share one, a search is
made. The arithmetic that finds the cell never decreases with the value, so that the bin is the one that a search
finds, to the last bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints, frozen
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    NumericColumn,
    ProfileSpecification,
)

_CHUNK = 25_000
"""Values at a time: their intermediate arrays stay in the processor's cache."""
_CELLS = 1 << 15
"""Cells of a grid."""
_STRETCHES = ((0.0, 1.0), (0.02, 0.98), (0.1, 0.9), (0.0, 0.8), (0.2, 1.0), (0.0, 0.6), (0.4, 1.0))
"""Quantiles of the edges between which a grid may be laid; the best of them is taken."""
_FARTHEST = float(1 << 32)
"""Steps at which a position saturates, as in ``placement``."""
_ROOM = 38
"""Bits of a bin's sum of positions in one chunk; the counts lie above them."""
_ONE = float(1 << _ROOM)
"""Value added to each position, so that one sum holds a bin's count above its positions. A chunk's sum stays exact,
below 2⁵³."""
_NEAR = _ONE / _CHUNK / 2
"""Steps beyond the outer anchors up to which a chunk's positions stay below _ROOM bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Grid over a column's edges. ``below`` (int64[cells]) is how many edges lie in earlier cells, −1 where more than
    one edge lies in the cell itself. ``next_edge`` (float64[bins + 1]) is the edge that ends each bin, ∞ after the
    last."""

    low: float
    scale: float
    below: Ints
    next_edge: Floats

    def bins_of(self, edges: Floats, values: Floats) -> Ints:
        """Bin of each value (float64[n]), int64[n], equal to a search among ``edges``; of NaN any bin, which the
        caller must overwrite."""
        bins = self.below.take(_cells(values, self.low, self.scale), mode="clip")
        bins += self.next_edge.take(bins) <= values  # never of −1: the last edge is ∞
        if bins.min(initial=0) < 0:
            more = np.flatnonzero(bins < 0)
            bins[more] = np.searchsorted(edges, values[more], side="right")
        return bins


def _cells(values: Floats, low: float, scale: float) -> Ints:
    """Cell of each value: below 0 or 0 before the first (of NaN any), the last one after the last."""
    places = values - low
    places *= scale
    np.minimum(places, _CELLS - 1, out=places)
    return places.astype(np.int64)


def grid_of(column: NumericColumn) -> Grid | None:
    """Grid of a column's edges, made once and kept with the column; None where the edges leave nothing to divide
    (fewer than two, or a range that overflows). Two threads may both make one: they are equal."""
    kept = column.__dict__.get("_grid", False)
    if kept is False:
        kept = column.__dict__["_grid"] = _make(column.edges)
    return kept  # type: ignore[no-any-return]


def _make(edges: Floats) -> Grid | None:
    """Grid over that stretch of the edges which leaves the fewest of them sharing a cell: tails are sparse and long."""
    best: tuple[int, Grid] | None = None
    for first, last in _STRETCHES:
        if len(edges) < 2:
            break
        low, high = np.quantile(edges, (first, last))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            scale = float(_CELLS / (high - low))
        if not 0 < scale < np.inf:
            continue
        with np.errstate(over="ignore"):
            edges_in_cell = np.bincount(np.maximum(_cells(edges, float(low), scale), 0), minlength=_CELLS)
        sharing = int(edges_in_cell[edges_in_cell > 1].sum())
        if best is None or sharing < best[0]:
            below = np.cumsum(edges_in_cell) - edges_in_cell
            best = (
                sharing,
                Grid(
                    float(low),
                    scale,
                    frozen(np.where(edges_in_cell > 1, -1, below)),
                    frozen(np.append(edges, np.inf)),
                ),
            )
    return best[1] if best else None


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """Counts and positions of one column's values: ``counts`` int64[bins + 1] (the last: missing), ``positions``
    int64[bins + 1], and the extremes ``low`` and ``high``, NaN without a finite value."""

    counts: Ints
    positions: Ints
    low: float
    high: float


@np.errstate(over="ignore", invalid="ignore")
def fold(column: NumericColumn, values: Floats) -> Folded:
    """Counts and summed positions of one column's values (float64[n]); NaN and infinities count as missing. Equal to
    what ``profile.profile_rows`` counts, to the bit."""
    counts = np.zeros(column.bins + 1, np.int64)
    positions = np.zeros(column.bins + 1, np.int64)
    low = high = np.nan
    grid = grid_of(column)
    anchors = np.append(column.anchors, 0.0)
    units = np.append(column.units, 0.0)
    units[units == 0] = np.inf  # a bin of a single value: its position becomes 0
    endless = column.span > 1e300  # differences of such values may overflow to ∞, and ∞/∞ to NaN
    near = anchors[0] - _NEAR * units[0], anchors[-2] + _NEAR * units[-2]
    missing = 0
    for first in range(0, len(values), _CHUNK):
        part = values[first : first + _CHUNK]
        bins = (
            np.searchsorted(column.edges, part, side="right")
            if grid is None
            else grid.bins_of(column.edges, part)
        )
        odd = np.flatnonzero(~np.isfinite(part))
        if odd.size:
            bins[odd] = column.bins
            missing += odd.size
            if not np.isnan(part[odd]).all():
                part = part.copy()
                part[odd] = np.nan
        least, most = np.fmin.reduce(part), np.fmax.reduce(part)
        low, high = np.fmin(low, least), np.fmax(high, most)
        moved = part - anchors.take(bins)
        np.abs(moved, out=moved)
        moved /= units.take(bins)
        np.rint(moved, out=moved)
        # one bincount for both: every position adds _ONE, so the high bits of a bin's sum are its count
        if near[0] < least and most < near[1] and not endless:
            moved += _ONE
            both = np.bincount(bins, weights=moved, minlength=column.bins + 1).astype(np.int64)
            counts += both >> _ROOM
            positions += both & (1 << _ROOM) - 1
        else:
            np.fmin(moved, _FARTHEST, out=moved)
            if endless:
                moved[np.isnan(moved)] = 0.0
            counts += np.bincount(bins, minlength=column.bins + 1)
            positions += np.bincount(bins, weights=moved, minlength=column.bins + 1).astype(np.int64)
    counts[-1] = missing
    positions[-1] = 0  # of what is missing
    return Folded(counts, positions, float(low), float(high))


def profile_columns(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    coded: Mapping[str, Ints],
    scores: Floats,
) -> Profile:
    """Profile of many rows whose categories are coded already: int64[n], a category's place in the specification's
    column, ``len(categories)`` for any other, one more for missing. ``numeric`` and ``scores`` are float64[n]. A
    column that is not given counts as missing. Lengths are not checked.

    Equal to ``profile.profile_rows`` of the same rows, to the bit.
    """
    rows = len(scores)
    counts = np.zeros(specification.cells, np.int64)
    positions = np.zeros(specification.cells, np.int64)
    low, high = (np.full(len(specification.columns), np.nan) for _ in range(2))
    for i, column in enumerate(specification.columns):
        where = specification.layout[column.name]
        cells = slice(where.start, where.missing + 1)
        if isinstance(column, CategoricalColumn):
            codes = coded.get(column.name)
            if codes is not None:
                counts[cells] = np.bincount(codes, minlength=column.bins + 1)
        else:
            values = scores if column is specification.score else numeric.get(column.name)
            if values is not None:
                folded = fold(column, values)
                counts[cells], positions[cells] = folded.counts, folded.positions
                low[i], high[i] = folded.low, folded.high
        if not counts[cells].any():
            counts[where.missing] = rows
    filled = np.flatnonzero(counts)
    return Profile(
        rows, frozen(filled), frozen(counts[filled]), frozen(positions[filled]), frozen(low), frozen(high)
    )
