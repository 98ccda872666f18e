"""The explanation of an alert, from what is stored: windows, features, shares, and events around it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_spec import METRICS, ModelSpec
from pilothouse.domain.monitoring.alert_explanation import AlertExplanation, ExplainedFeature, WindowVerdict
from pilothouse.domain.monitoring.change_diagnosis import Diagnosis
from pilothouse.domain.monitoring.findings import (
    CONTRACT,
    DriftFinding,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
    Window,
    known,
)
from pilothouse.domain.monitoring.incidents import CLASSES, JOINT
from pilothouse.domain.monitoring.judging import why_not_judged
from pilothouse.domain.records import Alert, Deployment
from pilothouse.operations.alerts import change_evidence
from pilothouse.operations.alerts.alerts import get_alert
from pilothouse.operations.alerts.contract_examples import with_examples
from pilothouse.operations.alerts.explaining_windows import (
    Firing,
    explaining,
    firing_of,
    monitor_of,
    windows_of,
)
from pilothouse.operations.alerts.incident_evidence import Importance, importance_of
from pilothouse.operations.alerts.moved_shares import with_shares
from pilothouse.operations.alerts.retraining_notes import retraining_text
from pilothouse.operations.authorisation import reading
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring.statistic_names import measure_name
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.performance.performance_verdicts import (
    excludes_reference,
    performance_bound,
    rate_of,
)
from pilothouse.statistics.performance.traffic_verdicts import ERROR_SHARE, FEWEST_REQUESTS
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store.deployed import alerts, deployments
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows.readings import (
    DRIFT,
    MULTIVARIATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    Reading,
    finding_of,
    findings_of,
)

_AROUND = timedelta(days=45)
"""Deployments this long before or after are shown: an alert soon after one is often its doing."""


@dataclass(frozen=True, slots=True)
class _Source:
    """The stored data behind an alert."""

    alert: Alert
    telemetry: Connection
    stream: Stream
    spec: ModelSpec
    importance: Importance | None
    firing: Firing

    def readings(self, monitor: str) -> list[Reading]:
        """Readings of the windows that are shown."""
        return windows_of(self.telemetry, self.stream.id, monitor, self.firing)

    def traffic(self) -> Iterator[tuple[Reading, TrafficFinding]]:
        """Readings of traffic with their findings."""
        for stored in self.readings(TRAFFIC):
            yield stored, finding_of(stored, TrafficFinding)

    def explaining(self, around: list[Reading]) -> Reading | None:
        """The reading whose details are shown."""
        return explaining(around, self.firing)

    def named(self, explaining: Reading | None) -> tuple[str, ...]:
        """The features that the alert names; none where another window than the one that fired explains it."""
        is_newer = explaining is not None and explaining.end_us > to_us(self.firing.fired)
        return () if is_newer else self.alert.features

    def marked(self, windows: Sequence[WindowVerdict]) -> tuple[WindowVerdict, ...]:
        """The windows with the one marked that fired: the newest that had ended by the alert's time."""
        fired = max((w.window.end for w in windows if w.window.end <= self.firing.fired), default=None)
        return tuple(
            replace(w, fired=w.window.end == fired, lack=w.lack or self._lack(w.window)) for w in windows
        )

    def _lack(self, window: Window) -> str:
        return why_not_judged(window, self.spec.monitoring.minimum_rows)


def explain_alert(services: Services, actor: Actor, alert_id: int) -> AlertExplanation:
    """Everything there is to say about one alert. Raises NotFoundError or NotAllowedError."""
    alert = get_alert(services, actor, alert_id)
    with reading(services, actor) as connection:
        spec = spec_in_force(connection, alert.model)
        importance = importance_of(connection, alert.model, alert.version)
        diagnosis = alerts.diagnosis_of(connection, alert.id)
        firing = firing_of(connection, alert)
        near = _near(deployments.history(connection, model=alert.model, target=alert.target), alert)
    explanation = AlertExplanation(
        alert,
        "",
        "",
        changed=_changed(services, alert, firing, diagnosis),
        again=firing.again,
        retraining=retraining_text(services, actor, alert),
        deployments=near,
    )
    if spec is None:
        return explanation
    with services.reading_telemetry() as telemetry:
        if telemetry is None:
            return explanation
        explanation = replace(explanation, fire=spec.monitoring.fire, of=spec.monitoring.of)
        stream = find_stream(telemetry, alert.model, alert.version, alert.target)
        if stream is None:
            return explanation
        if alert.kind not in _EXPLAINED_BY:
            return replace(explanation, fire=0, of=0)
        source = _Source(alert, telemetry, stream, spec, importance, firing)
        explanation = _EXPLAINED_BY[alert.kind](explanation, source)
        shown = explaining(source.readings(monitor_of(alert) or DRIFT), firing)
        explanation = replace(explanation, explained_by=shown.window if shown is not None else None)
        explanation = with_examples(telemetry, explanation, stream, spec)
    return with_shares(services, explanation, stream, spec)


def _changed(services: Services, alert: Alert, firing: Firing, before: Diagnosis | None) -> str:
    """The diagnosis made anew, for outcomes that have come since may have settled it; empty where it is the one from
    ``before``."""
    diagnosis = change_evidence.diagnose_alert(services, alert, firing)
    return "" if diagnosis is None or diagnosis == before else diagnosis.sentence


def _near(history: Sequence[Deployment], alert: Alert) -> tuple[Deployment, ...]:
    """Deployments that were live when it fired, and those that began around then."""
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


def _verdict(
    stored: Reading, value: float | None, bound: float | None, significant: bool, lack: str = ""
) -> WindowVerdict:
    return WindowVerdict(
        window=stored.window,
        value=known(value),
        bound=known(bound),
        significant=significant and stored.judged,
        lack="" if stored.judged else lack,
    )


_FEW_REQUESTS = f"fewer than {FEWEST_REQUESTS} requests"
_FEW_DAYS = "the reference has too few days for windows of its own"


def _joint(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    """All features together: the classifier's AUROC, and the features by which it tells the rows apart."""
    around = source.readings(MULTIVARIATE)
    shown = source.explaining(around)
    if shown is None:
        return explanation
    finding = finding_of(shown, MultivariateFinding)
    windows = []
    for stored in around:
        other = finding_of(stored, MultivariateFinding)
        lack = _FEW_DAYS if other.threshold is None else ""
        windows.append(_verdict(stored, other.auc, other.threshold, stored.significant, lack))
    kind = "all training rows" if finding.reference == "pooled" else "the target's training rows"
    return replace(
        explanation,
        figure="all features together: AUROC of a domain classifier",
        bound=f"threshold, learnt from {finding.null_windows} windows of the reference against the rest of it",
        windows=source.marked(windows),
        telling=finding.features,
        compared_with=f"{kind}, {finding.reference_rows:,} of them against {finding.window_rows:,} of the window",
    )


def _drift(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    alert, monitoring = source.alert, source.spec.monitoring
    if alert.subject == JOINT:
        return _joint(explanation, source)
    around = source.readings(DRIFT)
    shown = source.explaining(around)
    findings = findings_of(shown, DriftFinding) if shown else []
    named = (SCORE,) if alert.kind == "score_drift" else source.named(shown)
    judged = [f for f in findings if f.feature not in monitoring.ignore]
    moved = sorted(
        (f for f in judged if f.feature in named or (not named and f.significant and f.feature != SCORE)),
        key=lambda f: -f.times_threshold,
    )
    if not moved:
        return explanation
    worst = moved[0]
    windows = []
    for stored in around:
        finding = next((f for f in findings_of(stored, DriftFinding) if f.feature == worst.feature), None)
        if finding is None:
            continue
        same = finding.statistic == worst.statistic
        value = finding.value if same else finding.statistics.get(worst.statistic)
        windows.append(_verdict(stored, value, finding.threshold if same else None, finding.significant))
    together = worst.grounds.together
    over = f", the last {together} windows together" if together > 1 else ""
    return replace(
        explanation,
        figure=f"{worst.feature}: {measure_name(worst.statistic)}{over}{_beside(worst)}",
        bound=f"threshold, {_learnt_from(worst)}; {monitoring.false_alarm_rate:g} false alarms a window",
        windows=source.marked(windows),
        features=tuple(_feature(f, source) for f in moved),
        looked_at=len(judged),
        blind=tuple(f.feature for f in judged if f.blind),
        compared_with="the hold-out of its training" if worst.feature == SCORE else "the training rows",
        shares_of=worst.feature,
    )


def _beside(finding: DriftFinding) -> str:
    """What it was compared with, where that is not the reference."""
    if finding.compared_with != "recent":
        return ""
    days = finding.before.text if finding.before and finding.before.days else "the days before"
    return f" beside {days}"


def _learnt_from(finding: DriftFinding) -> str:
    if finding.grounds.tests and not finding.grounds.blocks:
        return "from sampling error alone"
    return "learnt from the reference's own windows"


_SET_BY = {
    "effect": "smallest effect",
    "calibration": "reference's windows",
    "sampling": "sampling error",
}


def _feature(finding: DriftFinding | QualityFinding, source: _Source) -> ExplainedFeature:
    """A feature that moved, with the part that set its threshold where the finding carries the grounds of its verdict."""
    return ExplainedFeature(
        finding=finding,
        importance=(source.importance or {}).get(finding.feature),
        threshold_from="contract"
        if finding.statistic == CONTRACT
        else _SET_BY.get(finding.grounds.set_by, ""),
    )


def _vanished(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    """Classes that have vanished: their number, window by window."""
    windows = []
    for stored in source.readings(PERFORMANCE):
        finding = finding_of(stored, PerformanceFinding)
        count = float(len(finding.vanished)) if stored.rows else math.nan
        windows.append(
            WindowVerdict(
                window=stored.window,
                value=count,
                bound=0.0,
                significant=bool(finding.vanished),
                lack=finding.why,
            )
        )
    return replace(
        explanation,
        figure="classes of the reference without an outcome",
        bound="none that chance would hardly leave out",
        windows=source.marked(windows),
        compared_with="the hold-out of its training",
    )


def _quality(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    if source.alert.subject == CLASSES:
        return _vanished(explanation, source)
    around = source.readings(QUALITY)
    shown = source.explaining(around)
    findings = findings_of(shown, QualityFinding) if shown else []
    faulty = [f for f in findings if f.significant]
    if not faulty:
        return explanation
    worst = max(faulty, key=lambda f: f.value - f.reference)
    windows = [
        _verdict(stored, finding.value, finding.threshold, finding.significant)
        for stored in around
        for finding in findings_of(stored, QualityFinding)
        if (finding.feature, finding.fault) == (worst.feature, worst.fault)
    ]
    return replace(
        explanation,
        figure=f"{worst.feature}: share of rows {worst.words}",
        bound=_quality_bound(worst),
        windows=source.marked(windows),
        features=tuple(_feature(f, source) for f in faulty),
        looked_at=len(findings),
        compared_with="" if worst.fault == CONTRACT else "the training rows",
        shares_of="" if worst.fault == CONTRACT else worst.feature,
    )


def _quality_bound(worst: QualityFinding) -> str:
    if worst.fault == CONTRACT:
        return "the share that its contract tolerates"
    return f"the threshold; in the reference {worst.reference:.1%}"


def _performance(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    rate = source.spec.monitoring.false_alarm_rate
    around = source.readings(PERFORMANCE)
    shown = source.explaining(around)
    windows = []
    higher = True
    for stored in around:
        finding = finding_of(stored, PerformanceFinding)
        direction = METRICS[finding.metric][0]
        higher = direction == "higher"
        bound = performance_bound(finding.measured, finding.expected, direction, rate, stored.window.together)
        lack = "there is no reference to compare it with" if finding.reference is None else ""
        verdict = _verdict(stored, finding.value, bound, stored.significant, lack)
        excludes = excludes_reference(finding.measured, finding.expected, direction)
        suspected = stored.judged and not stored.significant and excludes
        windows.append(replace(verdict, suspected=suspected))
    return replace(
        explanation,
        figure=f"{source.alert.subject}, measured",
        bound=f"the reference {'less' if higher else 'and'} what random variation {'takes' if higher else 'adds'} in all but "
        f"{100 * rate_of(rate, shown.window.together if shown else 1):.3g} % of windows, at least the smallest effect",
        windows=source.marked(windows),
        higher_is_significant=not higher,
        compared_with="the hold-out of its training",
    )


def _latency(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    factor = source.spec.monitoring.latency_factor
    windows = []
    for stored, finding in source.traffic():
        base = finding.baseline_p95_ms
        bound = None if base is None else base * factor
        windows.append(_verdict(stored, finding.p95_ms, bound, finding.latency_significant, _FEW_REQUESTS))
    return replace(
        explanation,
        figure="p95 of requests, ms",
        bound=f"{factor:g} times the p95 of one row on the same machine",
        windows=source.marked(windows),
        compared_with="sixty requests of one row when the version was loaded",
    )


def _errors(explanation: AlertExplanation, source: _Source) -> AlertExplanation:
    windows = []
    for stored, finding in source.traffic():
        total = finding.requests + finding.errors
        share = finding.errors / total if total else None
        windows.append(_verdict(stored, share, ERROR_SHARE, finding.errors_significant, _FEW_REQUESTS))
    return replace(
        explanation,
        figure="share of requests answered with an error",
        bound=f"{ERROR_SHARE:.0%}: it must lie above for certain (the lower bound of Wilson's 95 % interval)",
        windows=source.marked(windows),
    )


_EXPLAINED_BY = {
    "data_drift": _drift,
    "score_drift": _drift,
    "data_quality": _quality,
    "performance": _performance,
    "latency": _latency,
    "errors": _errors,
}
