"""Days of events of which rows or outcomes came after a window with them was closed, and windows on whose findings later ones
rested that have changed since: the windows to be judged again.

A day is looked at again at once where much has come, else within an hour, so that outcomes that come one by one cost one
judgement an hour. Functions take a connection and run in the transaction of what came.
"""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pilothouse.domain.formats.time_units import DAY_S, DAY_US, HOUR_US
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.sqlite import Connection
from pilothouse.telemetry.intake import rollup
from pilothouse.telemetry.rows.columns import Predictions

Kind = Literal["rows", "outcomes", "findings"]

OF_ROWS = ("drift", "estimate", "traffic")
"""Monitors that are about rows; quality is closed with drift."""
OF_OUTCOMES = ("performance",)
_MUCH = 0.05
"""Share of a day's rows, or outcomes, from which its windows are judged again at once."""
WAIT_US = HOUR_US
"""Time after which they are judged again where less has come."""


@dataclass(frozen=True, slots=True)
class LateDay:
    """Late events of one day of a stream, from ``first_us`` to ``last_us``; ``added`` tells whether more have come.

    Of findings: a window from ``first_us`` to ``last_us``, which is its key too.
    """

    stream_id: int
    kind: Kind
    start_us: int
    first_us: int
    last_us: int
    added: int


def closed_until(connection: Connection, stream_id: int, monitors: Iterable[str]) -> int | None:
    """End of the newest closed window of any of these monitors."""
    ends = [
        connection.execute(
            "SELECT max(window_end) FROM readings WHERE stream_id=? AND monitor=? AND subject=''",
            (stream_id, monitor),
        ).fetchone()[0]
        for monitor in monitors
    ]
    return max((end for end in ends if end is not None), default=None)


def note_rows(
    connection: Connection,
    stream_id: int,
    rows: Predictions,
    now_us: int,
    known: MutableMapping[int, int | None],
) -> None:
    """Note these rows, as far as a window with them is closed, of this version or of another one on the
    target, which is judged beside them; they are stored already. Ends of closed windows that are ``known`` are not read
    again."""
    if stream_id not in known:
        ends = [closed_until(connection, stream_id, OF_ROWS), _closed_inputs(connection, stream_id)]
        known[stream_id] = max((end for end in ends if end is not None), default=None)
    end = known[stream_id]
    if end is None or rows.first_us >= end:
        return
    times = rows.times
    late = np.sort(times[times < end])
    starts = late - late % DAY_US
    for start in np.unique(starts).tolist():
        of_day = late[starts == start]
        stored = rollup.count_rows(connection, stream_id, DAY_S, start, start + DAY_US)
        day = LateDay(stream_id, "rows", start, int(of_day[0]), int(of_day[-1]), len(of_day))
        _note(connection, day, stored, now_us)


def _closed_inputs(connection: Connection, stream_id: int) -> int | None:
    """End of the newest closed window of inputs of another version on a stream's target."""
    (end,) = connection.execute(
        "SELECT max((SELECT max(r.window_end) FROM readings r WHERE r.stream_id=o.id AND r.monitor='drift' AND r.subject='')) "
        "FROM streams s JOIN streams o ON o.model=s.model AND o.target=s.target AND o.id<>s.id WHERE s.id=?",
        (stream_id,),
    ).fetchone()
    return None if end is None else int(end)


def note_outcomes(
    connection: Connection, stream_id: int, day_us: int, added: int, outcomes: int, now_us: int
) -> None:
    """Note ``added`` of a day's now ``outcomes``, where a window with the day is closed."""
    end = closed_until(connection, stream_id, OF_OUTCOMES)
    if end is not None and day_us < end:
        day = LateDay(stream_id, "outcomes", day_us, day_us, day_us + DAY_US - 1, added)
        _note(connection, day, outcomes, now_us)


def note_span(
    connection: Connection, stream_id: int, kind: Kind, start_us: int, end_us: int, now_us: int
) -> None:
    """Note a window for which something came while it was being judged; it is judged again at once."""
    for day_us in range(start_us - start_us % DAY_US, end_us, DAY_US):
        first_us, last_us = max(day_us, start_us), min(day_us + DAY_US, end_us) - 1
        _note(connection, LateDay(stream_id, kind, day_us, first_us, last_us, 1), 0, now_us)


def note_findings(connection: Connection, stream_id: int, span: Span, now_us: int) -> LateDay:
    """Note that the findings of a window of inputs have changed, or came later than those of windows that rest on them; they
    are judged again at once. Returns the note as it stands."""
    day = LateDay(stream_id, "findings", span.end_us, span.start_us, span.end_us, 1)
    _note(connection, day, 0, now_us)
    (added,) = connection.execute(
        "SELECT added FROM late_days WHERE stream_id=? AND kind=? AND start=?",
        (stream_id, day.kind, day.start_us),
    ).fetchone()
    return replace(day, added=added)


def _note(connection: Connection, day: LateDay, of: int, now_us: int) -> None:
    (before,) = connection.execute(
        "SELECT coalesce(max(added), 0) FROM late_days WHERE stream_id=? AND kind=? AND start=?",
        (day.stream_id, day.kind, day.start_us),
    ).fetchone()
    look_at = now_us if before + day.added >= _MUCH * of else now_us + WAIT_US
    connection.execute(
        "INSERT INTO late_days VALUES (?,?,?,?,?,?,?) ON CONFLICT (stream_id, kind, start) DO UPDATE SET "
        "first_event = min(first_event, excluded.first_event), last_event = max(last_event, excluded.last_event), "
        "added = added + excluded.added, look_at = min(look_at, excluded.look_at)",
        (day.stream_id, day.kind, day.start_us, day.first_us, day.last_us, day.added, look_at),
    )


def due(connection: Connection, now_us: int, streams: int = 100) -> list[LateDay]:
    """Late days of some streams whose windows are to be judged again now, oldest first in each stream.

    Where one day of a stream is due, all its others are.
    """
    rows = connection.execute(
        "SELECT stream_id, kind, start, first_event, last_event, added FROM late_days WHERE stream_id IN "
        "(SELECT DISTINCT stream_id FROM late_days WHERE look_at <= ? LIMIT ?) ORDER BY stream_id, kind, start",
        (now_us, streams),
    )
    return [LateDay(*row) for row in rows]


def anything_due(connection: Connection, now_us: int) -> bool:
    return bool(
        connection.execute(
            "SELECT EXISTS (SELECT 1 FROM late_days WHERE look_at <= ?)", (now_us,)
        ).fetchone()[0]
    )


def settle(connection: Connection, judged: Iterable[LateDay]) -> None:
    """Take days off the list, but those of which more has come meanwhile."""
    connection.executemany(
        "DELETE FROM late_days WHERE stream_id=? AND kind=? AND start=? AND added=?",
        [(day.stream_id, day.kind, day.start_us, day.added) for day in judged],
    )
