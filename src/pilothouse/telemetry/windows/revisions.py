"""Readings of windows that are judged again: the newest stands in its place, the earlier ones are kept. Functions take a
connection."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import ClosedWindow, Finding
from pilothouse.sqlite import Connection
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import Reading

ASKED = "asked"
"""Cause of a revision that a person has asked for."""

Change = Literal["new", "changed", "same", "gone"]
"""``gone``: there were rows and now there are none, so the earlier reading stays."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A window that was judged again: its reading before, made at ``recorded_at``, and after, at ``revised_at``."""

    before: Reading
    after: Reading
    recorded_at: datetime
    revised_at: datetime


def replace(
    connection: Connection,
    stream_id: int,
    monitor: str,
    closed: ClosedWindow[Finding],
    now_us: int,
    late: str = ASKED,
) -> Change:
    """Store a reading in place of the one that its window has, which is kept as an earlier one; whether alerts are still to
    be drawn from it stays. A new one is marked as applied."""
    before = readings.find(connection, stream_id, monitor, to_us(closed.window.end))
    if before is None:
        readings.insert_reading(connection, stream_id, monitor, closed, now_us, applied=True)
        return "new"
    window, significant = closed.window, closed.significant
    if (before.rows, before.judged, before.significant) == (window.rows, window.judged, significant) and (
        readings.holds(before, closed)
    ):
        return "same"
    if before.rows and not window.rows:
        return "gone"
    connection.execute(
        "INSERT INTO earlier_readings SELECT id, revision, rows, judged, significant, late, recorded, data "
        "FROM readings WHERE id=?",
        (before.id,),
    )
    data = readings.encode(monitor, closed)
    connection.execute(
        "UPDATE readings SET rows=?, judged=?, significant=?, recorded=?, data=?, late=?, revision=revision+1 WHERE id=?",
        (window.rows, window.judged, significant, now_us, data, late, before.id),
    )
    return "changed"


def first_recorded(connection: Connection, reading: Reading) -> int:
    """Wall clock, in microseconds, at which the window of a reading was judged first."""
    row = connection.execute(
        "SELECT min(recorded) FROM (SELECT recorded FROM readings WHERE id=?1 "
        "UNION ALL SELECT recorded FROM earlier_readings WHERE reading_id=?1)",
        (reading.id,),
    ).fetchone()
    return int(row[0])


def history_as_of(
    connection: Connection, stream_id: int, monitor: str, *, until_us: int, wall_us: int, limit: int
) -> list[Reading]:
    """Newest readings of a monitor up to the window that ends at ``until_us``, each as it was at a wall clock, oldest first;
    without those that were not there yet."""
    rows = connection.execute(
        "SELECT id, recorded FROM readings WHERE stream_id=? AND monitor=? AND subject='' AND window_end<=? "
        "ORDER BY window_end DESC LIMIT ?",
        (stream_id, monitor, until_us, limit),
    )
    later = {number for number, recorded in rows if recorded > wall_us}
    as_they_were = []
    for reading in readings.history(connection, stream_id, monitor, until_us=until_us, limit=limit):
        then: Reading | None = reading
        if reading.id in later:
            row = connection.execute(
                "SELECT revision, rows, judged, significant, late, data FROM earlier_readings "
                "WHERE reading_id=? AND recorded<=? ORDER BY revision DESC LIMIT 1",
                (reading.id, wall_us),
            ).fetchone()
            then = row and dataclasses.replace(
                reading, revision=row[0], rows=row[1], judged=bool(row[2]), significant=bool(row[3]), late=row[4],
                data=row[5],
            )  # fmt: skip
        if then is not None:
            as_they_were.append(then)
    return as_they_were


def oldest_closed(connection: Connection, stream_id: int, monitor: str) -> Span | None:
    """The closed window that ends first; None where none is closed."""
    row = connection.execute(
        "SELECT window_start, window_end FROM readings WHERE stream_id=? AND monitor=? AND subject='' "
        "ORDER BY window_end LIMIT 1",
        (stream_id, monitor),
    ).fetchone()
    return Span(*row) if row else None


def closed_since(
    connection: Connection, stream_id: int, monitor: str, since_us: int
) -> list[tuple[Span, int, bool]]:
    """Closed windows that end after a time, with their rows and whether they have a verdict; oldest first."""
    rows = connection.execute(
        "SELECT window_start, window_end, rows, judged FROM readings WHERE stream_id=? AND monitor=? AND subject='' "
        "AND window_end>? ORDER BY window_end",
        (stream_id, monitor, since_us),
    )
    return [(Span(start, end), count, bool(judged)) for start, end, count, judged in rows]


def first_significant(
    connection: Connection, stream_id: int, monitor: str, *, opened_us: int, until_us: int
) -> Span | None:
    """The first of the significant windows that follow each other up to the one that ends at ``until_us``, however many; those
    that end after ``opened_us`` belong to them, also where one between them was quiet."""
    row = connection.execute(
        "SELECT window_start, window_end FROM readings WHERE stream_id=?1 AND monitor=?2 AND subject='' AND judged=1 "
        "AND significant=1 AND window_end<=?4 AND window_end>(SELECT coalesce(max(window_end), -1) FROM readings "
        "WHERE stream_id=?1 AND monitor=?2 AND subject='' AND judged=1 AND significant=0 AND window_end<=min(?3, ?4)) "
        "ORDER BY window_end LIMIT 1",
        (stream_id, monitor, opened_us, until_us),
    ).fetchone()
    return Span(*row) if row else None


def draw_again(connection: Connection, stream_id: int, monitor: str, changed: set[int], limit: int) -> None:
    """Have alerts drawn from the newest readings of a monitor: from those of the last ``limit`` judged windows that have
    changed (by the ends of their windows), and from the newest in any case."""
    newest = readings.history(connection, stream_id, monitor, limit=1)
    judged = readings.history(connection, stream_id, monitor, limit=limit, judged=True)
    numbers = {reading.id for reading in newest} | {
        reading.id for reading in judged if reading.end_us in changed
    }
    connection.executemany(
        "UPDATE readings SET applied=0 WHERE id=?", [(number,) for number in sorted(numbers)]
    )


def is_newest(connection: Connection, reading: Reading) -> bool:
    """True where no later window of the monitor is judged."""
    newest = readings.history(connection, reading.stream_id, reading.monitor, limit=1, judged=True)
    return not newest or newest[0].end_us <= reading.end_us


def earlier(
    connection: Connection, stream_id: int, monitors: Sequence[str], limit: int = 1_000
) -> list[Revision]:
    """Revisions of the readings of some monitors, the newest window last, and of one in the order in which they were made."""
    marks = ", ".join("?" * len(monitors))
    rows = connection.execute(
        "SELECT r.id, r.monitor, r.window_start, r.window_end, e.rows, e.judged, e.significant, e.data, e.revision, e.late, "  # noqa: S608 - marks
        "e.recorded FROM readings r JOIN (SELECT * FROM earlier_readings UNION ALL SELECT id, revision, rows, judged, "
        "significant, late, recorded, data FROM readings WHERE stream_id=? AND revision > 0) e ON e.reading_id = r.id "
        f"WHERE r.stream_id=? AND r.monitor IN ({marks}) AND r.subject='' AND r.revision > 0 "
        "ORDER BY r.window_end DESC, r.monitor, e.revision LIMIT ?",
        (stream_id, stream_id, *monitors, limit),
    )
    stored = [
        (
            Reading(
                id=number, stream_id=stream_id, monitor=monitor, start_us=start, end_us=end, rows=count,
                judged=bool(judged), significant=bool(significant), data=data, revision=revision, late=late,
            ),
            from_us(recorded),
        )
        for number, monitor, start, end, count, judged, significant, data, revision, late, recorded in rows
    ]  # fmt: skip
    found = [
        Revision(before, after, recorded, revised)
        for (before, recorded), (after, revised) in pairwise(stored)
        if before.id == after.id
    ]
    return sorted(
        found,
        key=lambda revision: (revision.before.end_us, revision.before.monitor, revision.before.revision),
    )
