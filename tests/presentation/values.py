"""Domain values for tests of presentation."""

from datetime import UTC, datetime, timedelta

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    PerformanceFinding,
    TrafficFinding,
    Window,
    WindowFinding,
)
from pilothouse.domain.monitoring.monitoring import MonitorView, TimelineMark
from pilothouse.domain.records import Deployment

START = datetime(2013, 6, 3, tzinfo=UTC)
WEEK = timedelta(days=7)


def monitor_view(weeks: int = 8) -> MonitorView:
    """A target that has drifted and decayed for some weeks."""
    windows = [
        Window(start=START + WEEK * i, end=START + WEEK * (i + 1), rows=2_900, judged=True)
        for i in range(weeks)
    ]
    return MonitorView(
        model="flight-delay",
        target="jfk",
        version=1,
        metric="auc",
        reference=MetricValue("auc", 0.71, 0.70, 0.72, 11_204),
        baseline_p95_ms=5.8,
        performance=tuple(
            WindowFinding(window=window, finding=performance(0.70 - 0.01 * i, significant=i > 4))
            for i, window in enumerate(windows)
        ),
        drift={
            "wind": tuple(
                WindowFinding(
                    window=window,
                    finding=drift("wind", "psi", 0.03 * i, 0.12, p_value=0.01, significant=i > 4),
                )
                for i, window in enumerate(windows)
            ),
            "score": tuple(
                WindowFinding(window=window, finding=drift("score", "js", 0.02, 0.1, p_value=0.6))
                for window in windows
            ),
        },
        traffic=tuple(WindowFinding(window=window, finding=traffic()) for window in windows),
        marks=(
            TimelineMark(START + WEEK * 2, "deployment", "v1"),
            TimelineMark(START + WEEK * 5, "alert", "performance"),
            TimelineMark(START - WEEK, "deployment", "v0"),
        ),
    )


def performance(value: float, *, significant: bool = False) -> PerformanceFinding:
    """An AUROC against a reference of 0.71."""
    return PerformanceFinding(
        metric="auc",
        value=value,
        low=value - 0.03,
        high=value + 0.03,
        reference=0.71,
        reference_low=0.70,
        reference_high=0.72,
        labelled_share=1.0,
        significant=significant,
    )


def drift(
    feature: str,
    statistic: str,
    value: float,
    threshold: float,
    *,
    p_value: float,
    significant: bool = False,
) -> DriftFinding:
    """One feature's drift, of which nothing else is known."""
    return DriftFinding(
        feature=feature,
        statistic=statistic,
        value=value,
        threshold=threshold,
        p_value=p_value,
        significant=significant,
    )


def traffic(p50_ms: float = 4.2, p95_ms: float = 6.1, p99_ms: float = 9.4) -> TrafficFinding:
    """A window's 170 requests, none of which failed."""
    return TrafficFinding(
        requests=170,
        errors=0,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        baseline_p95_ms=5.8,
        latency_significant=False,
        errors_significant=False,
    )


def deployment(
    number: int, version: int, target: str, *, kind: str = "promotion", live: bool = False
) -> Deployment:
    """One deployment of ``flight-delay``."""
    at = START + timedelta(hours=number)
    ended = None if live else at + timedelta(hours=1)
    return Deployment(number, "flight-delay", version, target, kind, "pat", "", None, at, at, ended, ended)
