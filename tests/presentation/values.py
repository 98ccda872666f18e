"""Domain values for tests of presentation."""

from datetime import UTC, datetime, timedelta

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.monitoring import (
    DriftReading,
    MonitorView,
    PerformanceReading,
    TimelineMark,
    TrafficReading,
)
from pilothouse.domain.records import Deployment

START = datetime(2013, 6, 3, tzinfo=UTC)
WEEK = timedelta(days=7)


def monitor_view(weeks: int = 8) -> MonitorView:
    """A target that has drifted and decayed for some weeks."""
    spans = [(START + WEEK * i, START + WEEK * (i + 1)) for i in range(weeks)]
    return MonitorView(
        model="flight-delay",
        target="jfk",
        version=1,
        metric="auc",
        reference=MetricValue("auc", 0.71, 0.70, 0.72, 11_204),
        baseline_p95_ms=5.8,
        performance=tuple(
            PerformanceReading(
                "auc", a, b, 2_900, 0.70 - 0.01 * i, 0.67 - 0.01 * i, 0.73 - 0.01 * i, 0.71, i > 4
            )
            for i, (a, b) in enumerate(spans)
        ),
        drift={
            "wind": tuple(
                DriftReading("wind", a, b, 2_900, "psi", 0.03 * i, 0.12, 0.01, i > 4)
                for i, (a, b) in enumerate(spans)
            ),
            "score": tuple(DriftReading("score", a, b, 2_900, "js", 0.02, 0.1, 0.6, False) for a, b in spans),
        },
        traffic=tuple(TrafficReading(a, b, 2_900, 170, 0, 4.2, 6.1, 9.4) for a, b in spans),
        marks=(
            TimelineMark(START + WEEK * 2, "deployment", "v1"),
            TimelineMark(START + WEEK * 5, "alert", "performance"),
            TimelineMark(START - WEEK, "deployment", "v0"),
        ),
    )


def deployment(
    number: int, version: int, target: str, *, kind: str = "promotion", live: bool = False
) -> Deployment:
    """One deployment of ``flight-delay``."""
    at = START + timedelta(hours=number)
    ended = None if live else at + timedelta(hours=1)
    return Deployment(number, "flight-delay", version, target, kind, "pat", "", None, at, at, ended, ended)
