"""Compaction at rest: small segments of sparse days merged, hours of sparse streams packed, space given back. No answer
changes by it. Of a day that is not over it is done every few hours of events.

Each step is one short transaction that is whole by itself: one that was interrupted is done again.
"""

import time
from collections.abc import Iterable, Iterator
from weakref import WeakKeyDictionary

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import SECOND_US
from pilothouse.operations.services import Services
from pilothouse.telemetry import TelemetryStore
from pilothouse.telemetry.intake import window_packs
from pilothouse.telemetry.rows import retention

_TURN_S = 0.5
"""Seconds of a turn, and one step more at most."""
_LAG_US = 60 * SECOND_US
"""Rows are merged that arrived as late as each other, to within this: when data had come to an event time stays known. A
history that is replayed is left as it came."""
_SPARSE_DAYS = 16
"""Sparse days of which segments are merged in one transaction: some milliseconds."""
_DAYS_AT_ONCE = 64
"""Days that are looked at in one transaction, whether they are packed or stay as they are."""

_LOOKED_AT: WeakKeyDictionary[TelemetryStore, dict[int, int]] = WeakKeyDictionary()
"""Time of events up to which this process has compacted each stream."""
_PLACES: WeakKeyDictionary[TelemetryStore, dict[int, int]] = WeakKeyDictionary()
"""Start of the last day looked at, of the stream in which a turn ended: days that stay as they are hold up no other stream."""


def compact(services: Services, streams: Iterable[int]) -> tuple[int, int]:
    """Compact streams to their end; returns how many segments were merged, and into how many."""
    steps = [step for stream_id in streams for step in _steps(services, stream_id, {}, dense=True)]
    return sum(steps), sum(1 for merged in steps if merged)


def at_rest(services: Services) -> bool:
    """Compact streams of which some hours of events are over, for a moment; True where some are left for the next turn.

    A stream with damaged rows stops no other: its IntegrityError is raised, and it is left alone until more hours are over.
    """
    until = time.monotonic() + _TURN_S
    looked_at = _LOOKED_AT.setdefault(services.telemetry, {})
    places = _PLACES.setdefault(services.telemetry, {})
    with services.telemetry.read() as connection:
        streams = window_packs.hours_over(connection)
    for stream_id, over in streams:
        if looked_at.get(stream_id) == over:
            continue
        try:
            for _ in _steps(services, stream_id, places, dense=False):
                if time.monotonic() > until:
                    return True
        except IntegrityError:
            looked_at[stream_id] = over
            raise
        looked_at[stream_id] = over
        places.pop(stream_id, None)
    with services.telemetry.transaction() as connection:
        if retention.mostly_free(connection):
            retention.give_back_pages(connection)
    return False


def _steps(services: Services, stream_id: int, places: dict[int, int], *, dense: bool) -> Iterator[int]:
    """Compact a stream, one transaction a step; the number of segments that each has merged. Merging those of dense days, of
    which little is gained, is left to the rounds of retention. Days are packed behind the stream's place, which goes on."""
    telemetry = services.telemetry
    with telemetry.read() as connection:
        over = window_packs.LATE_US, window_packs.PART_US
        bounds = () if dense else (24 * window_packs.SPARSE_ROWS, _LAG_US, over)
        groups = list(retention.mergeable(connection, stream_id, *bounds))
        days = [
            day for day in window_packs.due(connection, stream_id) if day > places.get(stream_id, day - 1)
        ]
    together = 1 if dense else _SPARSE_DAYS
    for first in range(0, len(groups), together):
        with telemetry.read() as connection:
            found = [
                retention.merge_segments(connection, group) for group in groups[first : first + together]
            ]
        with telemetry.transaction() as connection:
            put = [one for one in found if one is not None and retention.put_merged(connection, one)]
        yield from (len(one.old) for one in put)
    while days:
        with telemetry.transaction() as connection:
            specification = telemetry.specification(connection, stream_id)
            looked_at = window_packs.pack(connection, specification, stream_id, days[:_DAYS_AT_ONCE])
        places[stream_id] = days[looked_at - 1]
        days = days[looked_at:]
        yield 0
