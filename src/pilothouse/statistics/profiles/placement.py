"""Placement of values in the cells of a specification, and their distance from their bin's anchor: what every profile
counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.statistics.arrays import Flags, Floats, Ints
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    NumericColumn,
    ProfileSpecification,
)

_FARTHEST = float(1 << 32)
"""Steps at which a position saturates: 65,536 times the reference's range beyond it."""

Texts = Sequence[object] | CodedColumn
"""Values of a categorical column: one a row, or dictionary-coded."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Tables of a specification that placement looks values up in.

    ``order`` (int64[columns]) are the positions of the numeric columns, then of the categorical ones. ``starts`` and
    ``missing`` (int64[numeric]) are the first cells of the numeric columns and their cells of missing values;
    ``anchors`` and ``units`` (float64[cells]) are the columns' own, the unit infinite where a bin is a single value.
    """

    numeric: list[NumericColumn]
    categorical: list[CategoricalColumn]
    order: Ints
    starts: Ints
    missing: Ints
    anchors: Floats
    units: Floats


@lru_cache(maxsize=64)
def tables_of(specification: ProfileSpecification) -> Tables:
    """Tables of a specification, made once for each and cached."""
    anchors, units = np.zeros(specification.cells), np.full(specification.cells, np.inf)
    columns = list(enumerate(specification.columns))
    numeric = [(i, column) for i, column in columns if isinstance(column, NumericColumn)]
    categorical = [(i, column) for i, column in columns if isinstance(column, CategoricalColumn)]
    layout = [specification.layout[column.name] for _, column in numeric]
    for where, (_, column) in zip(layout, numeric, strict=True):
        anchors[where.start : where.missing] = column.anchors
        units[where.start : where.missing] = np.where(column.units > 0, column.units, np.inf)
    return Tables(
        [column for _, column in numeric],
        [column for _, column in categorical],
        np.array([i for i, _ in (*numeric, *categorical)], np.int64),
        np.array([where.start for where in layout], np.int64),
        np.array([where.missing for where in layout], np.int64),
        anchors,
        units,
    )


@dataclass(frozen=True, slots=True, eq=False)
class PlacedRows:
    """Rows in their cells: ``cells`` int64[columns, n], the numeric columns first; of these ``positions`` (whole
    steps) and ``values``, float64[numeric, n]. A missing value has the column's missing cell, position 0 and value
    NaN."""

    cells: Ints
    positions: Floats
    values: Floats

    def take(self, rows: Flags | slice) -> "PlacedRows":
        """Some of the rows, by a mask bool[n] or a slice."""
        return PlacedRows(self.cells[:, rows], self.positions[:, rows], self.values[:, rows])


def place_rows(
    specification: ProfileSpecification,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Texts],
    scores: Floats,
) -> PlacedRows:
    """Cells, positions and values of rows. ``scores`` is float64[n]; each column has n values, one that is not given
    counts as missing. Raises InvalidInputError where a column's length or type is wrong."""
    scores = np.asarray(scores, dtype=np.float64)
    rows, tables = len(scores), tables_of(specification)
    numbers = numeric_matrix(specification, numeric, scores)
    cells = np.empty((len(specification.columns), rows), np.int64)
    numeric_cells, coded = cells[: len(numbers)], cells[len(numbers) :]
    bounds = np.arange(len(numbers) + 1) * rows
    numeric_cells[:] = cells_of_numbers(tables, numbers.ravel(), bounds).reshape(numbers.shape)
    for i, column in enumerate(tables.categorical):
        coded[i] = category_codes(column, categorical.get(column.name), rows)
        coded[i] += specification.layout[column.name].start
    return PlacedRows(cells, positions_of(tables, numeric_cells, numbers), numbers)


def numeric_matrix(
    specification: ProfileSpecification, numeric: Mapping[str, Floats], scores: Floats
) -> Floats:
    """Numeric columns as float64[numeric, n], the score last, NaN where a value is missing, infinite or the column is
    not given; no zero has a sign. Raises InvalidInputError for a column of another length, or that holds something that
    is not a number."""
    columns = tables_of(specification).numeric
    numbers = np.empty((len(columns), len(scores)))
    for i, column in enumerate(columns):
        values = scores if column is specification.score else numeric.get(column.name)
        numbers[i] = np.nan if values is None else _numbers(column, values, len(scores))
    numbers[~np.isfinite(numbers)] = np.nan  # one NaN and one zero, so that extremes are the same to the bit
    numbers += 0.0
    return numbers


def cells_of_numbers(tables: Tables, values: Floats, bounds: Ints) -> Ints:
    """Cell of each value (float64[n]), int64[n]; NaN gets its column's missing cell. The values of the i-th numeric
    column lie from ``bounds[i]`` to ``bounds[i + 1]`` (int64[numeric + 1])."""
    cells = np.empty(len(values), np.int64)
    for column, first, end in zip(tables.numeric, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        cells[first:end] = column.edges.searchsorted(values[first:end], side="right")
    lengths = bounds[1:] - bounds[:-1]
    cells += np.repeat(tables.starts, lengths)
    np.copyto(cells, np.repeat(tables.missing, lengths), where=np.isnan(values))
    return cells


def positions_of(tables: Tables, cells: Ints, numbers: Floats) -> Floats:
    """Distance of each value from its bin's anchor in whole steps, float64 of the shape of ``numbers``, at most 2³²;
    0 where the value is missing or has a bin of its own."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = numbers - tables.anchors.take(cells)
        np.abs(steps, out=steps)
        steps /= tables.units.take(cells)
    steps[np.isnan(steps)] = 0.0  # missing, or an endless distance in endless units
    np.rint(steps, out=steps)
    return np.minimum(steps, _FARTHEST, out=steps)


def over_all_columns(tables: Tables, of_numeric: Floats) -> Floats:
    """Values of the numeric columns (float64[numeric, ...]) at their positions among all columns, float64[columns, ...];
    NaN for the categorical ones."""
    spread = np.full((len(tables.order), *of_numeric.shape[1:]), np.nan)
    spread[tables.order[: len(of_numeric)]] = of_numeric
    return spread


def bins_of(column: NumericColumn, values: Floats) -> Ints:
    """Bin of each value (float64[n]) in a column, int64[n]; ``column.bins`` where it is missing or not finite."""
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


def category_codes(column: CategoricalColumn, values: Texts | None, rows: int) -> Ints:
    """Position of each row's category in its column, int64[n]: ``len(categories)`` for any other, one more for missing
    (all rows, where ``values`` is None). Raises InvalidInputError for another number of values than ``rows``."""
    if values is None:
        return np.full(rows, column.bins)
    if len(values) != rows:
        raise InvalidInputError(f"column {column.name!r} has {len(values)} values; expected {rows}")
    codes, other = column.codes, len(column.categories)
    if isinstance(values, CodedColumn):
        return values.mapped(codes, other)
    return np.fromiter(
        (codes.get(v if type(v) is str else category_text(v), other) for v in values), np.int64, rows
    )
