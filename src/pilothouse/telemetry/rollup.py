"""Windows rolled up from batches: a profile, latencies, requests and errors for each hour and day (and minute).

Every level is written in the transaction of its batch, and merging is exact, so that any level can be read at any time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pilothouse.sqlite import Connection
from pilothouse.statistics import latency, profile
from pilothouse.statistics.latency import LatencyProfile
from pilothouse.statistics.profile import Profile
from pilothouse.statistics.specification import ProfileSpecification

from .columns import Features, Ints, Predictions

SECOND_US = 1_000_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400
DENSE_ROWS_A_MINUTE = 200
"""From this traffic on a minute's profile weighs less than its events, and minutes are kept."""


@dataclass(slots=True)
class Increment:
    """What a batch adds to one window."""

    rows: int = 0
    requests: int = 0
    errors: int = 0
    latencies: LatencyProfile = field(default_factory=latency.empty_latencies)
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """One window as read back. ``start_us`` to ``start_us + level`` seconds."""

    start_us: int
    rows: int
    requests: int
    errors: int
    latencies: LatencyProfile
    profile: Profile


def is_dense(times: Ints) -> bool:
    """True for traffic at which minute profiles are worth their bytes."""
    span_minutes = (int(times.max()) - int(times.min())) / (MINUTE * SECOND_US)
    return len(times) >= DENSE_ROWS_A_MINUTE * max(span_minutes, 1.0)


def floor_to(level: int, us: int) -> int:
    """The start of the window of ``level`` seconds that holds the time."""
    return us - us % (level * SECOND_US)


def increments(
    specification: ProfileSpecification,
    predictions: Predictions,
    features: Features,
    request_rows: Iterable[tuple[int, int, int]],
    errors: int,
    finest: int,
) -> dict[int, Increment]:
    """What a batch adds to each window of the finest level, by the window's start.

    ``request_rows`` are (event time, latency in µs, rows) of each request; errors belong to the newest window.
    """
    starts = predictions.times - predictions.times % (finest * SECOND_US)
    found: dict[int, Increment] = {}
    for start, content in profile.profile_groups(
        specification, features.numeric, features.categorical, predictions.scores, starts
    ):
        found[start] = Increment(content.rows, profile=content)
    by_start: dict[int, list[tuple[int, int]]] = {}
    for time, micros, rows in request_rows:
        by_start.setdefault(floor_to(finest, time), []).append((micros, rows))
    for start, requests in by_start.items():
        part = found.setdefault(start, Increment())
        part.requests = len(requests)
        part.latencies = latency.profile_latencies([r[0] for r in requests], [r[1] for r in requests])
    if errors:
        found[max(found)].errors += errors
    return found


def coarser(
    specification: ProfileSpecification, parts: dict[int, Increment], level: int
) -> dict[int, Increment]:
    """The same increments, summed to windows of a coarser level."""
    groups: dict[int, list[Increment]] = {}
    for start, part in parts.items():
        groups.setdefault(floor_to(level, start), []).append(part)
    return {start: _sum(specification, members) for start, members in groups.items()}


def add(
    connection: Connection,
    specification: ProfileSpecification,
    stream_id: int,
    level: int,
    parts: dict[int, Increment],
) -> None:
    """Add increments to the stored windows of one level."""
    for start, part in parts.items():
        row = connection.execute(
            "SELECT rows, requests, errors, latency, profile FROM windows WHERE stream_id=? AND level=? AND start=?",
            (stream_id, level, start),
        ).fetchone()
        if row is not None:
            part = _sum(specification, [_stored(specification, row), part])
        connection.execute(
            "INSERT OR REPLACE INTO windows VALUES (?,?,?,?,?,?,?,?)",
            (
                stream_id,
                level,
                start,
                part.rows,
                part.requests,
                part.errors,
                latency.encode(part.latencies) if part.requests else None,
                profile.encode(specification, part.profile) if part.profile is not None else None,
            ),
        )


def read(
    connection: Connection,
    specification: ProfileSpecification,
    stream_id: int,
    level: int,
    start_us: int,
    end_us: int,
) -> list[Window]:
    """The windows of one level whose start lies in [start, end), oldest first; windows without traffic are absent."""
    rows = connection.execute(
        "SELECT rows, requests, errors, latency, profile, start FROM windows "
        "WHERE stream_id=? AND level=? AND start>=? AND start<? ORDER BY start",
        (stream_id, level, start_us, end_us),
    )
    found = []
    for row in rows:
        part = _stored(specification, row[:5])
        content = part.profile if part.profile is not None else profile.empty_profile(specification)
        found.append(Window(row[5], part.rows, part.requests, part.errors, part.latencies, content))
    return found


def newest_latencies(connection: Connection, stream_id: int, level: int) -> LatencyProfile:
    """The latencies of a stream's newest window with requests; empty before its first."""
    row = connection.execute(
        "SELECT latency FROM windows WHERE stream_id=? AND level=? AND requests>0 ORDER BY start DESC LIMIT 1",
        (stream_id, level),
    ).fetchone()
    return latency.decode(row[0]) if row else latency.empty_latencies()


def _stored(
    specification: ProfileSpecification, row: tuple[int, int, int, bytes | None, bytes | None]
) -> Increment:
    rows, requests, errors, latencies, content = row
    return Increment(
        rows,
        requests,
        errors,
        latency.decode(latencies) if latencies is not None else latency.empty_latencies(),
        profile.decode(specification, content) if content is not None else None,
    )


def _sum(specification: ProfileSpecification, parts: list[Increment]) -> Increment:
    if len(parts) == 1:
        return parts[0]
    profiles = [part.profile for part in parts if part.profile is not None]
    return Increment(
        sum(part.rows for part in parts),
        sum(part.requests for part in parts),
        sum(part.errors for part in parts),
        latency.merge_all(part.latencies for part in parts),
        profile.merge_all(specification, profiles) if profiles else None,
    )
