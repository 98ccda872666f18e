"""Readings: findings of monitors, window by window. Written once by a key, read for charts and for alerts.

``applied`` says whether alerts have been drawn from a reading. The registry is another file and there is no transaction
over both: a reading is written first, its alerts next, and only then it is marked, so that a restart in between draws the
same alerts again (they are keyed too) and never another reading.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.triggers import Hindrance
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import (
    ClosedWindow,
    Finding,
    MultivariateFinding,
    PerformanceFinding,
    Window,
)
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where

T = TypeVar("T")

MULTIVARIATE = "multivariate"
DRIFT, QUALITY, PERFORMANCE, TRAFFIC = "drift", "quality", "performance", "traffic"
ESTIMATE = "estimate"
"""Performance without outcomes: the windows of performance, closed by the event clock at once."""
_OF_MANY = (DRIFT, QUALITY)
"""Monitors whose reading is a list of findings; that of another is one finding."""

_RENAMED = (
    ('"speaks":', '"significant":'),
    ('"spoke":', '"significant_windows":'),
    ('"windows":', '"judged_windows":'),
    ('"latency_speaks":', '"latency_significant":'),
    ('"errors_speak":', '"errors_significant":'),
)
"""Fields of findings as earlier releases wrote them, and as they are called now. Readings of these releases keep their text:
to rewrite millions of them in one migration would hold the write lock for minutes and fill the WAL with a copy of all of them.
In JSON a quotation mark inside of a text is escaped, so none of these pieces can be part of a name or value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Findings of one monitor about one window of a stream, as they are stored. ``data`` is their JSON."""

    id: int
    stream_id: int
    monitor: str
    start_us: int
    end_us: int
    rows: int
    judged: bool
    significant: bool
    data: str
    revision: int = 0
    """Number of times that the window has been judged again."""
    late: str = ""
    """What had come late when it was judged again the last time: rows, outcomes or findings of a window before it; ``asked``
    for a back-fill."""

    @property
    def span(self) -> Span:
        """Bounds of its window."""
        return Span(self.start_us, self.end_us)

    @property
    def window(self) -> Window:
        """Window that it is about."""
        merged = _merged(self)
        return Window(
            start=from_us(self.start_us),
            end=from_us(self.end_us),
            rows=self.rows,
            judged=self.judged,
            together=merged.together,
            rows_together=merged.rows_together,
            revision=self.revision,
            late=self.late,
        )


_SELECT = (
    "SELECT id, stream_id, monitor, window_start, window_end, rows, judged, significant, data, revision, late "
    "FROM readings"
)


def findings_of(reading: Reading, kind: type[T]) -> list[T]:
    """Findings of a drift or quality reading, one a feature or fault."""
    return msgspec.json.decode(_current(reading.data), type=list[kind])  # type: ignore[valid-type]


def finding_of(reading: Reading, kind: type[T]) -> T:
    """Finding of a reading of any other monitor."""
    finding = msgspec.json.decode(_current(reading.data), type=kind)
    if isinstance(finding, PerformanceFinding | MultivariateFinding):
        # earlier releases kept it in the column alone
        return dataclasses.replace(finding, significant=reading.significant)
    return finding


def _current(data: str) -> str:
    """Stored findings with the names that fields have now."""
    for old, new in _RENAMED:
        data = data.replace(old, new)
    return data


class _Merged(msgspec.Struct):
    """Windows that were judged as one; beside the first finding of a reading, where they are several."""

    together: int = 1
    rows_together: int = 0


def _merged(reading: Reading) -> _Merged:
    if '"rows_together":' not in reading.data:
        return _Merged()
    if reading.monitor in _OF_MANY:
        return msgspec.json.decode(reading.data, type=list[_Merged])[0]
    return msgspec.json.decode(reading.data, type=_Merged)


class _Verdict(msgspec.Struct):
    """The part of a finding that says whether it is significant; the rest is not read."""

    significant: bool


def count_significant(reading: Reading) -> int:
    """Number of significant findings of a drift or quality reading."""
    verdicts = msgspec.json.decode(_current(reading.data), type=list[_Verdict])
    return sum(verdict.significant for verdict in verdicts)


def write(
    connection: Connection, stream_id: int, monitor: str, closed: ClosedWindow[Finding], now_us: int
) -> bool:
    """Store a reading; False where this window of this monitor has one already."""
    return bool(insert_reading(connection, stream_id, monitor, closed, now_us, applied=False))


def insert_reading(
    connection: Connection,
    stream_id: int,
    monitor: str,
    closed: ClosedWindow[Finding],
    now_us: int,
    *,
    applied: bool,
) -> int:
    """Number of readings stored: none where this window of this monitor has one."""
    window = closed.window
    return connection.execute(
        "INSERT OR IGNORE INTO readings (stream_id, monitor, window_start, window_end, rows, judged, significant, applied, "
        "recorded, data) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            stream_id,
            monitor,
            to_us(window.start),
            to_us(window.end),
            window.rows,
            window.judged,
            closed.significant,
            applied,
            now_us,
            encode(monitor, closed),
        ),
    ).rowcount


def encode(monitor: str, closed: ClosedWindow[Finding]) -> str:
    """Findings as they are stored."""
    findings: list[Any] = list(closed.findings)
    if closed.window.together > 1 and findings:
        merged = _Merged(closed.window.together, closed.window.rows_together)
        findings[0] = msgspec.to_builtins(merged) | msgspec.to_builtins(findings[0])
    return msgspec.json.encode(findings if monitor in _OF_MANY else findings[0]).decode()


def holds(reading: Reading, closed: ClosedWindow[Finding]) -> bool:
    """True where a reading, under whatever names, holds these findings."""
    findings = closed.findings
    if not findings:
        return reading.data == encode(reading.monitor, closed)
    kind = type(findings[0])
    if _merged(reading) != _Merged(closed.window.together, closed.window.rows_together):
        return False
    if reading.monitor in _OF_MANY:
        return findings_of(reading, kind) == list(findings)
    return finding_of(reading, kind) == findings[0]


def closed_spans(connection: Connection, stream_id: int, monitor: str) -> list[Span]:
    """Closed windows of a monitor, oldest first."""
    rows = connection.execute(
        "SELECT window_start, window_end FROM readings WHERE stream_id=? AND monitor=? AND subject='' ORDER BY window_end",
        (stream_id, monitor),
    )
    return [Span(*row) for row in rows.fetchall()]


def closed_span(connection: Connection, stream_id: int, monitor: str) -> tuple[int, int] | None:
    """(start of the first window, end of the newest) of a monitor, or None before its first."""
    row = connection.execute(
        "SELECT min(window_start), max(window_end) FROM readings WHERE stream_id=? AND monitor=? AND subject=''",
        (stream_id, monitor),
    ).fetchone()
    return (row[0], row[1]) if row[0] is not None else None


def by_id(connection: Connection, number: int) -> Reading:
    """Reading of that number, which exists."""
    return _reading(connection.execute(f"{_SELECT} WHERE id=?", (number,)).fetchone())


def to_apply(connection: Connection) -> list[Reading]:
    """Readings from which no alert has been drawn yet, in the order in which they were made."""
    return [_reading(row) for row in connection.execute(f"{_SELECT} WHERE applied=0 ORDER BY id")]


def mark_applied(connection: Connection, reading_id: int) -> None:
    """Note that alerts have been drawn from this reading."""
    connection.execute("UPDATE readings SET applied=1 WHERE id=?", (reading_id,))


def history(
    connection: Connection,
    stream_id: int,
    monitor: str,
    *,
    after_us: int = -1,
    until_us: int | None = None,
    limit: int = 10_000,
    judged: bool = False,
) -> list[Reading]:
    """Newest readings of a monitor, oldest first; of windows that end after ``after_us``, up to ``until_us``."""
    rows = connection.execute(
        f"{_SELECT} WHERE stream_id=? AND monitor=? AND subject='' AND window_end>? AND window_end<=? AND judged>=? "
        "ORDER BY window_end DESC LIMIT ?",
        (stream_id, monitor, after_us, until_us if until_us is not None else 1 << 62, judged, limit),
    ).fetchall()
    return [_reading(row) for row in reversed(rows)]


def history_of_target(
    connection: Connection,
    model: str,
    target: str,
    monitor: str,
    *,
    version: int | None = None,
    limit: int = 1_000,
) -> list[Reading]:
    """Newest readings of a monitor over all versions on a target (or of one), oldest first."""
    conditions, values = where({"model=?": model, "target=?": target, "version=?": version})
    streams = f"SELECT id FROM streams {conditions}"  # noqa: S608 - conditions of our own
    rows = connection.execute(
        f"{_SELECT} WHERE stream_id IN ({streams}) AND monitor=? AND subject='' ORDER BY window_end DESC LIMIT ?",
        (*values, monitor, limit),
    ).fetchall()
    return [_reading(row) for row in reversed(rows)]


def find_calibration(connection: Connection, key: str) -> bytes | None:
    """Calibration stored under the digest of what it was computed from; None where there is none."""
    row = connection.execute("SELECT data FROM calibrations WHERE key=?", (key,)).fetchone()
    return bytes(row[0]) if row else None


def keep_calibration(connection: Connection, key: str, data: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO calibrations VALUES (?,?)", (key, data))


@dataclass(frozen=True, slots=True)
class RetrainingNote:
    """Note that an alert asked for a retraining because of a window, and the result: ``job`` is None where none started.

    ``clock_us`` is the event clock of the target when it asked.
    """

    alert: int
    model: str
    version: int
    target: str
    kind: str
    window_end_us: int
    clock_us: int
    job: int | None
    reason: str
    """Message for people."""
    hindrance: Hindrance | None = None
    """Reason why none started; None where there is a job."""


def note_retraining(connection: Connection, note: RetrainingNote, now_us: int) -> None:
    """Store the result of an alert's request for a retraining; a later one for the same window replaces the earlier."""
    connection.execute(
        "INSERT INTO retrainings "
        "(alert_id, model, version, target, kind, window_end, clock, job_id, reason, hindrance, recorded) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (alert_id, window_end) DO UPDATE SET clock=excluded.clock, "
        "job_id=excluded.job_id, reason=excluded.reason, hindrance=excluded.hindrance, recorded=excluded.recorded",
        (
            note.alert,
            note.model,
            note.version,
            note.target,
            note.kind,
            note.window_end_us,
            note.clock_us,
            note.job,
            note.reason,
            note.hindrance and str(note.hindrance),
            now_us,
        ),
    )


def retraining_notes(connection: Connection, model: str, alert: int | None = None) -> list[RetrainingNote]:
    """Results of alerts' requests for a retraining of a model, oldest first."""
    conditions, values = where({"model=?": model, "alert_id=?": alert})
    rows = connection.execute(
        "SELECT alert_id, model, version, target, kind, window_end, clock, job_id, reason, hindrance FROM retrainings "  # noqa: S608 - ours
        f"{conditions} ORDER BY id",
        values,
    )
    notes = ((RetrainingNote(*values), code) for *values, code in rows)
    return [dataclasses.replace(note, hindrance=Hindrance(code)) if code else note for note, code in notes]


def retrainings_lately(
    connection: Connection, model: str | None, limit: int
) -> tuple[list[tuple[int, int, RetrainingNote]], int]:
    """(number, wall clock, result) of the newest requests for a retraining, of a model or of all, newest first; and the number
    of all."""
    conditions, values = where({"model=?": model})
    rows = connection.execute(
        "SELECT id, recorded, alert_id, model, version, target, kind, window_end, clock, job_id, reason FROM retrainings "  # noqa: S608 - ours
        f"{conditions} ORDER BY recorded DESC, id DESC LIMIT ?",
        (*values, limit),
    )
    newest = [(number, recorded, RetrainingNote(*note)) for number, recorded, *note in rows]
    (total,) = connection.execute(f"SELECT count(*) FROM retrainings {conditions}", values).fetchone()  # noqa: S608 - ours
    return newest, int(total)


def models_with_paused_retrainings(connection: Connection) -> list[str]:
    """Models of which an alert asked for a training while automation was paused."""
    rows = connection.execute(
        "SELECT DISTINCT model FROM retrainings WHERE hindrance='paused' ORDER BY model"
    )
    return [row[0] for row in rows]


def find(connection: Connection, stream_id: int, monitor: str, end_us: int) -> Reading | None:
    """Reading of the window that ends then, or None."""
    row = connection.execute(
        f"{_SELECT} WHERE stream_id=? AND monitor=? AND subject='' AND window_end=?",
        (stream_id, monitor, end_us),
    ).fetchone()
    return _reading(row) if row else None


def _reading(row: tuple[int, int, str, int, int, int, int, int, str, int, str]) -> Reading:
    number, stream_id, monitor, start_us, end_us, rows, judged, significant, data, revision, late = row
    return Reading(
        id=number,
        stream_id=stream_id,
        monitor=monitor,
        start_us=start_us,
        end_us=end_us,
        rows=rows,
        judged=bool(judged),
        significant=bool(significant),
        data=data,
        revision=revision,
        late=late,
    )
