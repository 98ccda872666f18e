"""Many profiles of few rows each as one frame: column by column, and nothing twice that the extremes say already.

A profile of one row is its values: cells, positions and the largest value follow from the smallest. So cells and positions
are stored as differences from what the extremes would give. Differences are exact whatever the profile, only longer where it
is of many rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.arrays import Floats, Ints, frozen
from pilothouse.statistics.encoding import pack_plain, unpack_plain
from pilothouse.statistics.profiles.placement import cells_of_numbers, positions_of, tables_of
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification

_LEVEL = 12
"""zstd level: a pack is written once, at rest."""
_DAMAGED = "stored profiles are damaged: {}; restore them from a backup"


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """First cells of the columns in the specification's order, the place of each among the numeric and then the categorical
    ones, and the first cells in that order."""

    starts: Ints
    place: Ints
    starts_by_place: Ints
    numeric: Ints


@lru_cache(maxsize=64)
def _layout_of(specification: ProfileSpecification) -> _Layout:
    tables = tables_of(specification)
    starts = np.array([specification.layout[c.name].start for c in specification.columns], np.int64)
    place = np.empty_like(tables.order)
    place[tables.order] = np.arange(len(tables.order))
    return _Layout(starts, place, starts[tables.order], tables.order[: len(tables.numeric)])


def encode(specification: ProfileSpecification, profiles: Sequence[Profile]) -> bytes:
    """Bytes of profiles of one specification (kind "Q"), which ``decode`` gives back to the bit."""
    layout, many = _layout_of(specification), len(profiles)
    cells = np.concatenate([part.cells for part in profiles])
    owners = np.repeat(np.arange(many), [len(part.cells) for part in profiles])
    columns = layout.place[np.searchsorted(layout.starts, cells, side="right") - 1]
    order = np.argsort(columns, kind="stable")  # within a column by profile, then by cell
    cells, groups = cells[order], (columns * many + owners)[order]
    counts = np.concatenate([part.counts for part in profiles])[order]
    positions = np.concatenate([part.positions for part in profiles])[order]
    low = np.array([part.low[layout.numeric] for part in profiles]).T.copy()
    high = np.array([part.high[layout.numeric] for part in profiles]).T.copy()
    sizes = np.bincount(groups, minlength=many * len(layout.starts))
    gaps = cells.copy()
    gaps[1:] -= cells[:-1]
    begins = _begins(sizes)
    gaps[begins] = cells[begins] - _first_cells(specification, low)[sizes > 0]
    other = low.view(np.int64) != high.view(np.int64)
    left = positions - _positions(specification, cells, counts, sizes, low, high)
    return pack_plain(
        "Q",
        (many, int(specification.digest[:15], 16)),
        (
            np.array([part.rows for part in profiles], np.int64),
            sizes,
            _unsigned(gaps),
            counts,
            _unsigned(left),
            low.ravel(),
            np.flatnonzero(other),
            high[other],
        ),
        level=_LEVEL,
    )


def decode(specification: ProfileSpecification, data: bytes) -> list[Profile]:
    """Profiles from the bytes that ``encode`` wrote. Raises IntegrityError for damaged bytes or those of another
    specification."""
    layout = _layout_of(specification)
    numbers, arrays = unpack_plain("Q", data)
    if len(numbers) != 2 or len(arrays) != 8:
        raise IntegrityError(_DAMAGED.format("parts are missing"))
    many, mark = numbers
    if mark != int(specification.digest[:15], 16):
        raise IntegrityError(
            f"profiles were made under specification {mark:015x}…; expected {specification.digest[:15]}…"
        )
    rows, sizes, gaps, counts, left, flat, other, high_values = arrays
    try:
        low = flat.reshape(len(layout.numeric), many)
        high = low.copy()
        high.reshape(-1)[other] = high_values
        if len(rows) != many or len(sizes) != many * len(layout.starts):
            raise ValueError("profiles are missing")
        cells = _signed(gaps)
        begins = _begins(sizes)
        cells[begins] += _first_cells(specification, low)[sizes > 0]
        ends = cells.cumsum()
        before = ends[begins] - cells[begins]
        cells = ends - np.repeat(before, sizes[sizes > 0])
        if cells.size and not 0 <= int(cells.min()) <= int(cells.max()) < specification.cells:
            raise ValueError("cells out of range")
        positions = _signed(left) + _positions(specification, cells, counts, sizes, low, high)
        owners = np.repeat(np.tile(np.arange(many), len(layout.starts)), sizes)
        order = np.lexsort((cells, owners))
        bounds = np.searchsorted(owners[order], np.arange(many + 1))
        every_low, every_high = np.full((2, many, len(layout.starts)), np.nan)
        every_low[:, layout.numeric], every_high[:, layout.numeric] = low.T, high.T
        cells, counts, positions = (frozen(array[order]) for array in (cells, counts, positions))
    except (IndexError, TypeError, ValueError) as error:
        raise IntegrityError(_DAMAGED.format(error)) from None
    profiles = []
    for i, (number, first, end) in enumerate(zip(rows.tolist(), bounds[:-1], bounds[1:], strict=True)):
        inside = slice(first, end)
        profiles.append(
            Profile(
                number,
                cells[inside],
                counts[inside],
                positions[inside],
                frozen(every_low[i]),
                frozen(every_high[i]),
            )
        )
    return profiles


def _begins(sizes: Ints) -> Ints:
    """Index of the first entry of each group that has any."""
    return (sizes.cumsum() - sizes)[sizes > 0]


def _first_cells(specification: ProfileSpecification, low: Floats) -> Ints:
    """Cell with which each group is expected to begin, int64[columns × profiles]: that of the smallest value, or the column's
    first."""
    layout, many = _layout_of(specification), low.shape[1]
    expected = np.repeat(layout.starts_by_place, many)
    bounds = np.arange(len(low) + 1) * many
    expected[: low.size] = cells_of_numbers(tables_of(specification), low.ravel(), bounds)
    return expected


def _positions(
    specification: ProfileSpecification, cells: Ints, counts: Ints, sizes: Ints, low: Floats, high: Floats
) -> Ints:
    """Position of each entry as the extremes give it where they are its only value, else 0."""
    tables, numeric = tables_of(specification), low.size
    expected = np.zeros_like(cells)
    entries = int(sizes[:numeric].sum())
    bounds = np.arange(len(low) + 1) * low.shape[1]
    for extreme in (high, low):
        of_group = cells_of_numbers(tables, extreme.ravel(), bounds)
        same = np.repeat(of_group, sizes[:numeric]) == cells[:entries]
        values = np.repeat(extreme.ravel(), sizes[:numeric])
        hit = np.flatnonzero(same & (counts[:entries] == 1))
        expected[hit] = positions_of(tables, cells[hit], values[hit]).astype(np.int64)
    return expected


def _unsigned(numbers: Ints) -> Ints:
    """Signed numbers as unsigned ones, small where they are small: 0, −1, 1, −2 … as 0, 1, 2, 3."""
    return (numbers << 1) ^ (numbers >> 63)


def _signed(numbers: Ints) -> Ints:
    return (numbers >> 1) ^ -(numbers & 1)
