"""Hours of sparse streams packed together: an hour of few rows takes a tenth of what it takes as a window of its own.

A *pack* holds the hours of whole days of one stream, and the newest one those of a day that is not over, as far as they
have passed. The windows of whole days keep all but their profile, which is the sum of their hours'. Only what comes back to
the bit is packed; an event that comes for a packed hour opens its pack first, so that every hour lies in one place. Functions
take a connection.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import DAY_S, DAY_US, HOUR_S, HOUR_US, MINUTE_S
from pilothouse.sqlite import Connection
from pilothouse.statistics.encoding import pack_plain, unpack_plain
from pilothouse.statistics.profiles import latency, latency_packs, profile_packs
from pilothouse.statistics.profiles.latency import LatencyProfile
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake import window_rows
from pilothouse.telemetry.intake.increment import Increment
from pilothouse.telemetry.intake.write_cache import WriteCache
from pilothouse.telemetry.rows.columns import Ints

PACKS = """
CREATE TABLE window_packs (       -- hours of days of sparse streams
  stream_id INTEGER NOT NULL REFERENCES streams(id),
  first INTEGER NOT NULL,         -- start of the first hour
  last INTEGER NOT NULL,          -- start of the last hour that is shown
  counts BLOB NOT NULL,           -- starts, rows, requests, errors
  latencies BLOB NOT NULL,
  profiles BLOB NOT NULL,
  open_rows TEXT,                 -- JSON: (hour, rows) of the last day where it was not over; NULL: days are whole
  PRIMARY KEY (stream_id, first)
) STRICT, WITHOUT ROWID;
"""

Hours = list[tuple[int, Increment]]
"""(start, window) of hours, oldest first."""

SPARSE_ROWS = 64
"""Rows an hour up to which a day's hours are packed: those of more rows are a small part of their events."""
_HOURS = 256
"""Hours of a pack at most: one hour is read with all of its pack."""
LATE_US = 2 * HOUR_US
"""Time for which hours and days that are over are left as they are, for the events that come a little late."""
PART_US = 3 * HOUR_US
"""Hours of a day that is not over are packed so many at a time."""
_DAMAGED = "packed hours are damaged: {} are missing; restore telemetry.db from a backup"
_IN_SPAN = "FROM window_packs WHERE stream_id=? AND first<? AND last>=? ORDER BY first"


def read(
    connection: Connection, specification: ProfileSpecification, stream_id: int, start_us: int, end_us: int
) -> Hours:
    """Packed hours that start in [start, end)."""
    found: Hours = []
    for last, *data in connection.execute(
        f"SELECT last, counts, latencies, profiles {_IN_SPAN}", (stream_id, end_us, start_us)
    ):
        hours = decode(specification, *data)
        found += [(start, hour) for start, hour in hours if start_us <= start < end_us and start <= last]
    return found


def latencies(
    connection: Connection, stream_id: int, start_us: int, end_us: int
) -> list[tuple[int, LatencyProfile]]:
    """(start, latencies) of packed hours with requests that start in [start, end)."""
    found = []
    for last, counts, data in connection.execute(
        f"SELECT last, counts, latencies {_IN_SPAN}", (stream_id, end_us, start_us)
    ):
        starts, _, requests, _ = _counts(counts)
        asked, parts = starts[requests > 0].tolist(), latency_packs.decode(data)
        if len(asked) != len(parts):
            raise IntegrityError(_DAMAGED.format("latencies"))
        found += [
            (at, part)
            for at, part in zip(asked, parts, strict=True)
            if start_us <= at < end_us and at <= last
        ]
    return found


def count_rows(connection: Connection, stream_id: int, start_us: int, end_us: int) -> int:
    """Number of rows of packed hours that start in [start, end)."""
    count = 0
    for last, counts in connection.execute(f"SELECT last, counts {_IN_SPAN}", (stream_id, end_us, start_us)):
        starts, rows, _, _ = _counts(counts)
        count += int(rows[(starts >= start_us) & (starts < end_us) & (starts <= last)].sum())
    return count


def packed_until(connection: Connection, stream_id: int, known: WriteCache) -> int:
    """End of the newest packed day of a stream, of the newest packed hour where its day was not over; 0 where none is."""
    if stream_id not in known.packed:
        row = connection.execute(
            "SELECT last, open_rows IS NULL FROM window_packs WHERE stream_id=? ORDER BY last DESC LIMIT 1",
            (stream_id,),
        ).fetchone()
        last, whole = row or (0, False)
        known.packed[stream_id] = last and (last - last % DAY_US + DAY_US if whole else last + HOUR_US)
    return known.packed[stream_id]


def open_around(
    connection: Connection, specification: ProfileSpecification, stream_id: int, time_us: int
) -> None:
    """Write hours, and the profiles of whole days, back as windows of their own where a pack holds hours of that time's day."""
    day = time_us - time_us % DAY_US
    found = connection.execute(
        f"SELECT first, counts, latencies, profiles {_IN_SPAN}", (stream_id, day + DAY_US, day)
    ).fetchall()
    for first, *data in found:
        hours = decode(specification, *data)
        windows = [((stream_id, HOUR_S, start), hour) for start, hour in hours]
        whole = whole_days(connection, stream_id, first - first % DAY_US, hours[-1][0])
        for start, of_day in _by_day(hours):
            if start in whole:
                windows.append(((stream_id, DAY_S, start), window_rows.summed(specification, of_day)))
        window_rows.write(connection, specification, windows)
        connection.execute("DELETE FROM window_packs WHERE stream_id=? AND first=?", (stream_id, first))


def whole_days(
    connection: Connection, stream_id: int, start_us: int = 0, end_us: int = 1 << 62
) -> dict[int, int]:
    """(start, rows) of days of which all hours are packed, and that have no profile of their own."""
    rows = connection.execute(
        "SELECT start, rows FROM windows WHERE stream_id=? AND level=? AND start BETWEEN ? AND ? AND rows > 0 "
        "AND profile IS NULL",
        (stream_id, DAY_S, start_us, end_us),
    )
    return {int(start): int(count) for start, count in rows}


@dataclass(frozen=True, slots=True)
class _Pack:
    first: int
    last: int
    hours: int
    whole: bool


def hours_over(connection: Connection) -> list[tuple[int, int]]:
    """(stream, time up to which its hours may be packed) of each stream."""
    rows = connection.execute("SELECT id, (last_event - ?) / ? * ? FROM streams", (LATE_US, PART_US, PART_US))
    return [(int(stream_id), int(until)) for stream_id, until in rows]


def due(connection: Connection, stream_id: int) -> list[int]:
    """Starts of the sparse days of a stream with hours that have passed and are not packed, oldest first, some at once; the
    last of them may be a day that is not over."""
    rows = connection.execute(
        "SELECT w.start FROM windows w JOIN streams s ON s.id = w.stream_id "
        "WHERE w.stream_id=?1 AND w.level=?2 AND w.rows BETWEEN 1 AND ?3 AND w.profile IS NOT NULL "
        "AND w.start + ?4 + ?5 <= s.last_event "
        "AND NOT EXISTS (SELECT 1 FROM unfolded_windows u WHERE u.stream_id=w.stream_id AND u.level=w.level "
        "AND u.start=w.start) AND NOT EXISTS (SELECT 1 FROM windows m WHERE m.stream_id=w.stream_id "
        "AND m.level=?6 AND m.start>=w.start AND m.start<w.start + ?4) ORDER BY w.start",
        (stream_id, DAY_S, 24 * SPARSE_ROWS, DAY_US, LATE_US, MINUTE_S),
    )
    days = [int(start) for (start,) in rows]
    day = _open_day(connection, stream_id)
    return days if day is None else [*days, day]


def _open_day(connection: Connection, stream_id: int) -> int | None:
    """Start of the day that is not over, where some of its hours may be packed: the only one that is not summed yet."""
    day, newest, last_event = connection.execute(
        "SELECT min(u.start), max(u.start), s.last_event FROM streams s JOIN unfolded_windows u "
        "ON u.stream_id=s.id AND u.level=? WHERE s.id=?",
        (DAY_S, stream_id),
    ).fetchone()
    if day is None or day != newest:
        return None
    until = min(_until(last_event), day + DAY_US)
    rows, most, finest = connection.execute(
        "SELECT sum(rows), max(rows), min(level) FROM windows WHERE stream_id=? AND level<=? AND start>=? AND start<?",
        (stream_id, HOUR_S, day, until),
    ).fetchone()
    return int(day) if rows and most <= SPARSE_ROWS and finest == HOUR_S else None


def _until(last_event_us: int) -> int:
    """Time up to which hours may be packed."""
    return (last_event_us - LATE_US) // PART_US * PART_US


def pack(
    connection: Connection, specification: ProfileSpecification, stream_id: int, days: Sequence[int]
) -> int:
    """Pack the first of these days that fit into one pack, with those of a pack before them that has room, or holds the first
    hours of a day that was not over; returns how many days were looked at, of which one that would not come back to the bit
    stays as it is."""
    packs = [
        _Pack(first, last, len(_counts(counts)[0]), whole)
        for first, last, counts, whole in connection.execute(
            "SELECT first, last, counts, open_rows IS NULL FROM window_packs WHERE stream_id=? ORDER BY first",
            (stream_id,),
        )
    ]
    before = next((p for p in packs if not p.whole and days[0] <= p.last < days[0] + DAY_US), None)
    if before is None:
        last = max((p for p in packs if p.first < days[0]), key=lambda p: p.first, default=None)
        has_room = last is not None and last.whole and last.hours + 24 <= _HOURS and last.last < days[0]
        before = last if has_room else None
    after = min((p.first for p in packs if p.first >= days[0] + DAY_US), default=1 << 62)
    hours = _of_pack(connection, specification, stream_id, before.first) if before is not None else []
    packed, looked_at, is_open = list[tuple[int, int]](), 0, False
    for day in days:
        if looked_at and (day > after or len(hours) + 24 > _HOURS):
            break
        looked_at += 1
        is_open, until = _is_open(connection, stream_id, day)
        if is_open and day != days[-1]:  # an event came late after it was found to be due
            break
        own = window_rows.read(connection, specification, (stream_id, HOUR_S, day, until))
        earlier = [hour for hour in hours if hour[0] < day]
        of_day = sorted(hours[len(earlier) :] + own, key=lambda hour: hour[0])
        if of_day and (is_open or _is_sum(connection, specification, (stream_id, day), of_day)):
            hours = earlier + of_day
            packed.append((day, until))
    if not packed:
        return looked_at
    data = _encode(specification, hours)
    again = decode(specification, *data)
    if not all(
        start == at and _same(hour, back) for (start, hour), (at, back) in zip(hours, again, strict=True)
    ):
        return looked_at
    if before is not None:
        connection.execute(
            "DELETE FROM window_packs WHERE stream_id=? AND first=?", (stream_id, before.first)
        )
    connection.executemany(
        "DELETE FROM windows WHERE stream_id=? AND level=? AND start>=? AND start<?",
        [(stream_id, HOUR_S, day, until) for day, until in packed],
    )
    is_open = is_open and packed[-1][0] == days[-1]
    connection.executemany(
        "UPDATE windows SET profile=NULL WHERE stream_id=? AND level=? AND start=?",
        [(stream_id, DAY_S, day) for day, _ in (packed[:-1] if is_open else packed)],
    )
    of_open = [
        ((start - packed[-1][0]) // HOUR_US, hour.rows) for start, hour in hours if start >= packed[-1][0]
    ]
    open_rows = json.dumps(of_open, separators=(",", ":")) if is_open else None
    connection.execute(
        "INSERT INTO window_packs VALUES (?,?,?,?,?,?,?)",
        (stream_id, hours[0][0], hours[-1][0], *data, open_rows),
    )
    return looked_at


def _of_pack(
    connection: Connection, specification: ProfileSpecification, stream_id: int, first: int
) -> Hours:
    """All hours of one pack, but for others in its span, which came for a day that was free there."""
    row = connection.execute(
        "SELECT counts, latencies, profiles FROM window_packs WHERE stream_id=? AND first=?",
        (stream_id, first),
    ).fetchone()
    return decode(specification, *row)


def _is_open(connection: Connection, stream_id: int, day: int) -> tuple[bool, int]:
    """Whether a day is not summed yet, and the end of its hours that may be packed."""
    is_unfolded, last_event = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM unfolded_windows u WHERE u.stream_id=s.id AND u.level=? AND u.start=?), last_event "
        "FROM streams s WHERE s.id=?",
        (DAY_S, day, stream_id),
    ).fetchone()
    return (True, min(_until(last_event), day + DAY_US)) if is_unfolded else (False, day + DAY_US)


def _is_sum(
    connection: Connection, specification: ProfileSpecification, day: tuple[int, int], hours: Hours
) -> bool:
    """True where the window of a day (stream, start) is to the bit the sum of its hours."""
    stream_id, start = day
    ((_, whole),) = window_rows.read(connection, specification, (stream_id, DAY_S, start, start + 1))
    return _same(window_rows.summed(specification, (part for _, part in hours)), whole)


def _by_day(hours: Hours) -> list[tuple[int, list[Increment]]]:
    days = groupby(hours, lambda hour: hour[0] - hour[0] % DAY_US)
    return [(day, [part for _, part in of_day]) for day, of_day in days]


def with_profiles(
    connection: Connection, specification: ProfileSpecification, stream_id: int, days: Hours
) -> Hours:
    """The same windows of days, those without a profile as the sums of their packed hours."""
    without = [start for start, day in days if day.rows and day.profile is None]
    if not without:
        return days
    hours = read(connection, specification, stream_id, without[0], without[-1] + DAY_US)
    sums = {start: window_rows.summed(specification, of_day) for start, of_day in _by_day(hours)}
    for start, day in days:
        if day.rows and day.profile is None:
            if start not in sums or sums[start].rows != day.rows:
                raise IntegrityError(
                    "packed hours of a stored day are missing: restore telemetry.db from a backup"
                )
            day.profile = sums[start].profile
    return days


def _encode(specification: ProfileSpecification, hours: Hours) -> tuple[bytes, bytes, bytes]:
    starts = np.array([start for start, _ in hours], np.int64) // HOUR_US
    numbers = np.array([(hour.rows, hour.requests, hour.errors) for _, hour in hours], np.int64)
    steps = np.diff(starts, prepend=starts[0])
    counts = pack_plain("H", (int(starts[0]),), (steps, *numbers.T))
    profiles = [hour.profile for _, hour in hours if hour.profile is not None]
    asked = [hour.latencies for _, hour in hours if hour.requests]
    return counts, latency_packs.encode(asked), profile_packs.encode(specification, profiles)


def decode(specification: ProfileSpecification, counts: bytes, asked: bytes, profiles: bytes) -> Hours:
    """Hours of a pack from the columns of its row. Raises IntegrityError."""
    starts, rows, requests, errors = _counts(counts)
    of_requests = latency_packs.decode(asked)
    of_rows = profile_packs.decode(specification, profiles)
    if len(of_rows) != np.count_nonzero(rows) or len(of_requests) != np.count_nonzero(requests):
        raise IntegrityError(_DAMAGED.format("profiles"))
    each_profile, each_latency = iter(of_rows), iter(of_requests)
    return [
        (
            start,
            Increment(
                count,
                asked_for,
                failed,
                next(each_latency) if asked_for else latency.empty_latencies(),
                next(each_profile) if count else None,
            ),
        )
        for start, count, asked_for, failed in zip(
            *(a.tolist() for a in (starts, rows, requests, errors)), strict=True
        )
    ]


def _counts(data: bytes) -> tuple[Ints, Ints, Ints, Ints]:
    """Starts in microseconds, rows, requests and errors of packed hours."""
    numbers, arrays = unpack_plain("H", data)
    if len(numbers) != 1 or len(arrays) != 4 or len({len(array) for array in arrays}) != 1:
        raise IntegrityError(_DAMAGED.format("counts"))
    steps, rows, requests, errors = arrays
    return (numbers[0] + steps.cumsum()) * HOUR_US, rows, requests, errors


def _same(one: Increment, other: Increment) -> bool:
    """True where two windows are the same to the bit, and such as can be packed."""
    a, b = one.profile, other.profile
    if (a is None) != (not one.rows) or (a is None) != (b is None):
        return False
    return (
        (one.rows, one.requests, one.errors) == (other.rows, other.requests, other.errors)
        and _equal(one.latencies, other.latencies)
        and (a is None or b is None or _equal(a, b))
    )


def _equal(one: Profile | LatencyProfile, other: Profile | LatencyProfile) -> bool:
    for name in one.__slots__:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray):
            if a.tobytes() != b.tobytes():
                return False
        elif a != b:
            return False
    return True
