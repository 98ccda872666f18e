"""Roll-up of batches into windows: a profile, latencies, requests and errors for each hour and day (and minute).

The finest level that a stream keeps is written in the transaction of its batch. A coarser window is the exact sum of the
finer ones: while it is open, or an event came late, it is marked *unfolded* and summed at each reading; ``fold`` writes
the sum once the window has passed. So a batch costs one window, and any level can be read at any time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.formats.time_units import DAY_S, HOUR_S, HOUR_US, MINUTE_S, SECOND_US
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency, profile
from pilothouse.statistics.profiles.latency import LatencyProfile
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake import window_packs, window_rows
from pilothouse.telemetry.intake.increment import Increment
from pilothouse.telemetry.intake.window_rows import Bounds, summed
from pilothouse.telemetry.intake.write_cache import Key, WriteCache
from pilothouse.telemetry.rows.columns import Features, Floats, Ints, Predictions, join_features
from pilothouse.telemetry.rows.requests import Requests, joined_requests

_NEVER = (1 << 63) - 1
_FINER = {HOUR_S: MINUTE_S, DAY_S: HOUR_S}
DENSE_ROWS_A_MINUTE = 200
"""Rows a minute from which a minute's profile is smaller than its events, and minutes are kept."""
_PASSED_AT_ONCE = 200
"""Windows that have passed of which the sums are written at once."""


@dataclass(frozen=True, slots=True)
class Window:
    """Window as it is read, from ``start_us`` to ``start_us + level`` seconds."""

    start_us: int
    rows: int
    requests: int
    errors: int
    latencies: LatencyProfile
    profile: Profile


@dataclass(frozen=True, slots=True, eq=False)
class LatencyWindows:
    """Windows with requests, oldest first: ``percentiles`` is float64[windows, percents] in milliseconds."""

    starts_us: Ints
    requests: Ints
    percentiles: Floats


def is_dense(rows: Predictions) -> bool:
    """True for traffic at which minute profiles are worth their bytes."""
    span_minutes = (rows.last_us - rows.first_us) / (MINUTE_S * SECOND_US)
    return rows.rows >= DENSE_ROWS_A_MINUTE * max(span_minutes, 1.0)


def floor_to(level: int, us: int) -> int:
    """Start of the window of ``level`` seconds that holds the time."""
    return us - us % (level * SECOND_US)


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """Rows and requests of one stream. Minutes are kept of events from ``minutes_since_us`` on, where it is given."""

    predictions: Predictions
    features: Features
    requests: Requests
    minutes_since_us: int | None


Increments = dict[tuple[int, int], Increment]
"""Increments of the windows of the finest level, by (level, start)."""


def increments(specification: ProfileSpecification, streams: Sequence[Arrived]) -> list[Increments]:
    """Increments of the windows of each stream, all of one specification: streams of few rows cost little more than one of
    as many."""
    found: list[Increments] = [{} for _ in streams]
    since = [stream.minutes_since_us for stream in streams]
    windows, of_rows = _numbered([stream.predictions.times for stream in streams], since)
    features = join_features([stream.features for stream in streams])
    scores = np.concatenate([stream.predictions.scores for stream in streams])
    for number, content in profile.profile_groups(
        specification, features.numeric, features.categorical, scores, of_rows
    ):
        stream, key = windows[number]
        found[stream][_level_of(key)] = Increment(content.rows, profile=content)
    windows, of_requests = _numbered([stream.requests.times for stream in streams], since)
    asked = joined_requests([stream.requests for stream in streams])
    if not of_requests.size:
        return found
    for number, latencies in latency.profile_latency_groups(
        asked.latency_us, asked.rows, (asked.called_us, asked.usual_us), of_requests
    ):
        stream, key = windows[number]
        part = found[stream].setdefault(_level_of(key), Increment())
        part.latencies, part.requests = latencies, latencies.requests
    return found


def _numbered(times: Sequence[Ints], since: Sequence[int | None]) -> tuple[list[tuple[int, int]], Ints]:
    """(position, key) of each distinct window of each stream's times, and the number of each element's among these,
    int64[all]."""
    if len(times) == 1:
        keys = _finest(times[0], since[0])
        if keys.size and (keys == keys[0]).all():
            return [(0, int(keys[0]))], np.zeros(keys.size, np.int64)
        distinct, members = np.unique(keys, return_inverse=True)
        return [(0, key) for key in distinct.tolist()], members
    owners = np.repeat(np.arange(len(times)), [len(of_stream) for of_stream in times])
    joint = np.concatenate(times)
    minutes_from = np.array([_NEVER if us is None else us for us in since], np.int64)[owners]
    minutes = joint - joint % (MINUTE_S * SECOND_US) + 1
    keys = np.where(joint >= minutes_from, minutes, joint - joint % HOUR_US)
    order = np.lexsort((keys, owners))
    keys, of_stream = keys[order], owners[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]) | (of_stream[1:] != of_stream[:-1])
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = is_new.cumsum() - 1
    return list(zip(of_stream[is_new].tolist(), keys[is_new].tolist(), strict=True)), numbers


def _finest(times: Ints, minutes_since_us: int | None) -> Ints:
    """Start of each event's window of the finest level; of a minute's one more, to tell it from the hour's."""
    if not len(times):
        return np.empty(0, np.int64)
    first, last = (_finest_of_one(int(time), minutes_since_us) for time in (times.min(), times.max()))
    if first == last:  # as in most batches of dense traffic
        return np.full(len(times), first)
    hours = times - times % HOUR_US
    if minutes_since_us is None:
        return hours
    return np.where(times >= minutes_since_us, times - times % (MINUTE_S * SECOND_US) + 1, hours)


def _finest_of_one(time_us: int, minutes_since_us: int | None) -> int:
    if minutes_since_us is None or time_us < minutes_since_us:
        return floor_to(HOUR_S, time_us)
    return floor_to(MINUTE_S, time_us) + 1


def _level_of(key: int) -> tuple[int, int]:
    return (MINUTE_S, key - 1) if key % SECOND_US else (HOUR_S, key)


def finest_window(time_us: int, minutes_since_us: int | None) -> tuple[int, int]:
    """Level and start of the finest window that holds an event."""
    return _level_of(_finest_of_one(time_us, minutes_since_us))


def add(
    connection: Connection,
    specification: ProfileSpecification,
    streams: Iterable[tuple[int, Increments, int | None]],
    known: WriteCache,
) -> None:
    """Add increments of streams of one specification to the stored windows of their levels, and mark the coarser windows
    around them as unfolded. Each stream comes with the time of its newest event before these, where that is known: no window
    after it is stored."""
    written = []
    unfolded: set[Key] = set()
    for stream_id, parts, newest_us in streams:
        for (level, start), part in parts.items():
            key = stream_id, level, start
            before = known.window(key)
            if before is None and (newest_us is None or start <= newest_us):
                if start < window_packs.packed_until(connection, stream_id, known):
                    window_packs.open_around(connection, specification, stream_id, start)
                before = window_rows.find(connection, specification, key)
            total = part if before is None else summed(specification, [before, part])
            known.put_window(key, total)
            written.append((key, total))
            if level == MINUTE_S:
                unfolded.add((stream_id, HOUR_S, floor_to(HOUR_S, start)))
            unfolded.add((stream_id, DAY_S, floor_to(DAY_S, start)))
    window_rows.write(connection, specification, written)
    new = unfolded - known.unfolded
    if new:
        connection.executemany("INSERT OR IGNORE INTO unfolded_windows VALUES (?,?,?)", sorted(new))
        known.unfolded |= new


def fold(connection: Connection, specification: ProfileSpecification, key: Key) -> None:
    """Write a coarser window as the sum of its finer ones."""
    stream_id, level, start = key
    whole = summed(specification, _finer(connection, specification, key))
    window_rows.write(connection, specification, [(key, whole)])
    connection.execute(
        "DELETE FROM unfolded_windows WHERE stream_id=? AND level=? AND start=?", (stream_id, level, start)
    )


def passed_windows(connection: Connection) -> list[Key]:
    """Some unfolded windows that the newest event of their stream has passed, hours before days."""
    rows = connection.execute(
        "SELECT u.stream_id, u.level, u.start FROM unfolded_windows u JOIN streams s ON s.id = u.stream_id "
        "WHERE u.start + u.level * 1000000 <= s.last_event ORDER BY u.level, u.start LIMIT ?",
        (_PASSED_AT_ONCE,),
    )
    return [(int(stream), int(level), int(start)) for stream, level, start in rows]


def read(
    connection: Connection,
    specification: ProfileSpecification,
    stream_id: int,
    level: int,
    start_us: int,
    end_us: int,
) -> list[Window]:
    """Windows of one level whose start lies in [start, end), oldest first; windows without traffic are absent."""
    windows = []
    for start, part in _read(connection, specification, (stream_id, level, start_us, end_us)):
        content = part.profile if part.profile is not None else profile.empty_profile(specification)
        windows.append(Window(start, part.rows, part.requests, part.errors, part.latencies, content))
    return windows


def latency_windows(
    connection: Connection,
    stream_id: int,
    level: int,
    start_us: int,
    end_us: int,
    percents: tuple[float, ...],
) -> LatencyWindows:
    """Percentiles of the windows of one level that start in [start, end) and have requests; no profile is touched."""
    rows = _read_latencies(connection, (stream_id, level, start_us, end_us))
    return LatencyWindows(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        latency.percentiles_ms([row[2] for row in rows], percents),
    )


def count_rows(connection: Connection, stream_id: int, level: int, start_us: int, end_us: int) -> int:
    """Number of rows in the windows of one level that start in [start, end)."""
    bounds = stream_id, level, start_us, end_us
    (rows,) = connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM windows w WHERE stream_id=? AND level=? AND start>=? AND start<? "
        "AND NOT EXISTS (SELECT 1 FROM unfolded_windows u WHERE u.stream_id=w.stream_id AND u.level=w.level "
        "AND u.start=w.start)",
        bounds,
    ).fetchone()
    if level == HOUR_S:
        rows += window_packs.count_rows(connection, stream_id, start_us, end_us)
    width = level * SECOND_US
    return int(rows) + sum(
        count_rows(connection, stream_id, _FINER[level], start, start + width)
        for start in _unfolded(connection, bounds)
    )


def _unfolded(connection: Connection, bounds: Bounds) -> list[int]:
    rows = connection.execute(
        "SELECT start FROM unfolded_windows WHERE stream_id=? AND level=? AND start>=? AND start<?", bounds
    )
    return [int(start) for (start,) in rows]


def _read_latencies(connection: Connection, bounds: Bounds) -> list[tuple[int, int, bytes]]:
    """(start, requests, encoded latencies) of windows with requests."""
    stream_id, level, _, _ = bounds
    unfolded = set(_unfolded(connection, bounds)) if level != MINUTE_S else set()
    rows = connection.execute(
        "SELECT start, requests, latency FROM windows "
        "WHERE stream_id=? AND level=? AND start>=? AND start<? AND requests>0 ORDER BY start",
        bounds,
    ).fetchall()
    if level == HOUR_S:
        packed = window_packs.latencies(connection, stream_id, *bounds[2:])
        rows += [(start, part.requests, latency.encode(part)) for start, part in packed]
    rows = [row for row in rows if row[0] not in unfolded]
    for start in unfolded:
        finer = _read_latencies(connection, (stream_id, _FINER[level], start, start + level * SECOND_US))
        if finer:
            merged = latency.merge_all(latency.decode(data) for _, _, data in finer)
            rows.append((start, sum(row[1] for row in finer), latency.encode(merged)))
    return sorted(rows)


def _read(
    connection: Connection, specification: ProfileSpecification, bounds: Bounds
) -> list[tuple[int, Increment]]:
    stream_id, level, _, _ = bounds
    unfolded = set(_unfolded(connection, bounds)) if level != MINUTE_S else set()
    windows = [row for row in window_rows.read(connection, specification, bounds) if row[0] not in unfolded]
    if level == DAY_S:
        windows = window_packs.with_profiles(connection, specification, stream_id, windows)
    if level == HOUR_S:
        windows += window_packs.read(connection, specification, stream_id, *bounds[2:])
    for start in unfolded:
        windows.append(
            (start, summed(specification, _finer(connection, specification, (stream_id, level, start))))
        )
    return sorted(windows, key=lambda window: window[0])


def _finer(connection: Connection, specification: ProfileSpecification, key: Key) -> list[Increment]:
    """Finer windows of which a coarser one is the sum."""
    stream_id, level, start = key
    end = start + level * SECOND_US
    return [part for _, part in _read(connection, specification, (stream_id, _FINER[level], start, end))]
