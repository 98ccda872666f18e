"""Readings: what monitors found, window by window. Written once by a key, read for charts and for alerts.

``applied`` says whether alerts have been drawn from a reading. The registry is another file and there is no transaction
over both: a reading is written first, its alerts next, and only then it is marked, so that a restart in between draws the
same alerts again (they are keyed too) and never another reading.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from pilothouse.domain.alert_rules import Span
from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.figure_context import Grounds
from pilothouse.domain.triggers import Hindrance
from pilothouse.sqlite import Connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DriftFigure:
    """One feature (or ``score``) in a window; fields with a default are missing in readings of earlier releases.

    ``compared_with`` is "reference" or "recent": the data from ``since_us`` to ``until_us`` (0: not known). It spoke in
    ``spoke`` of the last ``windows`` judged windows, this one included.
    """

    feature: str
    statistic: str
    value: float
    threshold: float
    p_value: float
    speaks: bool
    statistics: dict[str, float] = field(default_factory=dict)
    missing: float = 0.0
    unseen: float = 0.0
    compared_with: str = "reference"
    since_us: int = 0
    until_us: int = 0
    spoke: int = 0
    windows: int = 0
    grounds: Grounds = field(default_factory=Grounds)


@dataclass(frozen=True, slots=True)
class QualityFigure:
    """The share of rows of a window in which a feature is ``missing``, or its category ``unseen`` in the reference."""

    feature: str
    fault: str
    value: float
    reference: float
    threshold: float
    p_value: float
    speaks: bool
    spoke: int = 0
    windows: int = 0
    grounds: Grounds = field(default_factory=Grounds)


@dataclass(frozen=True, slots=True)
class PerformanceFigure:
    """Primary metric of a window; None where it is not defined (too few rows, one class)."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    reference: float | None
    reference_low: float | None
    reference_high: float | None
    labelled_share: float


def metric_value(metric: str, value: float | None, low: float | None, high: float | None) -> MetricValue:
    """Metric value with its interval from stored figures, NaN for what is not known; its number of rows is 0."""
    known, least, most = (math.nan if x is None else x for x in (value, low, high))
    return MetricValue(metric, known, least, most, 0)


@dataclass(frozen=True, slots=True)
class EstimateFigure:
    """Primary metric of a window as estimated without outcomes, with its band; None where it cannot be, and ``why``."""

    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    reference_low: float | None = None
    reference_high: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class TrafficFigure:
    """Requests of a window. Percentiles are None without requests, the baseline before it was measured."""

    requests: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    baseline_p95_ms: float | None
    latency_speaks: bool
    errors_speak: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """Result of one monitor for one window of a stream. ``data`` is JSON of the monitor's figure or figures."""

    id: int
    stream_id: int
    monitor: str
    start_us: int
    end_us: int
    rows: int
    judged: bool
    speaks: bool
    data: str


@dataclass(frozen=True, slots=True)
class GiveAwayFigure:
    """Feature by which a window can be told from the reference: what shuffling it costs, and the AUROC of it ``alone``."""

    feature: str
    drop: float
    alone: float


@dataclass(frozen=True, slots=True)
class MultivariateFigure:
    """AUROC of a domain classifier that tells a window from the reference. ``usual``, ``threshold`` and ``p_value`` are
    None where the reference has too few days for windows of its own."""

    auc: float
    low: float
    high: float
    usual: float | None
    threshold: float | None
    p_value: float | None
    features: list[GiveAwayFigure]
    window_rows: int
    reference_rows: int
    null_windows: int
    reference: str


MULTIVARIATE = "multivariate"
DRIFT, QUALITY, PERFORMANCE, TRAFFIC = "drift", "quality", "performance", "traffic"
ESTIMATE = "estimate"
"""Monitor of estimated performance: over the windows of performance, closed by the event clock at once."""

_SELECT = "SELECT id, stream_id, monitor, window_start, window_end, rows, judged, speaks, data FROM readings"


def figures_of(reading: Reading, kind: type[T]) -> list[T]:
    """Figures of a drift or quality reading, one a feature."""
    return msgspec.json.decode(reading.data, type=list[kind])  # type: ignore[valid-type]


def figure_of(reading: Reading, kind: type[T]) -> T:
    """Figure of a performance or traffic reading."""
    return msgspec.json.decode(reading.data, type=kind)


class _Verdict(msgspec.Struct):
    """The part of a figure that says whether it spoke; the rest is not read."""

    speaks: bool


def count_speaking(reading: Reading) -> int:
    """How many figures of a drift or quality reading spoke."""
    return sum(verdict.speaks for verdict in msgspec.json.decode(reading.data, type=list[_Verdict]))


def write(
    connection: Connection,
    stream_id: int,
    monitor: str,
    span: tuple[int, int],
    rows: int,
    verdict: tuple[bool, bool],
    figures: object,
    now_us: int,
) -> bool:
    """Store a reading; False where this window of this monitor has one already. ``verdict`` is (judged, significant)."""
    judged, speaks = verdict
    return bool(
        connection.execute(
            "INSERT OR IGNORE INTO readings (stream_id, monitor, window_start, window_end, rows, judged, speaks, "
            "recorded, data) VALUES (?,?,?,?,?,?,?,?,?)",
            (stream_id, monitor, *span, rows, judged, speaks, now_us, msgspec.json.encode(figures).decode()),
        ).rowcount
    )


def replace(
    connection: Connection,
    stream_id: int,
    monitor: str,
    span: tuple[int, int],
    rows: int,
    verdict: tuple[bool, bool],
    figures: object,
    now_us: int,
) -> Literal["new", "changed", "same", "gone"]:
    """Store a reading in place of the one that its window has; whether alerts are still to be drawn from that stays. A
    new one is marked as applied. ``gone``: there were rows and now there are none, so the earlier reading stays."""
    judged, speaks = verdict
    data = msgspec.json.encode(figures).decode()
    before = connection.execute(
        "SELECT id, rows, judged, speaks, data FROM readings WHERE stream_id=? AND monitor=? AND subject='' AND window_end=?",
        (stream_id, monitor, span[1]),
    ).fetchone()
    if before is None:
        connection.execute(
            "INSERT INTO readings (stream_id, monitor, window_start, window_end, rows, judged, speaks, applied, "
            "recorded, data) VALUES (?,?,?,?,?,?,?,1,?,?)",
            (stream_id, monitor, *span, rows, judged, speaks, now_us, data),
        )
        return "new"
    if before[1:] == (rows, judged, speaks, data):
        return "same"
    if before[1] and not rows:
        return "gone"
    connection.execute(
        "UPDATE readings SET rows=?, judged=?, speaks=?, recorded=?, data=? WHERE id=?",
        (rows, judged, speaks, now_us, data, before[0]),
    )
    return "changed"


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
    until_us: int | None = None,
    limit: int = 10_000,
    judged: bool = False,
) -> list[Reading]:
    """Newest readings of a monitor, oldest first; up to the window that ends at ``until_us``."""
    rows = connection.execute(
        f"{_SELECT} WHERE stream_id=? AND monitor=? AND subject='' AND window_end<=? AND judged>=? "
        "ORDER BY window_end DESC LIMIT ?",
        (stream_id, monitor, until_us if until_us is not None else 1 << 62, judged, limit),
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
    streams = "SELECT id FROM streams WHERE model=? AND target=? AND (? IS NULL OR version=?)"
    rows = connection.execute(
        f"{_SELECT} WHERE stream_id IN ({streams}) AND monitor=? AND subject='' ORDER BY window_end DESC LIMIT ?",
        (model, target, version, version, monitor, limit),
    ).fetchall()
    return [_reading(row) for row in reversed(rows)]


def count_judged(connection: Connection, stream_id: int) -> int:
    """Number of windows of a stream that have a verdict."""
    return int(
        connection.execute(
            "SELECT count(*) FROM readings WHERE stream_id=? AND judged=1", (stream_id,)
        ).fetchone()[0]
    )


def find_calibration(connection: Connection, key: str) -> bytes | None:
    """Calibration stored under the digest of what it was computed from; None where there is none."""
    row = connection.execute("SELECT data FROM calibrations WHERE key=?", (key,)).fetchone()
    return bytes(row[0]) if row else None


def keep_calibration(connection: Connection, key: str, data: bytes) -> None:
    """Store a calibration."""
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
    """In words, for people."""
    hindrance: Hindrance | None = None
    """What stood against one; None where there is a job."""


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
    rows = connection.execute(
        "SELECT alert_id, model, version, target, kind, window_end, clock, job_id, reason, hindrance FROM retrainings "
        "WHERE model=? AND (? IS NULL OR alert_id=?) ORDER BY id",
        (model, alert, alert),
    )
    found = ((RetrainingNote(*rest), hindrance) for *rest, hindrance in rows)
    return [dataclasses.replace(note, hindrance=Hindrance(code)) if code else note for note, code in found]


def _reading(row: tuple[int, int, str, int, int, int, int, int, str]) -> Reading:
    number, stream_id, monitor, start, end, rows, judged, speaks, data = row
    return Reading(number, stream_id, monitor, start, end, rows, bool(judged), bool(speaks), data)
