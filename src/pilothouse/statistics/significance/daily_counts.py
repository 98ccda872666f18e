"""Daily counts of a reference's columns, column by column as running sums, and sums over windows of them.

Years of all columns, dense, would take a gigabyte: a few columns are read from the profiles at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import AnyArray, Ints
from pilothouse.statistics.profiles.profile import Histogram, Profile
from pilothouse.statistics.profiles.profile_storage import sizes_of
from pilothouse.statistics.profiles.specification import Column, ProfileSpecification

_AT_ONCE = 32 << 20
"""Bytes of columns' days that are held at once, if one column alone does not take more."""
_FEW_TURNS = 6
"""Beginnings and ends of runs a window up to which a sum is taken run by run."""


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """A column's daily counts as running sums: row d of ``counts`` int32 or int64[days + 1, bins + 1], the missing values
    last, and of ``positions`` int64[days + 1, bins] is the sum over the first d days. Any run of days is the difference of two
    rows."""

    counts: AnyArray
    positions: Ints

    @property
    def whole(self) -> Histogram:
        """All days together, without missing values."""
        return Histogram(self.counts[-1, :-1].astype(np.int64), self.positions[-1], 0, 0.0, 0.0)

    @property
    def rows(self) -> Ints:
        """Rows with a value up to each day, int64[days + 1]."""
        return np.asarray(self.counts[:, :-1].sum(axis=1, dtype=np.int64))


def days_of_columns(
    specification: ProfileSpecification, daily: Sequence[Profile], columns: Sequence[Column]
) -> Iterator[tuple[Column, Days]]:
    """Each column with its days, one after the other; days without rows are left out.

    Columns whose days are worth _AT_ONCE bytes are read from the profiles together.
    """
    sizes = [rows for rows in sizes_of(daily) if rows]
    counted: type[np.signedinteger[Any]] = np.int32 if sum(sizes) < 1 << 31 else np.int64
    rest = list(columns)
    while rest:
        bins, group = 0, list[Column]()
        while rest and (not group or 12 * len(sizes) * (bins + rest[0].bins) <= _AT_ONCE):
            bins += rest[0].bins
            group.append(rest.pop(0))
        read = _read_columns(specification, daily, group, len(sizes), counted)
        while read:
            yield group.pop(0), read.pop(0)


def _read_columns(
    specification: ProfileSpecification,
    daily: Iterable[Profile],
    columns: Sequence[Column],
    filled: int,
    counted: type[np.signedinteger[Any]],
) -> list[Days]:
    """Days of several columns by one pass over the profiles, of which ``filled`` have rows."""
    layout = [specification.layout[column.name] for column in columns]
    read = [
        Days(
            np.zeros((filled + 1, cells.bins + 1), counted),
            np.zeros((filled + 1, cells.bins), np.int64),
        )
        for cells in layout
    ]
    bounds = np.array([(cells.start, cells.missing, cells.missing + 1) for cells in layout])
    for row, day in enumerate((day for day in daily if day.rows), 1):
        found = day.cells.searchsorted(bounds).tolist()
        for days, cells, (first, missing, last) in zip(read, layout, found, strict=True):
            where = day.cells[first:last] - cells.start
            days.counts[row, where] = day.counts[first:last]
            days.positions[row, where[: missing - first]] = day.positions[first:missing]
    for days in read:
        for array in (days.counts, days.positions):
            np.cumsum(array, axis=0, dtype=array.dtype, out=array)
    return read


def sums(members: Ints, until: AnyArray) -> Ints:
    """Sums over each window's days: ``members`` int64[windows, days], ``until`` int64[days + 1, ...] the sums over the first
    days → int64[windows, ...]."""
    # Σ m(d)·x(d) = Σ (m(d) − m(d + 1))·X(d + 1) with the running sums X: a run of days has two differences
    turns = members.copy()
    turns[:, :-1] -= members[:, 1:]
    if np.count_nonzero(turns) > _FEW_TURNS * len(members):
        return product(turns, until[1:])
    of_windows = np.zeros((len(members), *until.shape[1:]), np.int64)
    for window, day in np.argwhere(turns).tolist():
        of_windows[window] += turns[window, day] * until[day + 1]
    return of_windows


def product(factors: Ints, of_days: AnyArray) -> Ints:
    """``factors`` int64[windows, days] @ ``of_days`` int64[days, ...] of numbers from 0 on → int64[windows, ...]."""
    # Products of floats have a fast routine (BLAS), those of integers have none; floats are exact below 2**53.
    largest = int(np.abs(factors).sum(axis=1).max(initial=0)) * int(of_days.max(initial=0))
    if largest >= 1 << 53:
        return np.asarray(factors @ of_days, np.int64)
    product: Ints = (factors.astype(np.float64) @ of_days.astype(np.float64)).astype(np.int64)
    return product
