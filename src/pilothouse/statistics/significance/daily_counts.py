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
    """A column's daily counts as running sums: row i of ``counts`` int32 or int64[ends, bins + 1], the missing values last, and
    of ``positions`` int64[ends, bins] is the sum over the first ``ends[i]`` days. A run of days between two ends is the
    difference of two rows."""

    ends: Ints
    counts: AnyArray
    positions: Ints

    @property
    def whole(self) -> Histogram:
        """All days together, without missing values."""
        return Histogram(self.counts[-1, :-1].astype(np.int64), self.positions[-1], 0, 0.0, 0.0)

    @property
    def rows(self) -> Ints:
        """Rows with a value up to each end, int64[ends]."""
        return np.asarray(self.counts[:, :-1].sum(axis=1, dtype=np.int64))


def days_of_columns(
    specification: ProfileSpecification, daily: Sequence[Profile], columns: Sequence[Column], ends: Ints
) -> Iterator[tuple[Column, Days]]:
    """Each column with its days, one after the other; days without rows are left out. ``ends`` (increasing, from 0 to the
    number of days) are those up to which sums are wanted.

    Columns whose days are worth _AT_ONCE bytes are read from the profiles together.
    """
    sizes = [rows for rows in sizes_of(daily) if rows]
    counted: type[np.signedinteger[Any]] = np.int32 if sum(sizes) < 1 << 31 else np.int64
    rest = list(columns)
    while rest:
        bins, group = 0, list[Column]()
        while rest and (not group or 12 * len(ends) * (bins + rest[0].bins) <= _AT_ONCE):
            bins += rest[0].bins
            group.append(rest.pop(0))
        read = _read_columns(specification, daily, group, ends, counted)
        while read:
            yield group.pop(0), read.pop(0)


def _read_columns(
    specification: ProfileSpecification,
    daily: Iterable[Profile],
    columns: Sequence[Column],
    ends: Ints,
    counted: type[np.signedinteger[Any]],
) -> list[Days]:
    """Days of several columns by one pass over the profiles."""
    layout = [specification.layout[column.name] for column in columns]
    read = [
        Days(
            ends, np.zeros((len(ends), cells.bins + 1), counted), np.zeros((len(ends), cells.bins), np.int64)
        )
        for cells in layout
    ]
    bounds = np.array([(cells.start, cells.missing, cells.missing + 1) for cells in layout])
    first_ends = ends.searchsorted(np.arange(1, int(ends[-1]) + 1)).tolist()
    for row, day in zip(first_ends, (day for day in daily if day.rows), strict=True):
        found = day.cells.searchsorted(bounds).tolist()
        for days, cells, (first, missing, last) in zip(read, layout, found, strict=True):
            where = day.cells[first:last] - cells.start
            days.counts[row][where] += day.counts[first:last]
            days.positions[row][where[: missing - first]] += day.positions[first:missing]
    for days in read:
        for array in (days.counts, days.positions):
            np.cumsum(array, axis=0, dtype=array.dtype, out=array)
    return read


def ends_of(days: int, length: int, members: Sequence[Ints]) -> Ints:
    """Ends that sums over windows (each of ``members`` int64[windows, days]) take, and those of windows of ``length`` days one
    after the other."""
    wanted = [np.arange(0, days + 1, max(length, 1)), np.array([0, days])]
    return np.unique(np.concatenate([*wanted, *(np.flatnonzero(_turns(m).any(axis=0)) + 1 for m in members)]))


def sums(members: Ints, until: AnyArray, ends: Ints) -> Ints:
    """Sums over each window's days: ``members`` int64[windows, days], ``until`` int64[ends, ...] the sums over the first
    ``ends`` days → int64[windows, ...]."""
    turns = _turns(members)
    if np.count_nonzero(turns) > _FEW_TURNS * len(members):
        return product(turns[:, ends[1:] - 1], until[1:])
    of_windows = np.zeros((len(members), *until.shape[1:]), np.int64)
    windows, days = np.nonzero(turns)
    for window, row, turn in zip(windows, ends.searchsorted(days + 1), turns[windows, days], strict=True):
        if turn == 1:
            of_windows[window] += until[row]
        elif turn == -1:
            of_windows[window] -= until[row]
        else:
            of_windows[window] += turn * until[row]
    return of_windows


def _turns(members: Ints) -> Ints:
    """How much more often a window holds a day than the next one, int64[windows, days]. With m(d) and running sums X,
    Σ m(d)·x(d) = Σ (m(d) − m(d + 1))·X(d + 1): a run of days turns twice."""
    turns = members.copy()
    turns[:, :-1] -= members[:, 1:]
    return turns


def product(factors: Ints, of_days: AnyArray) -> Ints:
    """``factors`` int64[windows, days] @ ``of_days`` int64[days, ...] of numbers from 0 on → int64[windows, ...]."""
    # Products of floats have a fast routine (BLAS), those of integers have none; floats are exact below 2**53.
    largest = int(np.abs(factors).sum(axis=1).max(initial=0)) * int(of_days.max(initial=0))
    if largest >= 1 << 53:
        return np.asarray(factors @ of_days, np.int64)
    product: Ints = (factors.astype(np.float64) @ of_days.astype(np.float64)).astype(np.int64)
    return product
