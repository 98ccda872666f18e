"""Retention: old rows deleted, small segments merged, space given back, in transactions so short that ingest does not
notice.

Only rows are deleted (segments, their outcomes). The heads of batches stay, so that a batch sent again is still known and
a late outcome is answered with the deletion of its prediction. Windows, outcome days and readings stay for good.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.telemetry.intake.streams import write_faults
from pilothouse.telemetry.rows import traces
from pilothouse.telemetry.rows.columns import (
    CLOSED_LEVEL,
    decode_features,
    decode_predictions,
    encode_features,
    encode_predictions,
    join_features,
    join_predictions,
)

LARGE_ROWS = 20_000
"""Rows at which a segment is large enough."""
_MERGED_AT_ONCE = 100
"""Segments that are merged into one at most."""
_DELETED_AT_ONCE = 50
"""Segments that are deleted in one transaction."""
_PAGES_AT_ONCE = 250
"""Pages given back at once, a megabyte; moving one takes some ten microseconds."""
_OUTCOMES_AT_ONCE = 2_000
"""Waiting outcomes that are dropped in one transaction."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows and bytes of segments."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Deletion:
    """Deletion of rows of one stream: its events before ``before_us``, of those received by then."""

    id: int
    model: str
    version: int
    target: str
    before_us: int
    rows: int
    bytes: int


def due(connection: Connection, stream_id: int, received_before_us: int) -> Stored:
    """Rows and bytes that deletion would take of a stream."""
    row = connection.execute(
        "SELECT coalesce(sum(rows), 0), coalesce(sum(length(predictions) + length(features)), 0) "
        "FROM segments WHERE stream_id=? AND received<?",
        (stream_id, received_before_us),
    ).fetchone()
    return Stored(*row)


def stored_rows(connection: Connection, stream_id: int) -> int:
    """Number of rows of a stream that are still stored."""
    (rows,) = connection.execute(
        "SELECT coalesce(sum(rows), 0) FROM segments WHERE stream_id=?", (stream_id,)
    ).fetchone()
    return int(rows)


def delete_some(connection: Connection, stream_id: int, received_before_us: int, now_us: int) -> Stored:
    """Delete some segments of a stream that were received before that time, and note it; nothing where none is left."""
    numbers = connection.execute(
        "SELECT id FROM segments WHERE stream_id=? AND received<? ORDER BY last_event LIMIT ?",
        (stream_id, received_before_us, _DELETED_AT_ONCE),
    ).fetchall()
    return delete_segments(connection, stream_id, [number for (number,) in numbers], now_us)


def due_segments(
    connection: Connection, stream_id: int, received_before_us: int
) -> list[tuple[int, int, int]]:
    """Segments of a stream that were received before that time: (id, first event, last event)."""
    return connection.execute(
        "SELECT id, first_event, last_event FROM segments WHERE stream_id=? AND received<? ORDER BY last_event",
        (stream_id, received_before_us),
    ).fetchall()


def delete_segments(connection: Connection, stream_id: int, numbers: Sequence[int], now_us: int) -> Stored:
    """Delete these segments of a stream, and note it."""
    segments = [
        row
        for number in numbers
        for row in connection.execute(
            "SELECT id, rows, last_event, length(predictions) + length(features) FROM segments WHERE id=?",
            (number,),
        )
    ]
    if not segments:
        return Stored()
    for number, *_ in segments:
        traces.forget(connection, number)
    ids = [(number,) for number, *_ in segments]
    connection.executemany(
        "DELETE FROM outcomes WHERE batch_id IN (SELECT id FROM batches WHERE segment_id=?)", ids
    )
    connection.executemany(
        "DELETE FROM outcome_conflicts WHERE batch_id IN (SELECT id FROM batches WHERE segment_id=?)", ids
    )
    connection.executemany(
        "DELETE FROM trial_outcomes WHERE batch_id IN (SELECT id FROM batches WHERE segment_id=?)", ids
    )
    connection.executemany("UPDATE batches SET segment_id=NULL WHERE segment_id=?", ids)
    connection.executemany("DELETE FROM segments WHERE id=?", ids)
    deleted = Stored(sum(row[1] for row in segments), sum(row[3] for row in segments))
    before = max(row[2] for row in segments) + 1
    model, version, target = connection.execute(
        "SELECT model, version, target FROM streams WHERE id=?", (stream_id,)
    ).fetchone()
    note_deletion(connection, (model, version, target), before, deleted, now_us)
    return deleted


def note_deletion(
    connection: Connection, stream: tuple[str, int, str], before_us: int, deleted: Stored, now_us: int
) -> None:
    """Note a deletion of events before a time; one note for each model, version and target until the audit log has it, since a
    deletion takes many short transactions."""
    note = connection.execute(
        "SELECT id FROM deletions WHERE audited=0 AND model=? AND version=? AND target=?", stream
    ).fetchone()
    if note is not None:
        connection.execute(
            "UPDATE deletions SET rows=rows+?, bytes=bytes+?, before=max(before, ?) WHERE id=?",
            (deleted.rows, deleted.bytes, before_us, note[0]),
        )
        return
    connection.execute(
        "INSERT INTO deletions (model, version, target, before, rows, bytes, recorded) VALUES (?,?,?,?,?,?,?)",
        (*stream, before_us, deleted.rows, deleted.bytes, now_us),
    )


def to_audit(connection: Connection) -> list[Deletion]:
    """Deletions that are not in the audit log yet."""
    rows = connection.execute(
        "SELECT id, model, version, target, before, rows, bytes FROM deletions WHERE audited=0 ORDER BY id"
    )
    return [Deletion(*row) for row in rows]


def mark_audited(connection: Connection, number: int) -> None:
    """Note that a deletion is in the audit log."""
    connection.execute("UPDATE deletions SET audited=1 WHERE id=?", (number,))


def deleted_before_us(connection: Connection, model: str, target: str | None) -> int | None:
    """Time before which some events of a model (on a target) have been deleted; None where all are there."""
    conditions, values = where({"model=?": model, "target=?": target})
    (before,) = connection.execute(f"SELECT max(before) FROM deletions {conditions}", values).fetchone()  # noqa: S608 - ours
    return None if before is None else int(before)


def mergeable(
    connection: Connection,
    stream_id: int,
    rows_a_day: int = 1 << 62,
    lag_us: int = 1 << 62,
    over: tuple[int, int] = (0, DAY_US),
) -> Iterator[list[int]]:
    """Small segments of a stream that belong together: of one day of events that is over, received on one day, at lags between
    two multiples of ``lag_us``. Days with more than ``rows_a_day`` in such segments are left out.

    ``over``: of the newest day too what lies before the last multiple of the second, as the first as long ago, in
    microseconds.
    """
    groups = connection.execute(
        "SELECT g.last_event / ?1, g.received / ?1, (g.received - g.last_event) / ?5 "
        "FROM segments g JOIN streams s ON s.id = g.stream_id "
        "WHERE g.stream_id=?3 AND g.rows < ?2 "
        "AND g.last_event < max(s.last_event / ?1 * ?1, (s.last_event - ?6) / ?7 * ?7) "
        "GROUP BY 1, 2, 3 HAVING count(*) > 1 AND sum(g.rows) <= ?4",
        (DAY_US, LARGE_ROWS // 2, stream_id, rows_a_day, lag_us, *over),
    ).fetchall()
    for day, received, lag in groups:
        rows = connection.execute(
            "SELECT g.id, g.rows FROM segments g JOIN streams s ON s.id = g.stream_id WHERE g.stream_id=?3 "
            "AND g.last_event >= ?4 * ?1 AND g.last_event < (?4 + 1) * ?1 AND g.rows < ?2 "
            "AND g.last_event < max(s.last_event / ?1 * ?1, (s.last_event - ?8) / ?9 * ?9) "
            "AND g.received / ?1 = ?5 AND (g.received - g.last_event) / ?6 = ?7 ORDER BY g.last_event, g.id",
            (DAY_US, LARGE_ROWS // 2, stream_id, day, received, lag_us, lag, *over),
        ).fetchall()
        group, size = list[int](), 0
        for number, count in rows:
            group.append(number)
            size += count
            if size >= LARGE_ROWS or len(group) == _MERGED_AT_ONCE:
                yield group
                group, size = [], 0
        if len(group) > 1:
            yield group


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Large segment before it is stored; ``starts`` are the first rows of the old ones in it."""

    old: list[int]
    starts: list[int]
    head: tuple[int, int, int, int, int]
    predictions: bytes
    features: bytes


def merge_segments(connection: Connection, numbers: list[int]) -> Merged | None:
    """Segments read and encoded as one, in the caller's read; None where fewer than two are there."""
    rows = [
        row
        for number in numbers
        for row in connection.execute(
            "SELECT id, stream_id, rows, first_event, last_event, received, predictions, features "
            "FROM segments WHERE id=?",
            (number,),
        )
    ]
    if len(rows) < 2:
        return None
    *starts, total = itertools.accumulate((row[2] for row in rows), initial=0)
    return Merged(
        [row[0] for row in rows],
        starts,
        (rows[0][1], total, min(r[3] for r in rows), max(r[4] for r in rows), max(r[5] for r in rows)),
        encode_predictions(join_predictions([decode_predictions(row[6]) for row in rows]), CLOSED_LEVEL),
        encode_features(join_features([decode_features(row[7]) for row in rows]), CLOSED_LEVEL),
    )


def put_merged(connection: Connection, merged: Merged) -> bool:
    """Replace the old segments by the merged one; ids of predictions keep their meaning. False where one of the old ones
    has gone meanwhile."""
    there = sum(
        connection.execute("SELECT count(*) FROM segments WHERE id=?", (number,)).fetchone()[0]
        for number in merged.old
    )
    if there != len(merged.old):
        return False
    number = connection.execute(
        "INSERT INTO segments (stream_id, rows, first_event, last_event, received, predictions, features) "
        "VALUES (?,?,?,?,?,?,?)",
        (*merged.head, merged.predictions, merged.features),
    ).lastrowid
    moves = [(number, start, old) for start, old in zip(merged.starts, merged.old, strict=True)]
    connection.executemany(
        "UPDATE batches SET segment_id=?, segment_start=segment_start+? WHERE segment_id=?", moves
    )
    connection.executemany("DELETE FROM segments WHERE id=?", [(old,) for old in merged.old])
    return True


def expire_waiting(connection: Connection, received_before_us: int, now_us: int) -> int:
    """Drop some outcomes whose prediction has not come since then; counted as rejected."""
    dropped = connection.execute(
        "DELETE FROM waiting_outcomes WHERE id IN (SELECT id FROM waiting_outcomes WHERE received<? LIMIT ?) "
        "RETURNING id",
        (received_before_us, _OUTCOMES_AT_ONCE),
    ).fetchall()
    write_faults(connection, [(RejectionReason.NEVER_CAME, text) for (text,) in dropped], now_us)
    return len(dropped)


def mostly_free(connection: Connection) -> bool:
    """True where an eighth of the file is free pages: more than the next rows will soon need."""
    free, pages = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count")
    )
    return bool(free * 8 > pages)


def give_back_pages(connection: Connection) -> int:
    """Return some free pages to the file system; returns the bytes. 0 where none is free, or the file is of the first
    release, which reuses its free pages."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
    left = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return int((free - left) * connection.execute("PRAGMA page_size").fetchone()[0])
