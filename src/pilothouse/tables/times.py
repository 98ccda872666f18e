"""Times by one rule: an offset counts in each row that has one; a time without is in the zone of ``data.timezone``.

Twice a year a zone is not enough, and the rules are fixed: a time in the hour that is skipped in spring is read as if the clock
had not been moved (02:30 is 03:30 summer time), and a time in the hour that comes twice in autumn is its first pass (summer
time). A date without a time is its midnight.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

UTC_TIME = pa.timestamp("us", "UTC")
_NAIVE = pa.timestamp("us")
_FIRST, _LAST = (
    pa.scalar(x, pa.int64()).cast(UTC_TIME) for x in (-62_135_596_800_000_000, 253_402_300_799_999_999)
)
"""The first and the last instant that a ``datetime`` can hold."""
HAS_OFFSET = r"(?i)(:\d\d(\.\d+)?|[T ]\d\d(\d\d)*)\s*(Z|UTC|[+-]\d\d(:?\d\d)?)$"
"""End of a text that says its offset from UTC."""


@dataclass(frozen=True, slots=True)
class TimeError(Exception):
    """Why a column is no column of times; ``row`` is that of the first such value, None where it is all of them."""

    row: int | None
    found: str
    expected: str


def times_of(column: pa.Array, zone: str | None) -> pa.Array:
    """``timestamp[us, UTC]`` of texts, dates or timestamps; null stays null. Raises TimeError."""
    utc = _instants(column, zone)
    far = pc.invert(pc.and_(pc.greater_equal(utc, _FIRST), pc.less_equal(utc, _LAST)))
    rows = np.flatnonzero(pc.fill_null(far, False).to_numpy(zero_copy_only=False))
    if len(rows):
        found = column[int(rows[0])].cast(pa.string()).as_py()
        raise TimeError(int(rows[0]), repr(found[:60]), "a time of the years 1 to 9999 by UTC")
    return utc


def _instants(column: pa.Array, zone: str | None) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            return column.cast(pa.timestamp("us", kind.tz), safe=False).cast(UTC_TIME)
        return _localised(column.cast(_NAIVE, safe=False), zone)
    if pa.types.is_date(kind):
        return _localised(column.cast(pa.timestamp("ms")).cast(_NAIVE), zone)
    if pa.types.is_null(kind):
        return column.cast(UTC_TIME)
    if not pa.types.is_string(kind):
        raise TimeError(None, f"{kind}", "dates with times")
    offset = pc.fill_null(pc.match_substring_regex(column, HAS_OFFSET), False)
    number = pc.sum(offset).as_py() or 0
    if number == 0:
        return _localised(_parsed(column, _NAIVE), zone)
    if number == len(column) - column.null_count:
        return _parsed(column, UTC_TIME)
    empty = pa.scalar(None, pa.string())
    zoned = _parsed(pc.if_else(offset, column, empty), UTC_TIME)
    naive = _localised(_parsed(pc.if_else(offset, empty, column), _NAIVE), zone)
    return pc.coalesce(zoned, naive)


def _parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        pass  # some other spelling of ISO 8601, or no time: text by text
    coded = texts.dictionary_encode()
    values = [_instant(text, kind is UTC_TIME) for text in coded.dictionary.to_pylist()]
    if None in values:
        code = values.index(None)
        row = int(
            np.flatnonzero(pc.fill_null(pc.equal(coded.indices, code), False).to_numpy(zero_copy_only=False))[
                0
            ]
        )
        raise TimeError(row, repr(coded.dictionary[code].as_py()[:60]), "a time as 2013-05-03T14:05:00+00:00")
    return pa.array(values, pa.int64()).take(coded.indices).cast(kind)


def _instant(text: str, zoned: bool) -> int | None:
    """Microseconds of a text since 1970, in UTC or by the clock on the wall; None where it is no time."""
    plain = text.strip().upper()
    try:
        value = datetime.fromisoformat(plain[:-3].rstrip() + "+00:00" if plain[-3:] == "UTC" else plain)
    except ValueError:
        return None
    if (value.tzinfo is not None) != zoned:
        return None
    delta = value.replace(tzinfo=value.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _localised(column: pa.Array, zone: str | None) -> pa.Array:
    if column.null_count == len(column):
        return column.cast(UTC_TIME)
    if zone is None:
        raise TimeError(
            None, "times without a zone", "a zone in each, or data.timezone, an IANA name, e.g. Europe/Berlin"
        )
    if zone == "UTC":
        return column.cast(UTC_TIME)
    try:
        utc = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="latest").cast(UTC_TIME)
    except (pa.ArrowInvalid, OSError) as error:
        raise TimeError(
            None, f"data.timezone {zone!r}", f"an IANA name ({str(error).splitlines()[0]})"
        ) from None
    wall = pc.local_timestamp(utc.cast(pa.timestamp("us", zone)))
    moved = np.flatnonzero(pc.fill_null(pc.not_equal(wall, column), False).to_numpy(zero_copy_only=False))
    return _as_if_not_moved(column, utc, moved, ZoneInfo(zone)) if len(moved) else utc


def _as_if_not_moved(column: pa.Array, utc: pa.Array, rows: npt.NDArray[np.intp], zone: ZoneInfo) -> pa.Array:
    values = pc.fill_null(utc.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).copy()
    for row in rows:
        # fold 0 in a gap has the offset from before it: PEP 495
        value = column[int(row)].as_py().replace(tzinfo=zone).astimezone(UTC) - datetime(
            1970, 1, 1, tzinfo=UTC
        )
        values[row] = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    nulls = pc.is_null(column).to_numpy(zero_copy_only=False)
    return pa.array(values, pa.int64(), mask=nulls).cast(UTC_TIME)
