"""Rows of the table ``windows``: one window each, its latencies and its profile encoded. Functions take a connection."""

from collections.abc import Iterable

from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency, profile, profile_storage
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake.increment import Increment
from pilothouse.telemetry.intake.write_cache import Key

Bounds = tuple[int, int, int, int]
"""Stream and level of windows that start from the third on and before the fourth."""


def find(connection: Connection, specification: ProfileSpecification, key: Key) -> Increment | None:
    """Window of that key, or None."""
    row = connection.execute(
        "SELECT rows, requests, errors, latency, profile FROM windows WHERE stream_id=? AND level=? AND start=?",
        key,
    ).fetchone()
    return _stored(specification, row) if row is not None else None


def read(
    connection: Connection, specification: ProfileSpecification, bounds: Bounds
) -> list[tuple[int, Increment]]:
    """(start, window) of the windows within, oldest first."""
    rows = connection.execute(
        "SELECT rows, requests, errors, latency, profile, start FROM windows "
        "WHERE stream_id=? AND level=? AND start>=? AND start<? ORDER BY start",
        bounds,
    )
    return [(int(row[5]), _stored(specification, row[:5])) for row in rows]


def write(
    connection: Connection, specification: ProfileSpecification, windows: Iterable[tuple[Key, Increment]]
) -> None:
    """Write windows, in the place of those of their keys."""
    connection.executemany(
        "INSERT OR REPLACE INTO windows VALUES (?,?,?,?,?,?,?,?)",
        [
            (
                *key,
                window.rows,
                window.requests,
                window.errors,
                latency.encode(window.latencies) if window.requests else None,
                profile_storage.encode(specification, window.profile) if window.profile is not None else None,
            )
            for key, window in windows
        ],
    )


def summed(specification: ProfileSpecification, parts: Iterable[Increment]) -> Increment:
    """One window of the rows and requests of all. Exact, whatever the order."""
    parts = list(parts)
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


def _stored(
    specification: ProfileSpecification, row: tuple[int, int, int, bytes | None, bytes | None]
) -> Increment:
    rows, requests, errors, latencies, content = row
    return Increment(
        rows,
        requests,
        errors,
        latency.decode(latencies) if latencies is not None else latency.empty_latencies(),
        profile_storage.decode(specification, content) if content is not None else None,
    )
