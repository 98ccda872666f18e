"""Profile: the mergeable summary of a window's rows under one specification.

Counts are integers and so are the summed positions of values within their bins (steps of 1/256 of the bin), so that
``merge`` is exact and associative: an hour is the sum of its minutes to the bit, in whatever order they are added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pilothouse.statistics.arrays import AnyArray, Floats, Ints, frozen
from pilothouse.statistics.profiles.placement import (
    PlacedRows,
    Texts,
    category_codes,
    cells_of_numbers,
    numeric_matrix,
    over_all_columns,
    place_rows,
    positions_of,
    tables_of,
)
from pilothouse.statistics.profiles.specification import Cells, NumericColumn, ProfileSpecification

_POSITION_BITS = 33
"""Bits of one row's position, which is at most 2³²."""
_SORTED_BITS = 63 - _POSITION_BITS
"""Bits left beside a position for the number of a group and a cell in one signed 64-bit key."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Sparse counts: ``cells`` (int64[k], increasing) hold ``counts`` (int64[k]) rows each; the other cells hold
    none.

    ``positions`` (int64[k]) is the sum of the values' positions in their bins; ``low`` and ``high`` (float64, one a
    column, the score last) are the extremes, NaN for categorical and empty columns. All arrays are read-only.
    """

    rows: int
    cells: Ints
    counts: Ints
    positions: Ints
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """One column of a profile, dense: ``counts`` and ``positions`` are int64[bins]; ``missing`` rows are not among
    them. ``low`` and ``high`` are NaN for a categorical or an empty column."""

    counts: Ints
    positions: Ints
    missing: int
    low: float
    high: float

    @property
    def present(self) -> int:
        """Number of rows with a value."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """Number of rows, with and without a value."""
        return self.present + self.missing


def empty_profile(specification: ProfileSpecification) -> Profile:
    """Profile of no rows: merging it changes nothing."""
    none = frozen(np.empty(0, np.int64))
    unknown = frozen(np.full(len(specification.columns), np.nan))
    return Profile(0, none, none, none, unknown, unknown)


def profile_rows(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
) -> Profile:
    """Profile of rows. ``scores`` is float64[n]; each column has n values. NaN and infinities count as missing, and
    so does a column that is not given; one that the specification does not know is left out. Raises InvalidInputError
    where a column's length or type is wrong."""
    scores = np.asarray(scores, dtype=np.float64)
    tables, rows = tables_of(specification), len(scores)
    numbers = numeric_matrix(specification, numeric, scores)
    numbers.sort(axis=1)  # so that each value is looked up once, and in order
    first = _begins(numbers)
    values = numbers.ravel()[first]
    of_values = cells_of_numbers(tables, values, np.searchsorted(first, np.arange(len(numbers) + 1) * rows))
    starts = _begins(of_values)
    steps = positions_of(tables, of_values, values).astype(np.int64) * _lengths(first, numbers.size)
    parts: list[tuple[Ints, ...]] = [
        (of_values[starts], _lengths(first[starts], numbers.size), _sums(steps, starts))
    ]
    for column in tables.categorical:  # in order too, so that each lies between two columns' cells
        counts = np.bincount(category_codes(column, categorical.get(column.name), rows))
        filled, start = counts.nonzero()[0], specification.layout[column.name].start
        arrays = parts.pop()
        split = arrays[0].searchsorted(start)
        before, after = (
            tuple(array[part] for array in arrays) for part in (slice(split), slice(split, None))
        )
        parts += [before, (filled + start, counts[filled], np.zeros_like(filled)), after]
    cells, counts, positions = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    low, high = (by.reduce(numbers, axis=1, initial=np.nan) for by in (np.fmin, np.fmax))
    return Profile(
        rows,
        frozen(cells),
        frozen(counts),
        frozen(positions),
        frozen(over_all_columns(tables, low)),
        frozen(over_all_columns(tables, high)),
    )


def _begins(array: AnyArray) -> Ints:
    """Indices, in the flat array, of values that differ from the one before them in their row."""
    new = np.ones(array.shape, np.bool_)
    np.not_equal(array[..., 1:], array[..., :-1], out=new[..., 1:])
    return new.ravel().nonzero()[0]


def _lengths(starts: Ints, end: int) -> Ints:
    """Distance from each start to the next, from the last one to the end."""
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1:] = end - starts[-1:]
    return lengths


def _sums(numbers: Ints, starts: Ints) -> Ints:
    """Sums from each start up to the next. Exact even where the running sum overflows: subtracting wraps around again."""
    running, sums = numbers.cumsum(), np.empty_like(starts)
    sums[:-1] = running[starts[1:] - 1]
    sums[-1:] = running[-1:]
    sums[1:] -= sums[:-1]
    return sums


def profile_groups(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
    groups: Ints,
) -> list[tuple[int, Profile]]:
    """(group, profile) of each group of rows, by increasing group: ``groups`` (int64[n]) says to which each row
    belongs. The other arguments and errors are those of ``profile_rows``; no rows give an empty list.

    Equal to ``profile_rows`` of each group's rows, at little more than the cost of one call for all.
    """
    if len(groups) and groups.min() == groups.max():
        return [(int(groups[0]), profile_rows(specification, numeric, categorical, scores))]
    placed = place_rows(specification, numeric, categorical, scores)
    distinct, members = np.unique(groups, return_inverse=True)
    at_once = max(1, (1 << _SORTED_BITS) // specification.cells)
    profiles = []
    for first in range(0, len(distinct), at_once):
        inside = slice(None) if len(distinct) <= at_once else members // at_once == first // at_once
        profiles += _count_groups(
            specification, placed.take(inside), distinct[first : first + at_once], members[inside] - first
        )
    return profiles


def _count_groups(
    specification: ProfileSpecification, placed: PlacedRows, distinct: Ints, members: Ints
) -> list[tuple[int, Profile]]:
    """Profiles of all groups by one sort of (group, cell, position) packed into 63 bits: groups of few rows need no
    pass over all cells each."""
    tables = tables_of(specification)
    packed = placed.cells + members * specification.cells
    packed <<= _POSITION_BITS
    packed[: len(tables.numeric)] |= placed.positions.astype(np.int64)
    flat = packed.ravel()
    flat.sort()
    keys = flat >> _POSITION_BITS
    flat &= (1 << _POSITION_BITS) - 1
    starts = _begins(keys)
    counts = _lengths(starts, len(keys))
    positions = np.add.reduceat(flat, starts)
    member, cells = np.divmod(keys[starts], specification.cells)
    bounds = np.searchsorted(member, np.arange(len(distinct) + 1))
    order = np.argsort(members, kind="stable")
    first = np.searchsorted(members[order], np.arange(len(distinct)))
    values = placed.values[:, order]
    low, high = (
        np.ascontiguousarray(over_all_columns(tables, by.reduceat(values, first, axis=1)).T)
        for by in (np.fmin, np.fmax)
    )
    rows = np.bincount(members)
    profiles = []
    for i, group in enumerate(distinct.tolist()):
        part = slice(bounds[i], bounds[i + 1])
        content = Profile(
            int(rows[i]),
            frozen(cells[part].copy()),
            frozen(counts[part].copy()),
            frozen(positions[part].copy()),
            frozen(low[i].copy()),
            frozen(high[i].copy()),
        )
        profiles.append((group, content))
    return profiles


def cells_of(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Sequence[object]],
    scores: Floats,
) -> Ints:
    """Cell of each row in each column, int64[columns, n] in the specification's order: a model learnt on it applies
    to profiles too. Raises InvalidInputError where a column's length or type is wrong."""
    cells = np.empty((len(specification.columns), len(scores)), np.int64)
    cells[tables_of(specification).order] = place_rows(specification, numeric, categorical, scores).cells
    return cells


def merge_all(specification: ProfileSpecification, profiles: Iterable[Profile]) -> Profile:
    """Profile of the rows of all; of no profiles the empty one. Exact, whatever the order. One profile is held at a time
    beside the sum."""
    parts = iter(profiles)
    first, second = next(parts, None), next(parts, None)
    if first is None:
        return empty_profile(specification)
    if second is None:
        return first
    third = next(parts, None)
    if third is None:
        return _sum_of_two(first, second)
    counts, positions = np.zeros((2, specification.cells), np.int64)
    low, high, rows = first.low.copy(), first.high.copy(), 0
    for part in chain((first, second, third), parts):
        counts[part.cells] += part.counts  # no cell is there twice
        positions[part.cells] += part.positions
        np.fmin(low, part.low, out=low)
        np.fmax(high, part.high, out=high)
        rows += part.rows
    filled = np.flatnonzero(counts != 0)
    return Profile(
        rows,
        frozen(filled),
        frozen(counts[filled]),
        frozen(positions[filled]),
        frozen(low),
        frozen(high),
    )


def _sum_of_two(first: Profile, second: Profile) -> Profile:
    """Profile of the rows of both without a pass over all cells: what adding a batch to its window takes."""
    if first.cells.size < second.cells.size:
        first, second = second, first
    at = first.cells.searchsorted(second.cells)
    new = np.take(first.cells, at, mode="clip") != second.cells if first.cells.size else np.ones(0, np.bool_)
    cells, counts, positions = first.cells, first.counts.copy(), first.positions.copy()
    if new.any():
        before = new.cumsum()
        # each cell that is new moves those after it by one position
        at += before - new
        own = np.ones(len(first.cells) + int(before[-1]), np.bool_)
        own[at[new]] = False
        cells, counts, positions = np.zeros((3, len(own)), np.int64)
        cells[own], counts[own], positions[own] = first.cells, first.counts, first.positions
        cells[at] = second.cells
    counts[at] += second.counts
    positions[at] += second.positions
    return Profile(
        first.rows + second.rows,
        frozen(cells),
        frozen(counts),
        frozen(positions),
        frozen(np.fmin(first.low, second.low)),
        frozen(np.fmax(first.high, second.high)),
    )


def present_rows(specification: ProfileSpecification, profile: Profile) -> dict[str, int]:
    """Number of rows with a value by column (the score as "score")."""
    cells = [specification.layout[column.name] for column in specification.columns]
    bounds = np.searchsorted(profile.cells, [(c.start, c.missing) for c in cells])
    below = np.concatenate(([0], np.cumsum(profile.counts)))
    present = below[bounds[:, 1]] - below[bounds[:, 0]]
    return {column.name: int(n) for column, n in zip(specification.columns, present, strict=True)}


def histogram(specification: ProfileSpecification, profile: Profile, feature: str) -> Histogram:
    """One column of a profile (the score as "score"), dense. Raises KeyError for a column that the specification does
    not have."""
    where: Cells = specification.layout[feature]
    first, last = np.searchsorted(profile.cells, (where.start, where.missing + 1))
    inside = profile.cells[first:last] - where.start
    counts = np.zeros(where.bins + 1, np.int64)
    positions = np.zeros(where.bins, np.int64)
    counts[inside] = profile.counts[first:last]
    has_value = inside < where.bins
    positions[inside[has_value]] = profile.positions[first:last][has_value]
    i = next(i for i, column in enumerate(specification.columns) if column.name == feature)
    return Histogram(counts[:-1], positions, int(counts[-1]), float(profile.low[i]), float(profile.high[i]))


def with_score_of(specification: ProfileSpecification, features: Profile, score: Profile) -> Profile:
    """Profile with the features and rows of one profile and the score of another, whose rows may be others (the
    hold-out's)."""
    start = specification.layout[specification.score.name].start
    a, b = features.cells < start, score.cells >= start
    low, high = features.low.copy(), features.high.copy()
    low[-1], high[-1] = score.low[-1], score.high[-1]
    return Profile(
        features.rows,
        frozen(np.concatenate((features.cells[a], score.cells[b]))),
        frozen(np.concatenate((features.counts[a], score.counts[b]))),
        frozen(np.concatenate((features.positions[a], score.positions[b]))),
        frozen(low),
        frozen(high),
    )


def bin_means(column: NumericColumn, of: Histogram) -> Floats:
    """Mean of each bin's values, float64[bins], in the column's unit; the bin's anchor where it is empty. Exact to
    half a step (1/512 of the bin's width) a value; means beyond the largest float are clipped to it."""
    moved = of.positions / np.maximum(of.counts, 1) * column.units
    moved[0] = -moved[0]  # the underflow bin measures downwards
    with np.errstate(over="ignore"):  # values that lie as far apart as floats reach
        means = column.anchors + moved
    largest = np.finfo(np.float64).max
    return np.asarray(np.clip(means, -largest, largest), np.float64)


def moments_in_spans(column: NumericColumn, of: Histogram) -> tuple[float, float]:
    """Mean and standard deviation (n in the denominator) of a column, measured from its first edge in units of its span,
    so that huge values do not overflow; NaN where it is empty. The mean is exact to half a step (1/512 of a bin's width);
    the deviation is that of the bins' means, without the spread inside a bin."""
    present = of.present
    if not present:
        return np.nan, np.nan
    offsets = (bin_means(column, of) / 2 - column.anchors[0] / 2) / (column.span / 2)
    mean = float(np.dot(of.counts, offsets) / present)
    return mean, float(np.sqrt(np.dot(of.counts, (offsets - mean) ** 2) / present))
