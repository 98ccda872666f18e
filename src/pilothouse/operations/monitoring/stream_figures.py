"""Stored readings as the screens' values, and the newest figures of one stream."""

import math
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.monitoring import (
    DriftReading,
    EstimateReading,
    MultivariateReading,
    PerformanceReading,
    TrafficReading,
)
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.telemetry import Stream, from_us, readings, rollup
from pilothouse.telemetry.readings import (
    DRIFT,
    PERFORMANCE,
    DriftFigure,
    EstimateFigure,
    MultivariateFigure,
    PerformanceFigure,
    Reading,
    TrafficFigure,
    figure_of,
    figures_of,
)


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What is known of a version on a target now. ``drifted`` of ``features`` spoke in the newest judged window."""

    performance: PerformanceReading | None = None
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
    figures = [f for f in figures_of(drift[0], DriftFigure) if f.feature != SCORE] if drift else []
    latencies = rollup.newest_latencies(connection, stream.id, rollup.DAY)
    return StreamFigures(
        performance=performance_reading(performance[0]) if performance else None,
        drifted=sum(f.speaks for f in figures),
        features=len(figures),
        p95_ms=latency.percentile_ms(latencies, 95) if latencies.requests else None,
        rows_last_window=drift[0].rows if drift else 0,
        judged=readings.count_judged(connection, stream.id),
        event_clock=from_us(stream.last_event_us),
        arrived_at=from_us(stream.last_arrival_us),
    )


def performance_reading(stored: Reading) -> PerformanceReading | None:
    """A performance reading as screens take it; None where the metric was not defined."""
    figure = figure_of(stored, PerformanceFigure)
    if figure.value is None:
        return None
    return PerformanceReading(
        figure.metric,
        from_us(stored.start_us),
        from_us(stored.end_us),
        stored.rows,
        figure.value,
        figure.low if figure.low is not None else math.nan,
        figure.high if figure.high is not None else math.nan,
        figure.reference if figure.reference is not None else math.nan,
        stored.speaks,
    )


def estimate_reading(stored: Reading) -> EstimateReading | None:
    """An estimate as screens take it; None where there is none."""
    figure = figure_of(stored, EstimateFigure)
    if figure.value is None:
        return None
    low, high, reference = (
        math.nan if value is None else value for value in (figure.low, figure.high, figure.reference)
    )
    return EstimateReading(
        figure.metric,
        from_us(stored.start_us),
        from_us(stored.end_us),
        stored.rows,
        figure.value,
        low,
        high,
        reference,
    )


def drift_readings(stored: Reading) -> list[DriftReading]:
    """A drift reading as screens take it, one a feature (and the score)."""
    start, end = from_us(stored.start_us), from_us(stored.end_us)
    return [
        DriftReading(
            f.feature,
            start,
            end,
            stored.rows,
            f.statistic,
            f.value,
            f.threshold,
            f.p_value,
            f.speaks,
            f.statistics,
            f.missing,
            f.unseen,
            f.compared_with,
        )
        for f in figures_of(stored, DriftFigure)
    ]


def multivariate_reading(stored: Reading) -> MultivariateReading:
    """A domain classifier's reading as screens take it."""
    figure = figure_of(stored, MultivariateFigure)
    return MultivariateReading(
        from_us(stored.start_us),
        from_us(stored.end_us),
        stored.rows,
        figure.auc,
        figure.low,
        figure.high,
        figure.usual,
        figure.threshold,
        figure.p_value,
        stored.speaks,
        tuple((f.feature, f.drop, f.alone) for f in figure.features),
    )


def traffic_reading(stored: Reading) -> TrafficReading:
    """A traffic reading as screens take it; percentiles are NaN without requests."""
    figure = figure_of(stored, TrafficFigure)
    p50, p95, p99 = (
        value if value is not None else math.nan for value in (figure.p50_ms, figure.p95_ms, figure.p99_ms)
    )
    return TrafficReading(
        from_us(stored.start_us),
        from_us(stored.end_us),
        stored.rows,
        figure.requests,
        figure.errors,
        p50,
        p95,
        p99,
    )
