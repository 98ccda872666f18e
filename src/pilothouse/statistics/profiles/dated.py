"""Profiles of a log by the day (or hour) of its events: added to in any order, merged exactly, as bytes.

Equal rows give equal bytes, however they were cut into chunks and in whatever order these came. This is what the parts of a
log are folded into, on this machine or on many: rows in, bytes out, and bytes merged with bytes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.profiles.placement import Texts
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_groups
from pilothouse.statistics.profiles.profile_storage import decode, encode
from pilothouse.statistics.profiles.specification import ProfileSpecification

MOST_SPANS = 10_000
"""Days or hours of a log at most: 27 years of days, a year of hours."""
_OPEN_CELLS = 4_000_000
"""Cells of profiles that are held decoded, 96 MB; the spans that were added to longest ago are held as bytes."""


class DatedProfiles:
    """Profiles by span of ``unit_us`` microseconds since 1970. ``first_us`` and ``last_us`` are the times of the first and the
    last event, None without rows."""

    def __init__(self, specification: ProfileSpecification, unit_us: int) -> None:
        self.specification, self.unit_us = specification, unit_us
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._rows: dict[int, int] = {}
        self._open: OrderedDict[int, Profile] = OrderedDict()
        self._closed: dict[int, bytes] = {}
        self._cells = 0

    def rows(self, start_us: int, end_us: int) -> int:
        """Number of rows of the spans that start in [start, end)."""
        return sum(self._rows[number] for number in self._numbers(start_us, end_us))

    def between(self, start_us: int, end_us: int) -> Profile:
        """Profile of the spans that start in [start, end)."""
        return merge_all(self.specification, map(self._of, self._numbers(start_us, end_us)))

    def add(
        self,
        times_us: Ints,
        numeric: Mapping[str, Floats],
        categorical: Mapping[str, Texts],
        scores: Floats,
    ) -> None:
        """Count rows: ``times_us`` int64[n]; the other arguments and errors are those of ``profile_rows``. Raises
        InvalidInputError too where the log has more than MOST_SPANS spans."""
        if not len(times_us):
            return
        self._reach(int(times_us.min()), int(times_us.max()))
        spans = times_us // self.unit_us
        for number, part in profile_groups(self.specification, numeric, categorical, scores, spans):
            self._put(number, part)

    def merge(self, data: bytes) -> None:
        """Add what ``to_bytes`` gave for other rows. Raises IntegrityError for damaged bytes, or those of another specification
        or unit."""
        header, arrays = unpack("L", data)
        try:
            unit, first, last, parts = header["unit_us"], header["first"], header["last"], header["parts"]
            numbers: list[int] = arrays["numbers"].tolist()
            if unit != self.unit_us or len(parts) != len(numbers):
                raise ValueError(f"spans of {unit} µs, {len(parts)} profiles")
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"the profiles of a log are damaged: {error!r}; read the log again"
            ) from None
        for number, part in zip(numbers, parts, strict=True):
            self._put(number, decode(self.specification, part))
        if first is not None:
            self._reach(first, last)

    def to_bytes(self) -> bytes:
        """Bytes (kind "L"); equal rows give equal bytes with one release of zstd."""
        numbers = sorted(self._rows)
        parts = [encode(self.specification, self._of(number)) for number in numbers]
        header = {"unit_us": self.unit_us, "first": self.first_us, "last": self.last_us, "parts": parts}
        return pack("L", header, {"numbers": np.array(numbers, np.int64)})

    def _reach(self, first_us: int, last_us: int) -> None:
        self.first_us = first_us if self.first_us is None else min(self.first_us, first_us)
        self.last_us = last_us if self.last_us is None else max(self.last_us, last_us)

    def _numbers(self, start_us: int, end_us: int) -> list[int]:
        return [number for number in sorted(self._rows) if start_us <= number * self.unit_us < end_us]

    def _of(self, number: int) -> Profile:
        part = self._open.get(number)
        return decode(self.specification, self._closed[number]) if part is None else part

    def _put(self, number: int, part: Profile) -> None:
        before = self._open.pop(number, None)
        if before is not None:
            self._cells -= before.cells.size
        elif (stored := self._closed.pop(number, None)) is not None:
            before = decode(self.specification, stored)
        elif len(self._rows) >= MOST_SPANS:
            raise InvalidInputError(
                f"the log has rows on more than {MOST_SPANS:,} days or hours; expected times in one zone and unit: "
                "look for rows with a time that is none"
            )
        whole = part if before is None else merge_all(self.specification, [before, part])
        self._open[number] = whole
        self._rows[number] = whole.rows
        self._cells += whole.cells.size
        while self._cells > _OPEN_CELLS and len(self._open) > 1:
            oldest, closed = self._open.popitem(last=False)
            self._closed[oldest] = encode(self.specification, closed)
            self._cells -= closed.cells.size


def merged(specification: ProfileSpecification, unit_us: int, parts: Iterable[bytes]) -> bytes:
    """Bytes of all rows from the bytes of disjoint ones, in any order and grouping; of no parts those of no rows. Raises
    IntegrityError as ``DatedProfiles.merge``."""
    whole = DatedProfiles(specification, unit_us)
    for part in parts:
        whole.merge(part)
    return whole.to_bytes()
