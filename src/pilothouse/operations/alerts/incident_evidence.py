"""Evidence for the cost of an incident: the newest figures of its targets against their references, from stored readings."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    EstimateFinding,
    EstimateVerdict,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
)
from pilothouse.domain.monitoring.incident_cost import Drifting, Evidence, PerformanceLoss, Slow, Unanswered
from pilothouse.domain.monitoring.incidents import DATA
from pilothouse.domain.records import Alert
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store.models import versions
from pilothouse.store.work import runs
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import (
    DRIFT,
    ESTIMATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    Reading,
    finding_of,
    findings_of,
)

_WEEK_US = 7 * DAY_US
_WINDOWS_USUAL = 9
"""Newest windows from which it is said what is usual."""

Importance = dict[str, float]
"""Each feature's share of the permutation importance of a version's features; the shares add up to 1."""


@dataclass(slots=True)
class SharedFigures:
    """Figures that several incidents have in common, looked up once within one reading of both databases."""

    importance: dict[tuple[str, int], Importance | None] = field(default_factory=dict)
    per_week: dict[int, float] = field(default_factory=dict)
    """Predictions a week, by stream."""


def gather_evidence(
    registry: Connection, telemetry: Connection | None, alerts: Sequence[Alert], shared: SharedFigures
) -> Evidence:
    """The newest figures of every version on a target that the alerts are about; none without telemetry."""
    losses, drifting, unanswered, slow = [], [], [], []
    returning: list[str] = []
    for (model, version, target), own in _by_stream(alerts).items():
        stream = find_stream(telemetry, model, version, target) if telemetry is not None else None
        if telemetry is None or stream is None:
            continue
        if stream.id not in shared.per_week:
            shared.per_week[stream.id] = _per_week(telemetry, stream)
        weekly = shared.per_week[stream.id]
        kinds = {alert.kind for alert in own}
        if kinds & DATA:
            loss = _loss(telemetry, stream, own, weekly)
            losses += [loss] if loss else []
        if kinds & {"data_drift", "score_drift", "data_quality"}:
            if (model, version) not in shared.importance:
                shared.importance[model, version] = importance_of(registry, model, version)
            drifting.append(_drifting(telemetry, stream, own, weekly, shared.importance[model, version]))
        history = readings.history(telemetry, stream.id, TRAFFIC, judged=True, limit=1)
        traffic = history[0] if history else None
        if "errors" in kinds:
            unanswered += _errors(traffic, own, target)
        if "latency" in kinds:
            slow += _slow(traffic, own, target)
        if "silence" in kinds:
            since = max(to_us(alert.effective_at) for alert in own if alert.kind == "silence")
            if stream.last_event_us > since:
                returning.append(target)
            else:
                usual = _usual_per_week(telemetry, stream)
                text = f"no event arrives, where {usual:,.0f} a week are usual,"
                unanswered.append(Unanswered(target, 1.0, usual, text))
    return Evidence(losses, drifting, unanswered, slow, returning)


def importance_of(registry: Connection, model: str, version: int) -> Importance | None:
    """The permutation importance that a version's training measured, as shares; None where it measured none."""
    record = versions.find(registry, VersionReference(model, version))
    if record is None:
        return None
    plain = runs.record_of(registry, record.run_id).get("evaluate", {}).get("importance")
    if not isinstance(plain, dict):
        return None
    drops = {
        str(name): max(float(value), 0.0) for name, value in plain.items() if isinstance(value, int | float)
    }
    total = math.fsum(drops.values())
    return {name: drop / total for name, drop in drops.items()} if total > 0 else None


def _per_week(telemetry: Connection, stream: Stream) -> float:
    """Predictions a week, by the newest window of inputs that has any; else by all of the stream's rows."""
    for reading in reversed(readings.history(telemetry, stream.id, DRIFT, limit=4)):
        if reading.rows:
            return reading.rows * _WEEK_US / max(reading.end_us - reading.start_us, 1)
    lasted = max(stream.last_event_us - stream.first_event_us, _WEEK_US // 7)
    return stream.rows * _WEEK_US / lasted


def _usual_per_week(telemetry: Connection, stream: Stream) -> float:
    """Predictions a week in the middle one of the last windows that have any: the newest is cut short by a silence."""
    rates = sorted(
        reading.rows * _WEEK_US / max(reading.end_us - reading.start_us, 1)
        for reading in readings.history(telemetry, stream.id, DRIFT, limit=_WINDOWS_USUAL)
        if reading.rows
    )
    return rates[len(rates) // 2] if rates else _per_week(telemetry, stream)


def _by_stream(alerts: Iterable[Alert]) -> dict[tuple[str, int, str], list[Alert]]:
    groups: dict[tuple[str, int, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.model, alert.version, alert.target), []).append(alert)
    return groups


def _loss(
    telemetry: Connection, stream: Stream, alerts: Sequence[Alert], weekly: float
) -> PerformanceLoss | None:
    """The newest measured figure since the incident began; before there is one, the newest estimate that can tell."""
    since = min(to_us(alert.effective_at) for alert in alerts)
    kinds: dict[str, type[PerformanceFinding] | type[EstimateFinding]] = {
        PERFORMANCE: PerformanceFinding,
        ESTIMATE: EstimateFinding,
    }
    for monitor, kind in kinds.items():
        history = readings.history(telemetry, stream.id, monitor, limit=1, judged=monitor == PERFORMANCE)
        if not history or history[0].end_us < since:
            continue
        finding = finding_of(history[0], kind)
        if isinstance(finding, EstimateFinding) and finding.verdict is EstimateVerdict.CANNOT_TELL:
            continue  # a band that excludes nothing is no loss
        metric, value, reference = finding.metric, finding.value, finding.reference
        if value is not None and reference is not None:
            estimated = monitor == ESTIMATE
            return PerformanceLoss(stream.target, metric, value, reference, weekly, estimated=estimated)
    return None


def _drifting(
    telemetry: Connection,
    stream: Stream,
    alerts: Sequence[Alert],
    weekly: float,
    importance: Importance | None,
) -> Drifting:
    """The significant features of the newest window; where it is quiet, of the window in which the first alert fired."""
    since = min(to_us(alert.effective_at) for alert in alerts)
    kinds: dict[str, type[DriftFinding] | type[QualityFinding]] = {
        DRIFT: DriftFinding,
        QUALITY: QualityFinding,
    }
    excess: dict[str, float] = {}
    features = 1
    for until in (None, since):
        for monitor, kind in kinds.items():
            history = readings.history(telemetry, stream.id, monitor, until_us=until, judged=True, limit=1)
            findings = findings_of(history[0], kind) if history else []
            for finding in findings:
                if finding.significant:
                    over = finding.value / finding.threshold - 1 if finding.threshold > 0 else 0.0
                    excess[finding.feature] = max(over, excess.get(finding.feature, 0.0))
            if monitor == DRIFT and history:
                features = sum(finding.feature != SCORE for finding in findings) or 1
        if excess:
            break
    return Drifting(stream.target, excess, weekly, importance, features)


def _errors(traffic: Reading | None, alerts: Sequence[Alert], target: str) -> list[Unanswered]:
    figure = finding_of(traffic, TrafficFinding) if traffic is not None else None
    if traffic is not None and figure is not None and figure.errors_significant:
        errors, total = figure.errors, figure.requests + figure.errors
        weekly = total * _WEEK_US / max(traffic.end_us - traffic.start_us, 1)
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
        weekly = figure.requests * _WEEK_US / max(traffic.end_us - traffic.start_us, 1)
    return [Slow(target, p95, p95 / base, weekly)] if base else []
