"""What is known now of the targets of an incident: newest figures against their references. Stored readings only."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pilothouse.domain.findings import (
    DriftFinding,
    EstimateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
)
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.incident_cost import Drifting, Evidence, PerformanceLoss, Slow, Unanswered
from pilothouse.domain.incidents import DATA
from pilothouse.domain.records import Alert
from pilothouse.domain.time_units import DAY_US, to_us
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store import runs, versions
from pilothouse.telemetry import Stream, readings
from pilothouse.telemetry.readings import (
    DRIFT,
    ESTIMATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    Reading,
    finding_of,
    findings_of,
)
from pilothouse.telemetry.streams import find_stream

WEEK_US = 7 * DAY_US


Importance = dict[str, float]
"""Each feature's share of what a version's performance rests on; they add up to 1."""


@dataclass(slots=True)
class Known:
    """What several incidents have in common, looked up once: of one reading of both databases."""

    importance: dict[tuple[str, int], Importance | None] = field(default_factory=dict)
    per_week: dict[int, float] = field(default_factory=dict)
    """By stream."""


def gather_evidence(
    registry: Connection, telemetry: Connection | None, alerts: Sequence[Alert], known: Known | None = None
) -> Evidence:
    """Figures of every (version, target) that the alerts are about; without telemetry what the alerts say themselves."""
    known = known or Known()
    losses, drifting, unanswered, slow = [], [], [], []
    for (model, version, target), own in _by_place(alerts).items():
        stream = find_stream(telemetry, model, version, target) if telemetry is not None else None
        if telemetry is None or stream is None:
            continue
        if stream.id not in known.per_week:
            known.per_week[stream.id] = per_week(telemetry, stream)
        weekly = known.per_week[stream.id]
        kinds = {alert.kind for alert in own}
        if kinds & DATA:
            found = _loss(telemetry, stream, own, weekly)
            losses += [found] if found else []
        if kinds & {"data_drift", "score_drift", "data_quality"}:
            if (model, version) not in known.importance:
                known.importance[model, version] = importance_of(registry, model, version)
            drifting.append(_drifting(telemetry, stream, own, weekly, known.importance[model, version]))
        traffic = _newest(telemetry, stream, TRAFFIC)
        if "errors" in kinds:
            unanswered += _errors(traffic, own, target)
        if "latency" in kinds:
            slow += _slow(traffic, own, target)
        if "silence" in kinds:
            unanswered.append(
                Unanswered(target, 1.0, weekly, f"no event arrives, where {weekly:,.0f} a week are usual,")
            )
    return Evidence(losses, drifting, unanswered, slow)


def importance_of(registry: Connection, model: str, version: int) -> Importance | None:
    """What the training measured of a version (permutation importance), as shares; None where it did not."""
    found = versions.find(registry, VersionReference(model, version))
    if found is None:
        return None
    plain = runs.record_of(registry, found.run_id).get("evaluate", {}).get("importance")
    if not isinstance(plain, dict):
        return None
    kept = {
        str(name): max(float(value), 0.0) for name, value in plain.items() if isinstance(value, int | float)
    }
    total = math.fsum(kept.values())
    return {name: value / total for name, value in kept.items()} if total > 0 else None


def per_week(telemetry: Connection, stream: Stream) -> float:
    """Predictions a week by the newest window of inputs that has any."""
    for reading in reversed(readings.history(telemetry, stream.id, DRIFT, limit=4)):
        if reading.rows:
            return reading.rows * WEEK_US / max(reading.end_us - reading.start_us, 1)
    lasted = max(stream.last_event_us - stream.first_event_us, WEEK_US // 7)
    return stream.rows * WEEK_US / lasted


def _by_place(alerts: Iterable[Alert]) -> dict[tuple[str, int, str], list[Alert]]:
    found: dict[tuple[str, int, str], list[Alert]] = {}
    for alert in alerts:
        found.setdefault((alert.model, alert.version, alert.target), []).append(alert)
    return found


def _newest(telemetry: Connection, stream: Stream, monitor: str) -> Reading | None:
    found = readings.history(telemetry, stream.id, monitor, judged=True, limit=1)
    return found[0] if found else None


def _loss(
    telemetry: Connection, stream: Stream, alerts: Sequence[Alert], weekly: float
) -> PerformanceLoss | None:
    """The newest measured figure of days that the incident is about; before there is one, the newest estimated figure."""
    since = min(to_us(alert.effective_at) for alert in alerts)
    for monitor in (PERFORMANCE, ESTIMATE):
        history = readings.history(telemetry, stream.id, monitor, limit=1, judged=monitor == PERFORMANCE)
        if not history or history[0].end_us < since:
            continue
        finding: PerformanceFinding | EstimateFinding = (
            finding_of(history[0], PerformanceFinding)
            if monitor == PERFORMANCE
            else finding_of(history[0], EstimateFinding)
        )
        if finding.value is not None and finding.reference is not None:
            known = finding.metric, finding.value, finding.reference
            return PerformanceLoss(stream.target, *known, weekly, estimated=monitor == ESTIMATE)
    return None


def _drifting(
    telemetry: Connection,
    stream: Stream,
    alerts: Sequence[Alert],
    weekly: float,
    importance: Importance | None,
) -> Drifting:
    """What is significant in the newest window, or was when the first alert fired where that one is quiet."""
    since = min(to_us(alert.effective_at) for alert in alerts)
    excess: dict[str, float] = {}
    features = 1
    for until in (None, since):
        for monitor in (DRIFT, QUALITY):
            history = readings.history(telemetry, stream.id, monitor, until_us=until, judged=True, limit=1)
            for name, over in _significant(history):
                excess[name] = max(over, excess.get(name, 0.0))
            if monitor == DRIFT and history:
                features = sum(f.feature != SCORE for f in findings_of(history[0], DriftFinding)) or 1
        if excess:
            break
    return Drifting(stream.target, excess, weekly, importance, features)


def _significant(history: Sequence[Reading]) -> list[tuple[str, float]]:
    """(feature, value over threshold less one) of what is significant in drift or quality readings."""
    found: list[tuple[str, float]] = []
    for reading in history:
        findings: list[DriftFinding] | list[QualityFinding] = (
            findings_of(reading, DriftFinding)
            if reading.monitor == DRIFT
            else findings_of(reading, QualityFinding)
        )
        found += [
            (f.feature, f.value / f.threshold - 1 if f.threshold > 0 else 0.0)
            for f in findings
            if f.significant
        ]
    return found


def _errors(traffic: Reading | None, alerts: Sequence[Alert], target: str) -> list[Unanswered]:
    figure = finding_of(traffic, TrafficFinding) if traffic is not None else None
    if traffic is not None and figure is not None and figure.errors_significant:
        errors, total = figure.errors, figure.requests + figure.errors
        weekly = total * WEEK_US / max(traffic.end_us - traffic.start_us, 1)
    else:
        figures = next(alert.figures for alert in alerts if alert.kind == "errors")
        errors, total = int(figures.get("errors", 0)), int(figures.get("requests", 0))
        weekly = float(total)
    if not total:
        return []
    return [
        Unanswered(
            target, errors / total, weekly, f"{errors / total:.1%} of {weekly:,.0f} requests a week fail"
        )
    ]


def _slow(traffic: Reading | None, alerts: Sequence[Alert], target: str) -> list[Slow]:
    figures = next(alert.figures for alert in alerts if alert.kind == "latency")
    p95, base = figures.get("p95_ms", 0.0), figures.get("baseline_p95_ms", 0.0)
    weekly = figures.get("requests", 0.0)
    figure = finding_of(traffic, TrafficFinding) if traffic is not None else None
    if traffic is not None and figure is not None and figure.latency_significant:
        p95, base = figure.p95_ms or p95, figure.baseline_p95_ms or base
        weekly = figure.requests * WEEK_US / max(traffic.end_us - traffic.start_us, 1)
    return [Slow(target, p95, p95 / base, weekly)] if base else []
