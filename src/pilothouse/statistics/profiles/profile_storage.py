"""Profiles as bytes: gaps between increasing cells, counts and positions, packed."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import overload

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.arrays import Ints, frozen
from pilothouse.statistics.encoding import is_plain, pack_plain, unpack, unpack_plain
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import NumericColumn, ProfileSpecification

_LARGEST_GAP = 0xFFFF_FFFF
"""Largest gap between cells that a sound profile can have; below it the running sum of gaps cannot overflow."""


def encode(specification: ProfileSpecification, profile: Profile) -> bytes:
    """Bytes of a profile (kind "P", format 2), marked with the first 60 bits of its specification's digest."""
    mark, numeric = _mark_and_numeric(specification)
    gaps = profile.cells.copy()
    gaps[1:] -= profile.cells[:-1]
    return pack_plain(
        "P",
        (profile.rows, mark),
        (gaps, profile.counts, profile.positions, profile.low[numeric], profile.high[numeric]),
    )


@lru_cache(maxsize=64)
def _mark_and_numeric(specification: ProfileSpecification) -> tuple[int, Ints]:
    """First 60 bits of a specification's digest, and positions of its numeric columns."""
    numeric = [i for i, column in enumerate(specification.columns) if isinstance(column, NumericColumn)]
    return int(specification.digest[:15], 16), np.array(numeric, np.int64)


def decode(specification: ProfileSpecification, data: bytes) -> Profile:
    """Profile from the bytes that ``encode`` or the first release wrote. Raises IntegrityError for damaged bytes, or
    a profile of another specification."""
    own_mark, numeric = _mark_and_numeric(specification)
    if is_plain(data):
        numbers, arrays = unpack_plain("P", data)
        if len(numbers) != 2 or len(arrays) != 5:
            raise IntegrityError("a stored profile is damaged: parts are missing; restore it from a backup")
        rows, mark = numbers
        own = mark == own_mark
        of = "" if own else f"{mark:015x}"
        gaps, counts, positions, lows, highs = arrays
    else:  # as the first release wrote it
        header, named = unpack("P", data)
        try:
            of, rows = str(header["of"]), int(header["rows"])
            gaps, counts, positions, lows, highs = (
                named[name] for name in ("gaps", "counts", "positions", "low", "high")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"a stored profile is damaged: {error!r}; restore it from a backup"
            ) from None
        own = of == specification.digest[:16]
    if not own:
        raise IntegrityError(
            f"a profile was made under specification {of}…; expected {specification.digest[:16]}…"
        )
    low, high = np.full((2, len(specification.columns)), np.nan)
    try:
        cells = gaps.cumsum(dtype=np.int64)
        low[numeric], high[numeric] = lows + 0.0, highs + 0.0  # earlier releases kept the sign of a zero
        # OR of all gaps: within 0 and _LARGEST_GAP none is negative, and their sum does not overflow
        bits = int(np.bitwise_or.reduce(gaps))
    except (TypeError, ValueError) as error:
        raise IntegrityError(f"a stored profile is damaged: {error!r}; restore it from a backup") from None
    if not len(cells) == len(counts) == len(positions) or (
        cells.size and not (0 <= bits <= _LARGEST_GAP and int(cells[-1]) < specification.cells)
    ):
        raise IntegrityError("a stored profile is damaged: cells out of range; restore it from a backup")
    return Profile(rows, frozen(cells), counts, positions, frozen(low), frozen(high))


class StoredProfiles(Sequence[Profile]):
    """Profiles that stay encoded and are decoded each time that they are read: years of days take a tenth of the memory.

    All are decoded once as they are given; raises IntegrityError where one is damaged.
    """

    __slots__ = ("_encoded", "_specification", "sizes")

    def __init__(self, specification: ProfileSpecification, encoded: Iterable[bytes]) -> None:
        self._specification = specification
        self._encoded = tuple(encoded)
        self.sizes = tuple(day.rows for day in self)

    def __len__(self) -> int:
        return len(self._encoded)

    def __iter__(self) -> Iterator[Profile]:
        return (decode(self._specification, data) for data in self._encoded)

    @overload
    def __getitem__(self, index: int) -> Profile: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Profile]: ...

    def __getitem__(self, index: int | slice) -> Profile | Sequence[Profile]:
        if isinstance(index, slice):
            return StoredProfiles(self._specification, self._encoded[index])
        return decode(self._specification, self._encoded[index])


def sizes_of(profiles: Sequence[Profile]) -> Sequence[int]:
    """Rows of each profile."""
    return profiles.sizes if isinstance(profiles, StoredProfiles) else [day.rows for day in profiles]
