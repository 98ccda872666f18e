"""A profile: the mergeable summary of a window's rows under one specification.

Counts are integers and so are the summed positions of values within their bins (steps of 1/256 of the bin), so that
``merge`` is exact and associative: an hour is the sum of its minutes to the bit, in whatever order they are added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pilothouse.domain.categories import category_text
from pilothouse.domain.errors import InvalidInputError

from .arrays import Floats, Ints, frozen
from .coded import CodedColumn
from .specification import CategoricalColumn, Cells, NumericColumn, ProfileSpecification

_FARTHEST = float(1 << 32)
"""Positions saturate here: 65,536 times the reference's range beyond it."""
_POSITION_BITS = 33
_SORTED_BITS = 63 - _POSITION_BITS

Texts = Sequence[object] | CodedColumn


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Sparse: ``cells`` (increasing cell numbers, int64[k]) hold ``counts`` rows each; the other cells hold none.

    ``positions`` (int64[k]) is the sum of the values' positions in their bins; ``low`` and ``high`` (float64, one a
    column, the score last) are the extremes, NaN for categorical and empty columns.
    """

    rows: int
    cells: Ints
    counts: Ints
    positions: Ints
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """One column of a profile, dense: ``counts`` and ``positions`` are int64[bins]."""

    counts: Ints
    positions: Ints
    missing: int
    low: float
    high: float

    @property
    def present(self) -> int:
        """Rows that are not missing."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.present + self.missing


def empty_profile(specification: ProfileSpecification) -> Profile:
    """The profile of no rows: adding it changes nothing."""
    none = frozen(np.empty(0, np.int64))
    unknown = frozen(np.full(len(specification.columns), np.nan))
    return Profile(0, none, none, none, unknown, unknown)


def profile_rows(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
) -> Profile:
    """Count rows. ``scores`` is float64[n]; each column has n values. A column that is not given counts as missing,
    one that the specification does not know is left out. Raises InvalidInputError where a length or a type is wrong.
    """
    placed = _place_rows(specification, numeric, categorical, scores)
    return _count(specification, placed, slice(None))


def profile_groups(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
    groups: Ints,
) -> list[tuple[int, Profile]]:
    """The profile of each group of rows, by increasing group: ``groups`` (int64[n]) says to which each row belongs.

    The same as ``profile_rows`` of each group's rows, at little more than the cost of one call for all.
    """
    placed = _place_rows(specification, numeric, categorical, scores)
    if not len(groups):
        return []
    distinct, members = np.unique(groups, return_inverse=True)
    if len(distinct) == 1:
        return [(int(distinct[0]), _count(specification, placed, slice(None)))]
    if (len(distinct) * specification.cells).bit_length() > _SORTED_BITS:
        order = np.argsort(members, kind="stable")
        parts = np.split(order, np.searchsorted(members[order], np.arange(1, len(distinct))))
        return [
            (int(group), _count(specification, placed, rows))
            for group, rows in zip(distinct, parts, strict=True)
        ]
    return _count_groups(specification, placed, distinct, members)


def _count_groups(
    specification: ProfileSpecification, placed: "_PlacedRows", distinct: Ints, members: Ints
) -> list[tuple[int, Profile]]:
    """All groups by one sort of (group, cell, position) packed into 63 bits: few rows a group cost no pass over all cells."""
    packed = placed.cells + members * specification.cells
    packed <<= _POSITION_BITS
    packed |= placed.positions.astype(np.int64)
    flat = packed.ravel()
    flat.sort()
    keys = flat >> _POSITION_BITS
    flat &= (1 << _POSITION_BITS) - 1
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    counts = np.diff(np.append(starts, len(keys)))
    positions = np.add.reduceat(flat, starts)
    which, cells = np.divmod(keys[starts], specification.cells)
    bounds = np.searchsorted(which, np.arange(len(distinct) + 1))
    order = np.argsort(members, kind="stable")
    values = placed.values[:, order]
    first = np.searchsorted(members[order], np.arange(len(distinct)))
    low, high = np.fmin.reduceat(values, first, axis=1), np.fmax.reduceat(values, first, axis=1)
    rows = np.bincount(members)
    found = []
    for i, group in enumerate(distinct):
        part = slice(bounds[i], bounds[i + 1])
        content = Profile(
            int(rows[i]),
            frozen(cells[part].copy()),
            frozen(counts[part].copy()),
            frozen(positions[part].copy()),
            frozen(low[:, i].copy()),
            frozen(high[:, i].copy()),
        )
        found.append((int(group), content))
    return found


def cells_of(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Sequence[object]],
    scores: Floats,
) -> Ints:
    """The cell of each row in each column, int64[columns, n], for what is learnt from rows to be told of profiles."""
    return _place_rows(specification, numeric, categorical, scores).cells


@dataclass(frozen=True, slots=True, eq=False)
class _PlacedRows:
    """Rows in their cells, shape [columns, rows]; ``values`` is NaN where a column is not numeric, or a value missing."""

    cells: Ints
    positions: Floats
    values: Floats


def _place_rows(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
) -> _PlacedRows:
    scores = np.asarray(scores, dtype=np.float64)
    rows, tables = len(scores), _tables(specification)
    shape = len(specification.columns), rows
    placed = _PlacedRows(np.empty(shape, np.int64), np.zeros(shape), np.full(shape, np.nan))
    numbers = np.full((len(tables.numeric), rows), np.nan)
    for i, column in enumerate(specification.columns):
        if isinstance(column, CategoricalColumn):
            placed.cells[i] = _codes(column, categorical.get(column.name), rows)
            placed.cells[i] += specification.layout[column.name].start
    cells = np.empty(numbers.shape, np.int64)
    for i, number in enumerate(tables.numeric):
        column = specification.columns[number]
        assert isinstance(column, NumericColumn)
        values = scores if column is specification.score else numeric.get(column.name)
        if values is not None:
            numbers[i] = _numbers(column, values, rows)
        cells[i] = column.edges.searchsorted(numbers[i], side="right")
    cells += tables.starts
    unusable = ~np.isfinite(numbers)
    if unusable.any():
        numbers[unusable] = np.nan
        cells = np.where(unusable, tables.missing, cells)
    placed.cells[tables.numeric] = cells
    placed.values[tables.numeric] = numbers
    placed.positions[tables.numeric] = _positions(tables, cells, numbers)
    return placed


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """``numeric`` (int64[m]) are the places of the numeric columns, ``starts`` and ``missing`` (int64[m, 1]) their first
    cells and those of missing values; ``anchors`` and ``units`` (float64, one a cell) are the columns' own."""

    numeric: Ints
    starts: Ints
    missing: Ints
    anchors: Floats
    units: Floats


@lru_cache(maxsize=64)
def _tables(specification: ProfileSpecification) -> _Tables:
    anchors, units = np.zeros(specification.cells), np.zeros(specification.cells)
    numeric, starts, missing = [], [], []
    for i, column in enumerate(specification.columns):
        where = specification.layout[column.name]
        if isinstance(column, NumericColumn):
            numeric.append(i)
            starts.append(where.start)
            missing.append(where.missing)
            anchors[where.start : where.missing] = column.anchors
            units[where.start : where.missing] = column.units
    return _Tables(
        np.array(numeric, np.int64),
        np.array(starts, np.int64)[:, None],
        np.array(missing, np.int64)[:, None],
        anchors,
        units,
    )


def _positions(tables: _Tables, cells: Ints, numbers: Floats) -> Floats:
    """How far each value lies from its bin's anchor, in whole steps; 0 where it is missing or has a bin of its own."""
    units = tables.units[cells]
    steps = np.zeros(cells.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        np.divide(np.abs(numbers - tables.anchors[cells]), units, out=steps, where=units > 0)
    steps[np.isnan(steps)] = 0.0  # an endless distance in endless units
    np.rint(steps, out=steps)
    return np.minimum(steps, _FARTHEST, out=steps)


def _count(specification: ProfileSpecification, placed: _PlacedRows, rows: Ints | slice) -> Profile:
    cells = placed.cells[:, rows]
    values = placed.values[:, rows]
    flat = cells.ravel()
    counts = np.bincount(flat, minlength=specification.cells)
    sums = np.bincount(flat, weights=placed.positions[:, rows].ravel(), minlength=specification.cells)
    low, high = np.fmin.reduce(values, axis=1, initial=np.nan), np.fmax.reduce(values, axis=1, initial=np.nan)
    return _sparse(cells.shape[1], counts, sums.astype(np.int64), low, high)


def place(column: NumericColumn, values: Floats) -> Ints:
    """The bin of each value, int64[n]; ``column.bins`` where it is missing or not finite."""
    bins = np.searchsorted(column.edges, values, side="right")
    bins[~np.isfinite(values)] = column.bins
    return bins


def _numbers(column: NumericColumn, values: Floats, rows: int) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"column {column.name!r} holds something that is not a number; expected float64 with NaN for missing"
        ) from None
    if array.shape != (rows,):
        raise InvalidInputError(f"column {column.name!r} has shape {array.shape}; expected ({rows},)")
    return array


def _codes(column: CategoricalColumn, values: Texts | None, rows: int) -> Ints | int:
    if values is None:
        return column.bins
    if len(values) != rows:
        raise InvalidInputError(f"column {column.name!r} has {len(values)} values; expected {rows}")
    codes, other = column.codes, len(column.categories)
    if isinstance(values, CodedColumn):
        return values.mapped(codes, other)
    return np.fromiter(
        (codes.get(v if type(v) is str else category_text(v), other) for v in values), np.int64, rows
    )


def _sparse(rows: int, counts: Ints, positions: Ints, low: Floats, high: Floats) -> Profile:
    cells = np.flatnonzero(counts)
    return Profile(
        rows, frozen(cells), frozen(counts[cells]), frozen(positions[cells]), frozen(low), frozen(high)
    )


def merge(specification: ProfileSpecification, first: Profile, second: Profile) -> Profile:
    """The profile of the rows of both. Exact, associative, commutative."""
    return merge_all(specification, (first, second))


def merge_all(specification: ProfileSpecification, profiles: Iterable[Profile]) -> Profile:
    """The profile of the rows of all (none: the empty profile)."""
    parts = list(profiles)
    if not parts:
        return empty_profile(specification)
    if len(parts) == 1:
        return parts[0]
    cells = np.concatenate([part.cells for part in parts])
    counts = np.zeros(specification.cells, np.int64)
    positions = np.zeros(specification.cells, np.int64)
    np.add.at(counts, cells, np.concatenate([part.counts for part in parts]))
    np.add.at(positions, cells, np.concatenate([part.positions for part in parts]))
    low = np.fmin.reduce([part.low for part in parts])
    high = np.fmax.reduce([part.high for part in parts])
    return _sparse(sum(part.rows for part in parts), counts, positions, low, high)


def histogram(specification: ProfileSpecification, profile: Profile, feature: str) -> Histogram:
    """One column of a profile, dense."""
    where: Cells = specification.layout[feature]
    first, last = np.searchsorted(profile.cells, (where.start, where.missing + 1))
    inside = profile.cells[first:last] - where.start
    counts = np.zeros(where.bins + 1, np.int64)
    positions = np.zeros(where.bins, np.int64)
    counts[inside] = profile.counts[first:last]
    held = inside < where.bins
    positions[inside[held]] = profile.positions[first:last][held]
    i = next(i for i, column in enumerate(specification.columns) if column.name == feature)
    return Histogram(counts[:-1], positions, int(counts[-1]), float(profile.low[i]), float(profile.high[i]))


def with_score_of(specification: ProfileSpecification, features: Profile, score: Profile) -> Profile:
    """The features of one profile beside the score of another (of other rows: the hold-out's)."""
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
    """The mean of each bin's values, float64[bins]; where a bin is empty, the point its positions start from."""
    moved = of.positions / np.maximum(of.counts, 1) * column.units
    moved[0] = -moved[0]  # the underflow bin measures downwards
    return np.asarray(column.anchors + moved, np.float64)


def moments_in_spans(column: NumericColumn, of: Histogram) -> tuple[float, float]:
    """``moments`` measured from the first edge in units of the column's span, which no huge value overflows."""
    present = of.present
    if not present:
        return np.nan, np.nan
    places = (bin_means(column, of) / 2 - column.anchors[0] / 2) / (column.span / 2)
    mean = float(np.dot(of.counts, places) / present)
    return mean, float(np.sqrt(np.dot(of.counts, (places - mean) ** 2) / present))


def moments(column: NumericColumn, of: Histogram) -> tuple[float, float]:
    """Mean and standard deviation (n in the denominator) of a column; NaN where it is empty.

    The mean is exact to half a step (1/512 of a bin's width); the deviation leaves out the spread inside a bin.
    """
    mean, deviation = moments_in_spans(column, of)
    return float(column.anchors[0]) + mean * column.span, deviation * column.span
