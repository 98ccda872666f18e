"""The frozen workspace's telemetry: one small batch a target, and readings as the monitors write them."""

import math
from datetime import datetime, timedelta

import numpy as np

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import PredictionBatch, RequestTiming
from pilothouse.domain.monitoring.findings import (
    ClosedWindow,
    DriftFinding,
    Finding,
    PerformanceFinding,
    TrafficFinding,
    Window,
)
from pilothouse.operations.ingest.ingest import ingest_batch
from pilothouse.operations.services import Services
from pilothouse.statistics import reference as references
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings

WEEKS = 9


def keep_reference(services: Services, task: str, metric: str) -> tuple[str, str]:
    """Put a real profile specification and reference into the artifact store; their digests."""
    chance = np.random.default_rng(7)
    rows = 1_200
    features = {"wind": chance.normal(11, 5, rows), "hour": chance.integers(5, 24, rows).astype(float)}
    carriers = np.array(["UA", "B6", "EV"], dtype=object)[chance.integers(0, 3, rows)]
    binary = task == "binary"
    categorical = {"carrier": carriers} if binary else {}
    scores = chance.beta(2, 5, rows) if binary else chance.gamma(2, 40, rows)
    outcomes = (
        (chance.random(rows) < scores).astype(int).astype(str)
        if binary
        else scores + chance.normal(0, 48, rows)
    )
    labels = (scores > 0.5).astype(int).astype(str) if binary else np.array([], dtype=object)
    specification = build_specification(
        task,
        features,
        {name: list(values) for name, values in categorical.items()},
        scores,
        ("0", "1") if binary else (),
    )
    dated = references.DatedRows(np.arange(rows) // 60, features, categorical, scores, labels, outcomes)
    early = np.arange(rows) < 900
    made = references.build_reference(specification, metric, dated.where(early), dated.where(~early), {})
    return (
        services.artifacts.put_bytes(specification.to_bytes()),
        services.artifacts.put_bytes(references.encode(specification, made)),
    )


def observe(
    services: Services,
    model: str,
    version: int,
    target: str,
    now: datetime,
    *,
    metric: str,
    level: float,
    decay: float,
) -> None:
    """One batch of predictions, then weekly readings: wind drifts away, the metric decays by ``decay`` a week."""
    ingest_batch(services, _batch(model, version, target, now))
    with services.telemetry.transaction() as connection:
        stream = find_stream(connection, model, version, target)
        assert stream is not None
        for week in range(WEEKS):
            end = now - timedelta(days=7 * (WEEKS - 1 - week) + 1)
            wave = math.sin(week * 1.3)
            rows = 2_900 + int(260 * wave)
            window = Window(start=end - timedelta(days=7), end=end, rows=rows, judged=True)
            drift = (
                _drift("wind", 0.04 + 0.034 * week + 0.01 * wave, 0.12),
                _drift("hour", 0.03 + 0.006 * wave, 0.09),
                _drift("score", 0.05 + 0.008 * week, 0.14),
            )
            value = level + decay * week + 0.006 * abs(level) * wave
            performance = PerformanceFinding(
                metric=metric,
                value=value,
                low=value - 0.03 * abs(level),
                high=value + 0.03 * abs(level),
                reference=level,
                reference_low=level * 0.985,
                reference_high=level * 1.015,
                labelled_share=1.0,
                significant=abs(decay * week) > 0.03 * abs(level),
            )
            p95 = 6.2 + 0.5 * wave
            traffic = TrafficFinding(
                requests=rows // 17,
                errors=2 if week == 5 else 0,
                p50_ms=p95 * 0.7,
                p95_ms=p95,
                p99_ms=p95 * 1.6,
                baseline_p95_ms=5.8,
                latency_significant=False,
                errors_significant=False,
            )
            found: dict[str, tuple[Finding, ...]] = {
                readings.DRIFT: drift,
                readings.PERFORMANCE: (performance,),
                readings.TRAFFIC: (traffic,),
            }
            for monitor, findings in found.items():
                closed = ClosedWindow(window=window, findings=findings)
                readings.write(connection, stream.id, monitor, closed, to_us(now))


def _drift(feature: str, value: float, threshold: float) -> DriftFinding:
    significant = value > threshold
    return DriftFinding(
        feature=feature,
        statistic="psi",
        value=value,
        threshold=threshold,
        p_value=0.0004 if significant else 0.4,
        significant=significant,
        statistics={"psi": value, "js": value / 2, "ks": value / 3},
        missing=0.002,
        unseen=0.0,
    )


def _batch(model: str, version: int, target: str, now: datetime) -> PredictionBatch:
    times = np.array([to_us(now - timedelta(hours=24 + n)) for n in range(40, 0, -1)], "<i8")
    scores = np.linspace(0.1, 0.7, 40).astype("<f8")
    numeric = {name: np.linspace(4, 20, 40).astype("<f8").tobytes() for name in ("wind", "hour")}
    flights = model == "flight-delay"
    return PredictionBatch(
        f"{target}-1", 1, target, model, version, 40, times.tobytes(), scores.tobytes(), numeric,
        {"carrier": ["UA", "B6"] * 20} if flights else {}, ["0", "1"] * 20 if flights else [],
        [RequestTiming(40, 5_900, to_us(now))],
    )  # fmt: skip
