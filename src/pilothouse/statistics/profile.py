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
_FEW = 16
"""Values, as one in so many of a specification's cells, below which sorting them is cheaper than a pass over all cells."""

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
    return _count(specification, _place_rows(specification, numeric, categorical, scores))


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
    if groups.min() == groups.max():
        return [(int(groups[0]), _count(specification, placed))]
    distinct, members = np.unique(groups, return_inverse=True)
    if (len(distinct) * specification.cells).bit_length() > _SORTED_BITS:
        order = np.argsort(members, kind="stable")
        parts = np.split(order, np.searchsorted(members[order], np.arange(1, len(distinct))))
        return [
            (int(group), _count(specification, placed.take(rows)))
            for group, rows in zip(distinct, parts, strict=True)
        ]
    return _count_groups(specification, placed, distinct, members)


def _count_groups(
    specification: ProfileSpecification, placed: "_PlacedRows", distinct: Ints, members: Ints
) -> list[tuple[int, Profile]]:
    """All groups by one sort of (group, cell, position): few rows a group cost no pass over all cells."""
    keys, counts, positions = _counted_by_sorting(placed.cells + members * specification.cells, placed.positions)
    which, cells = np.divmod(keys, specification.cells)
    bounds = np.searchsorted(which, np.arange(len(distinct) + 1))
    order = np.argsort(members, kind="stable")
    first = np.searchsorted(members[order], np.arange(len(distinct)))
    values = placed.values[:, order]
    lows, highs = np.fmin.reduceat(values, first, axis=1), np.fmax.reduceat(values, first, axis=1)
    rows = np.bincount(members)
    found = []
    for i, group in enumerate(distinct.tolist()):
        part = slice(bounds[i], bounds[i + 1])
        low, high = _extremes(specification, lows[:, i], highs[:, i])
        content = Profile(
            int(rows[i]),
            frozen(cells[part].copy()),
            frozen(counts[part].copy()),
            frozen(positions[part].copy()),
            low,
            high,
        )
        found.append((group, content))
    return found


def _counted_by_sorting(keys: Ints, positions: Floats) -> tuple[Ints, Ints, Ints]:
    """Distinct ``keys`` (increasing), how often each is there, and the sum of its positions; those are given for the first
    rows of ``keys`` and 0 for the others. By one sort of both, packed into 63 bits."""
    packed = keys << _POSITION_BITS
    packed[: len(positions)] |= positions.astype(np.int64)
    flat = packed.ravel()
    flat.sort()
    keys = flat >> _POSITION_BITS
    flat &= (1 << _POSITION_BITS) - 1
    starts = np.flatnonzero(np.concatenate((flat[:1] == flat[:1], keys[1:] != keys[:-1])))
    return keys[starts], np.diff(starts, append=len(keys)), np.add.reduceat(flat, starts)


def cells_of(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Sequence[object]],
    scores: Floats,
) -> Ints:
    """The cell of each row in each column, int64[columns, n], for what is learnt from rows to be told of profiles."""
    cells = np.empty((len(specification.columns), len(scores)), np.int64)
    cells[_tables(specification).order] = _place_rows(specification, numeric, categorical, scores).cells
    return cells


@dataclass(frozen=True, slots=True, eq=False)
class _PlacedRows:
    """Rows in their cells: ``cells`` int64[columns, rows], the numeric columns first; of these ``positions`` and ``values``,
    float64[numeric, rows]; NaN where a value is missing."""

    cells: Ints
    positions: Floats
    values: Floats

    def take(self, rows: Ints) -> "_PlacedRows":
        """Some of the rows."""
        return _PlacedRows(self.cells[:, rows], self.positions[:, rows], self.values[:, rows])


def _place_rows(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
) -> _PlacedRows:
    scores = np.asarray(scores, dtype=np.float64)
    rows, tables = len(scores), _tables(specification)
    placed = np.empty((len(specification.columns), rows), np.int64)
    cells, coded = placed[: len(tables.numeric)], placed[len(tables.numeric) :]
    numbers = np.empty(cells.shape)
    for i, column in enumerate(tables.numeric):
        values = scores if column is specification.score else numeric.get(column.name)
        numbers[i] = np.nan if values is None else _numbers(column, values, rows)
        cells[i] = column.edges.searchsorted(numbers[i], side="right")
    cells += tables.starts
    unusable = ~np.isfinite(numbers)
    if unusable.any():
        numbers[unusable] = np.nan
        np.copyto(cells, tables.missing, where=unusable)
    for i, names in enumerate(tables.categorical):
        coded[i] = _codes(names, categorical.get(names.name), rows)
        coded[i] += specification.layout[names.name].start
    return _PlacedRows(placed, _positions(tables, cells, numbers), numbers)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """The numeric and the categorical columns and the ``order`` (int64[columns]) of these in the specification; ``starts``
    and ``missing`` (int64[numeric, 1]), the first cells of the numeric ones and those of missing values; ``anchors`` and
    ``units`` (float64, one a cell), the columns' own, the unit infinite where a bin is a single value."""

    numeric: list[NumericColumn]
    categorical: list[CategoricalColumn]
    order: Ints
    starts: Ints
    missing: Ints
    anchors: Floats
    units: Floats


@lru_cache(maxsize=64)
def _tables(specification: ProfileSpecification) -> _Tables:
    anchors, units = np.zeros(specification.cells), np.full(specification.cells, np.inf)
    columns = list(enumerate(specification.columns))
    numeric = [(i, column) for i, column in columns if isinstance(column, NumericColumn)]
    categorical = [(i, column) for i, column in columns if isinstance(column, CategoricalColumn)]
    layout = [specification.layout[column.name] for _, column in numeric]
    for where, (_, column) in zip(layout, numeric, strict=True):
        anchors[where.start : where.missing] = column.anchors
        units[where.start : where.missing] = np.where(column.units > 0, column.units, np.inf)
    return _Tables(
        [column for _, column in numeric],
        [column for _, column in categorical],
        np.array([i for i, _ in (*numeric, *categorical)], np.int64),
        np.array([where.start for where in layout], np.int64)[:, None],
        np.array([where.missing for where in layout], np.int64)[:, None],
        anchors,
        units,
    )


def _positions(tables: _Tables, cells: Ints, numbers: Floats) -> Floats:
    """How far each value lies from its bin's anchor, in whole steps; 0 where it is missing or has a bin of its own."""
    steps = numbers - tables.anchors.take(cells)
    np.abs(steps, out=steps)
    with np.errstate(over="ignore", invalid="ignore"):
        steps /= tables.units.take(cells)
    steps[np.isnan(steps)] = 0.0  # missing, or an endless distance in endless units
    np.rint(steps, out=steps)
    return np.minimum(steps, _FARTHEST, out=steps)


def _count(specification: ProfileSpecification, placed: _PlacedRows) -> Profile:
    """All rows as one profile."""
    low, high = _extremes(
        specification,
        np.fmin.reduce(placed.values, axis=1, initial=np.nan),
        np.fmax.reduce(placed.values, axis=1, initial=np.nan),
    )
    rows = placed.cells.shape[1]
    if placed.cells.size * _FEW < specification.cells and specification.cells.bit_length() <= _SORTED_BITS:
        cells, counts, positions = _counted_by_sorting(placed.cells, placed.positions)
        return Profile(rows, frozen(cells), frozen(counts), frozen(positions), low, high)
    counts = np.bincount(placed.cells.ravel(), minlength=specification.cells)
    moved = placed.cells[: len(placed.positions)].ravel()
    sums = np.bincount(moved, weights=placed.positions.ravel(), minlength=specification.cells)
    cells = np.flatnonzero(counts != 0)
    positions = sums[cells].astype(np.int64)
    return Profile(rows, frozen(cells), frozen(counts[cells]), frozen(positions), low, high)


def _extremes(specification: ProfileSpecification, *of_numeric: Floats) -> list[Floats]:
    """Values of the numeric columns, each array spread over all columns: NaN for the categorical ones."""
    order = _tables(specification).order
    spread = [np.full(len(order), np.nan) for _ in of_numeric]
    for array, values in zip(spread, of_numeric, strict=True):
        array[order[: len(values)]] = values
    return [frozen(array) for array in spread]


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
    if len(parts) == 2:
        return _sum_of_two(*parts)
    cells = np.concatenate([part.cells for part in parts])
    counts = np.zeros(specification.cells, np.int64)
    positions = np.zeros(specification.cells, np.int64)
    np.add.at(counts, cells, np.concatenate([part.counts for part in parts]))
    np.add.at(positions, cells, np.concatenate([part.positions for part in parts]))
    low = np.fmin.reduce([part.low for part in parts])
    high = np.fmax.reduce([part.high for part in parts])
    held = np.flatnonzero(counts != 0)
    return Profile(
        sum(part.rows for part in parts),
        frozen(held),
        frozen(counts[held]),
        frozen(positions[held]),
        frozen(low),
        frozen(high),
    )


def _sum_of_two(first: Profile, second: Profile) -> Profile:
    """What a batch does to its window: no pass over all cells."""
    if first.cells.size < second.cells.size:
        first, second = second, first
    at = first.cells.searchsorted(second.cells)
    new = np.take(first.cells, at, mode="clip") != second.cells if first.cells.size else np.ones(0, np.bool_)
    cells, counts, positions = first.cells, first.counts.copy(), first.positions.copy()
    if new.any():
        cells = np.concatenate((first.cells, second.cells[new]))
        cells.sort()
        own, at = cells.searchsorted(first.cells), cells.searchsorted(second.cells)
        counts, positions = np.zeros((2, len(cells)), np.int64)
        counts[own], positions[own] = first.counts, first.positions
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
