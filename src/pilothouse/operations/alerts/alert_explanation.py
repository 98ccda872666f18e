"""*Why did this fire?* What is stored about one alert, put together: windows, features, shares, what was around it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from pilothouse.domain.alert_explanation import AlertExplanation, ExplainedFeature, WindowVerdict
from pilothouse.domain.change_diagnosis import Diagnosis
from pilothouse.domain.findings import (
    DriftFinding,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
    known,
)
from pilothouse.domain.incidents import JOINT
from pilothouse.domain.model_spec import METRICS, ModelSpec
from pilothouse.domain.monitoring import DistributionBin
from pilothouse.domain.records import Alert, Deployment
from pilothouse.domain.roles import Actor
from pilothouse.domain.time_units import to_us
from pilothouse.operations.alerts import change_evidence
from pilothouse.operations.alerts.alerts import get_alert
from pilothouse.operations.alerts.incident_evidence import Importance, importance_of
from pilothouse.operations.alerts.retraining_notes import what_followed
from pilothouse.operations.authorisation import reading
from pilothouse.operations.monitoring.baselines import reference_profile, spec_in_force
from pilothouse.operations.monitoring.statistic_names import measure_name
from pilothouse.operations.monitoring.window_closing import grids
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.distances.shares import changed_shares
from pilothouse.statistics.performance.performance_verdicts import performance_bound, single_window_rate
from pilothouse.statistics.performance.traffic_verdicts import ERROR_SHARE
from pilothouse.statistics.profiles.profile import histogram, merge_all
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store import alerts, deployments
from pilothouse.telemetry import Stream, readings, rollup
from pilothouse.telemetry.readings import (
    DRIFT,
    MULTIVARIATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    Reading,
    finding_of,
    findings_of,
)
from pilothouse.telemetry.streams import find_stream

_BEFORE, _AFTER = 6, 3
"""Windows shown before the one that fired, and after it."""
_AROUND = timedelta(days=45)
"""Deployments this long before or after are shown: an alert soon after one is often its doing."""


def why(services: Services, actor: Actor, alert_id: int) -> AlertExplanation:
    """Everything there is to say about one alert. Raises NotFoundError or NotAllowedError."""
    alert = get_alert(services, actor, alert_id)
    with reading(services, actor) as connection:
        spec = spec_in_force(connection, alert.model)
        importance = importance_of(connection, alert.model, alert.version)
        said = alerts.diagnosis_of(connection, alert.id)
        near = _near(deployments.history(connection, model=alert.model, target=alert.target), alert)
    found = AlertExplanation(
        alert,
        "",
        "",
        changed=_changed(services, alert, said),
        retraining=what_followed(services, actor, alert),
        deployments=near,
    )
    if spec is None or not services.paths.telemetry.exists():
        return found
    found = replace(found, fire=spec.monitoring.fire, of=spec.monitoring.of)
    with services.telemetry.read() as telemetry:
        stream = find_stream(telemetry, alert.model, alert.version, alert.target)
        if stream is None:
            return found
        found = _TELLERS.get(alert.kind, _nothing)(found, telemetry, stream, spec, importance)
    return _with_shares(services, found, stream, spec)


def _changed(services: Services, alert: Alert, said: Diagnosis | None) -> str:
    """Judged anew: outcomes that have come since may have settled it. Empty where it is what was ``said`` then."""
    found = change_evidence.diagnose_alert(services, alert)
    return "" if found is None or found == said else found.sentence


def _near(history: Sequence[Deployment], alert: Alert) -> tuple[Deployment, ...]:
    """What was live when it fired, and what came or went around then."""
    near = [
        d
        for d in history
        if abs(d.effective_at - alert.effective_at) <= _AROUND
        or (
            d.effective_at <= alert.effective_at
            and (d.ended_effective_at or alert.effective_at) >= alert.effective_at
        )
    ]
    return tuple(sorted(near, key=lambda d: d.effective_at)[-5:])


def _nothing(found: AlertExplanation, *_: object) -> AlertExplanation:
    return replace(found, fire=0, of=0)


def _around(telemetry: Connection, stream: Stream, monitor: str, alert: Alert) -> list[Reading]:
    """Windows before the alert's, that one, and some after it."""
    every = readings.history(telemetry, stream.id, monitor, limit=400)
    fired = to_us(alert.effective_at)
    before = [r for r in every if r.end_us <= fired][-(_BEFORE + 1) :]
    return before + [r for r in every if r.end_us > fired][:_AFTER]


def _fired(around: Sequence[Reading], alert: Alert) -> Reading | None:
    """The alert's window: the newest that had ended by then."""
    ended = [r for r in around if r.end_us <= to_us(alert.effective_at)]
    return ended[-1] if ended else None


def _verdict(
    reading_: Reading, alert: Alert, value: float | None, bound: float | None, significant: bool
) -> WindowVerdict:
    return WindowVerdict(
        window=reading_.window,
        value=known(value),
        bound=known(bound),
        significant=significant,
        fired=reading_.end_us <= to_us(alert.effective_at),
    )


def _joint(
    found: AlertExplanation,
    telemetry: Connection,
    stream: Stream,
    spec: ModelSpec,
    importance: Importance | None,
) -> AlertExplanation:
    """All features together: the classifier's AUROC, and the features that give it away."""
    around = _around(telemetry, stream, MULTIVARIATE, found.alert)
    fired = _fired(around, found.alert)
    if fired is None:
        return found
    finding = finding_of(fired, MultivariateFinding)
    windows = []
    for one in around:
        other = finding_of(one, MultivariateFinding)
        windows.append(_verdict(one, found.alert, other.auc, other.threshold, one.significant))
    kind = "all targets' training rows" if finding.reference == "pooled" else "the target's training rows"
    return replace(
        found,
        figure="all features together: AUROC of a domain classifier",
        bound=f"threshold, learnt from {finding.null_windows} windows of the reference against the rest of it",
        windows=_mark(windows),
        telling=finding.features,
        compared_with=f"{kind}, {finding.reference_rows:,} of them against {finding.window_rows:,} of the window",
    )


def _drift(
    found: AlertExplanation,
    telemetry: Connection,
    stream: Stream,
    spec: ModelSpec,
    importance: Importance | None,
) -> AlertExplanation:
    alert = found.alert
    if alert.subject == JOINT:
        return _joint(found, telemetry, stream, spec, importance)
    around = _around(telemetry, stream, DRIFT, alert)
    fired = _fired(around, alert)
    findings = findings_of(fired, DriftFinding) if fired else []
    named = (SCORE,) if alert.kind == "score_drift" else alert.features
    judged = [f for f in findings if f.feature not in spec.monitoring.ignore]
    moved = sorted(
        (f for f in judged if f.feature in named or (not named and f.significant and f.feature != SCORE)),
        key=lambda f: -f.times_threshold,
    )
    if not moved:
        return found
    worst = moved[0]
    windows = []
    for one in around:
        finding = next((f for f in findings_of(one, DriftFinding) if f.feature == worst.feature), None)
        if finding is None:
            continue
        value = (
            finding.value if finding.statistic == worst.statistic else finding.statistics.get(worst.statistic)
        )
        bound = finding.threshold if finding.statistic == worst.statistic else None
        windows.append(_verdict(one, alert, value, bound, finding.significant))
    return replace(
        found,
        figure=f"{worst.feature}: {measure_name(worst.statistic)}{_together(worst)}",
        bound=f"threshold, {_learnt_from(worst)}; {spec.monitoring.false_alarm_rate:g} false alarms a window",
        windows=_mark(windows),
        features=tuple(_feature(f, importance) for f in moved),
        looked_at=len(judged),
        compared_with="the hold-out of its training" if worst.feature == SCORE else "the training rows",
        shares_of=worst.feature,
    )


def _together(finding: DriftFinding) -> str:
    windows = finding.grounds.together
    return f", the last {windows} windows together" if windows > 1 else ""


def _learnt_from(finding: DriftFinding) -> str:
    if finding.grounds.tests and not finding.grounds.blocks:
        return "from what chance alone does"
    return "learnt from the reference's own windows"


_SET_BY = {
    "effect": "least worth a word",
    "calibration": "reference's windows",
    "sampling": "chance alone",
}


def _feature(finding: DriftFinding | QualityFinding, importance: Importance | None) -> ExplainedFeature:
    """A feature that moved. Which part set its threshold is said where the finding carries the grounds of its verdict."""
    return ExplainedFeature(
        finding=finding,
        importance=(importance or {}).get(finding.feature),
        threshold_from=_SET_BY.get(finding.grounds.set_by, ""),
    )


def _quality(
    found: AlertExplanation,
    telemetry: Connection,
    stream: Stream,
    spec: ModelSpec,
    importance: Importance | None,
) -> AlertExplanation:
    alert = found.alert
    around = _around(telemetry, stream, QUALITY, alert)
    fired = _fired(around, alert)
    faulty = [f for f in findings_of(fired, QualityFinding) if f.significant] if fired else []
    if not faulty:
        return found
    worst = max(faulty, key=lambda f: f.value - f.reference)
    windows = []
    for one in around:
        for finding in findings_of(one, QualityFinding):
            if (finding.feature, finding.fault) == (worst.feature, worst.fault):
                windows.append(_verdict(one, alert, finding.value, finding.threshold, finding.significant))
    return replace(
        found,
        figure=f"{worst.feature}: share of rows {worst.fault}",
        bound=f"what is let pass; in the reference {worst.reference:.1%}",
        windows=_mark(windows),
        features=tuple(_feature(f, importance) for f in faulty),
        looked_at=len(findings_of(fired, QualityFinding)) if fired else 0,
        compared_with="the training rows",
        shares_of=worst.feature,
    )


def _performance(
    found: AlertExplanation,
    telemetry: Connection,
    stream: Stream,
    spec: ModelSpec,
    importance: Importance | None,
) -> AlertExplanation:
    windows = []
    higher = True
    for one in _around(telemetry, stream, PERFORMANCE, found.alert):
        finding = finding_of(one, PerformanceFinding)
        direction = METRICS[finding.metric][0]
        higher = direction == "higher"
        bound = performance_bound(
            finding.measured, finding.expected, direction, spec.monitoring.false_alarm_rate
        )
        windows.append(_verdict(one, found.alert, finding.value, bound, one.significant))
    by_chance = single_window_rate(spec.monitoring.false_alarm_rate)
    return replace(
        found,
        figure=f"{found.alert.subject}, measured",
        bound=f"the reference less what chance makes in all but {100 * by_chance:.3g} % of windows, at least the smallest loss "
        "worth a word",
        windows=_mark(windows),
        higher_is_significant=not higher,
        compared_with="the hold-out of its training",
    )


def _latency(
    found: AlertExplanation,
    telemetry: Connection,
    stream: Stream,
    spec: ModelSpec,
    importance: Importance | None,
) -> AlertExplanation:
    windows = []
    for one in _around(telemetry, stream, TRAFFIC, found.alert):
        finding = finding_of(one, TrafficFinding)
        base = finding.baseline_p95_ms
        bound = None if base is None else base * spec.monitoring.latency_factor
        windows.append(_verdict(one, found.alert, finding.p95_ms, bound, finding.latency_significant))
    return replace(
        found,
        figure="p95 of requests, ms",
        bound=f"{spec.monitoring.latency_factor:g} times the p95 of one row on the same machine",
        windows=_mark(windows),
        compared_with="sixty requests of one row when the version was loaded",
    )


def _errors(
    found: AlertExplanation,
    telemetry: Connection,
    stream: Stream,
    spec: ModelSpec,
    importance: Importance | None,
) -> AlertExplanation:
    windows = []
    for one in _around(telemetry, stream, TRAFFIC, found.alert):
        finding = finding_of(one, TrafficFinding)
        total = finding.requests + finding.errors
        share = finding.errors / total if total else None
        windows.append(_verdict(one, found.alert, share, ERROR_SHARE, finding.errors_significant))
    return replace(
        found,
        figure="share of requests answered with an error",
        bound=f"{ERROR_SHARE:.0%}: it must lie above for certain (the lower bound of Wilson's 95 % interval)",
        windows=_mark(windows),
    )


_TELLERS = {
    "data_drift": _drift,
    "score_drift": _drift,
    "data_quality": _quality,
    "performance": _performance,
    "latency": _latency,
    "errors": _errors,
}


def _mark(windows: Sequence[WindowVerdict]) -> tuple[WindowVerdict, ...]:
    """Only the newest window that had ended by the alert's time is the one that fired."""
    ended = [w.window.end for w in windows if w.fired]
    return tuple(replace(w, fired=bool(ended) and w.window.end == ended[-1]) for w in windows)


def _with_shares(
    services: Services, found: AlertExplanation, stream: Stream, spec: ModelSpec
) -> AlertExplanation:
    """The shares of the column's bins in the window that fired, from stored profiles."""
    fired = next((one.window for one in found.windows if one.fired), None)
    if not found.shares_of or fired is None:
        return found
    base = reference_profile(services, stream.model, stream.version, stream.target)
    if base is None or found.shares_of not in base[0].by_name:
        return found
    specification, reference, own = base
    level = grids(spec)[DRIFT].level
    with services.telemetry.read() as telemetry:
        if services.telemetry.specification(telemetry, stream.id).digest != specification.digest:
            return found
        parts = rollup.read(telemetry, specification, stream.id, level, to_us(fired.start), to_us(fired.end))
    current = merge_all(specification, [part.profile for part in parts])
    shares = changed_shares(
        specification.by_name[found.shares_of],
        histogram(specification, reference, found.shares_of),
        histogram(specification, current, found.shares_of),
    )
    place = f"of {stream.target}" if own else "of all targets pooled (this one has too few)"
    return replace(
        found,
        shares=tuple(DistributionBin(s.label, s.reference, s.window) for s in shares),
        compared_with=f"{found.compared_with} {place}, {reference.rows:,} rows",
    )
