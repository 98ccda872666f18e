"""The newest figures of one stream."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.findings import DriftFinding, PerformanceFinding, WindowFinding
from pilothouse.domain.time_units import DAY_S, from_us
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.telemetry import Stream, readings, rollup
from pilothouse.telemetry.readings import DRIFT, PERFORMANCE, Reading, finding_of, findings_of


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """The newest figures of a version on a target. ``drifted`` of ``features`` were significant in the newest window."""

    performance: WindowFinding[PerformanceFinding] | None = None
    drifted: int = 0
    features: int = 0
    p95_ms: float | None = None
    rows_last_window: int = 0
    judged: int = 0
    event_clock: datetime | None = None
    arrived_at: datetime | None = None


def stream_figures(connection: Connection, stream: Stream) -> StreamFigures:
    """The newest figures of a stream: a handful of indexed reads."""
    drift = readings.history(connection, stream.id, DRIFT, limit=1)
    performance = readings.history(connection, stream.id, PERFORMANCE, judged=True, limit=1)
    findings = [f for f in findings_of(drift[0], DriftFinding) if f.feature != SCORE] if drift else []
    latencies = rollup.newest_latencies(connection, stream.id, DAY_S)
    return StreamFigures(
        performance=performance_in(performance[0]) if performance else None,
        drifted=sum(f.significant for f in findings),
        features=len(findings),
        p95_ms=latency.percentile_ms(latencies, 95) if latencies.requests else None,
        rows_last_window=drift[0].rows if drift else 0,
        judged=readings.count_judged(connection, stream.id),
        event_clock=from_us(stream.last_event_us),
        arrived_at=from_us(stream.last_arrival_us),
    )


def performance_in(stored: Reading) -> WindowFinding[PerformanceFinding] | None:
    """The finding of a performance reading with its window; None where the metric was not defined."""
    finding = finding_of(stored, PerformanceFinding)
    return WindowFinding(window=stored.window, finding=finding) if finding.value is not None else None
