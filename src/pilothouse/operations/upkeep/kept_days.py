"""Days that retention would delete, kept as files first: exported, read back, and only then deleted.

A segment is deleted if it is then what it was before its days were exported: an outcome that came between stays for the next
round.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep.telemetry_export import ExportFolder
from pilothouse.system.destinations import check_outside_state
from pilothouse.telemetry import Stream
from pilothouse.telemetry.rows import exported_rows, retention

_AT_ONCE = 50
"""Segments that are deleted in one transaction."""


def move(
    services: Services,
    stream: Stream,
    into: ExportFolder,
    received_before_us: int,
    now_us: int,
    may_go: Callable[[], bool],
) -> int:
    """Move the rows of a stream that came before a time into the folder; returns the number of rows deleted. ``may_go`` is
    asked before each deletion. Raises IntegrityError or OSError, and has deleted nothing then that is not in the folder."""
    by_day = defaultdict[int, list[tuple[int, int, int]]](list)
    with services.telemetry.read() as connection:
        classes = services.telemetry.specification(connection, stream.id).classes
        for segment in retention.due_segments(connection, stream.id, received_before_us):
            by_day[segment[2] // DAY_US].append(segment)
    rows = 0
    for _, segments in sorted(by_day.items()):
        numbers = [number for number, _, _ in segments]
        with services.telemetry.read() as connection:
            before = {
                number: exported_rows.state_of_segment(connection, number, classes) for number in numbers
            }
        days = {day for _, a, b in segments for day in range(a // DAY_US, b // DAY_US + 1)}
        for day in sorted(days):
            into.put(stream.model, stream.target, day, read_back=True)
        for first in range(0, len(numbers), _AT_ONCE):
            some = numbers[first : first + _AT_ONCE]
            if not may_go():
                return rows
            with services.telemetry.transaction() as connection:
                unchanged = [
                    number
                    for number in some
                    if before[number] is not None
                    and exported_rows.state_of_segment(connection, number, classes) == before[number]
                ]
                rows += retention.delete_segments(connection, stream.id, unchanged, now_us).rows
    return rows


def checked_place(text: str) -> str:
    """Folder in which days are to be kept, absolute. Raises InvalidInputError or NotFoundError."""
    if "://" in text:
        raise InvalidInputError(
            f"--keep-in: found {text[:80]!r}; expected a folder: "
            "stores by URL are read, and not written; mount it, or copy the folder"
        )
    place = Path(text).absolute()
    check_outside_state(place)
    if not place.is_dir():
        raise NotFoundError(f"--keep-in: {place} is not a folder: make it, or name another one")
    return str(place)
