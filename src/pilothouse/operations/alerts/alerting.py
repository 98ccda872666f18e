"""Alerts drawn from readings: k of the last n windows open one, n quiet windows resolve it, a new version ends it.

Drawing from the same reading again changes nothing: alerts are keyed by their finding and window.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.model_spec import METRICS, ModelSpec, MonitoringSpec
from pilothouse.domain.monitoring.alert_rules import Turn, turn
from pilothouse.domain.monitoring.change_diagnosis import Diagnosis
from pilothouse.domain.monitoring.findings import (
    CONTRACT,
    DriftFinding,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
)
from pilothouse.domain.monitoring.incidents import CLASSES, JOINT
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.alerts import change_evidence, explanations
from pilothouse.operations.alerts.alerts import open_alert, resolve_alert_automatically
from pilothouse.operations.alerts.explanations import AlertText, Occasion
from pilothouse.operations.services import Services
from pilothouse.statistics.performance.performance_verdicts import performance_is_certain
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.telemetry import Stream
from pilothouse.telemetry.windows import readings
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


@dataclass(frozen=True, slots=True)
class Rule:
    """How alerts of one kind are drawn from a monitor's readings.

    ``subjects``: the significant subjects of a reading, each counted by itself. ``text``: the alert's text, from the
    newest reading, the subjects that fire and the occasion.
    """

    kind: str
    subjects: Callable[[Reading], set[str]]
    text: Callable[[Reading, set[str], Occasion], AlertText]
    certain: Callable[[Reading, MonitoringSpec], set[str]] = lambda *_: set()
    """The subjects so far beyond their threshold in a reading that one window is enough."""
    enough: str = "certain by itself"
    """The condition for one window to be enough; ``{percent}`` is the rate of false alarms."""
    because: Callable[[Reading, MonitoringSpec, set[str]], str] = lambda *_: ""
    """The condition that one window with these firing subjects meets, where it is not ``enough``; else empty."""
    subject: str = ""
    """The subject of this rule's alerts, where several rules draw alerts of one kind."""
    unjudged: bool = False
    """True for a rule that looks at windows with rows whose figure has no verdict, too."""


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """Alerts that were opened and resolved. ``significant``: alerts, new or old, whose newest window is significant."""

    opened: Sequence[Alert] = ()
    resolved: Sequence[Alert] = ()
    significant: Sequence[Alert] = ()


def _features(
    reading: Reading, kind: type[DriftFinding] | type[QualityFinding], *, certain: bool = False
) -> set[str]:
    """The features with a significant finding, or with a certain one."""
    return {
        f.feature for f in findings_of(reading, kind) if f.significant and (f.grounds.certain or not certain)
    }


def _going_on(reading: Reading, rules: MonitoringSpec) -> dict[str, int]:
    """Features whose change another version showed in so many of the windows before that this one opens an alert; with that
    version."""
    return {
        f.feature: f.before.found_by
        for f in findings_of(reading, DriftFinding)
        if f.significant and f.before and f.before.found_by and f.significant_windows >= rules.fire
    }


def _certain_features(reading: Reading, rules: MonitoringSpec) -> set[str]:
    return {*_features(reading, DriftFinding, certain=True), *_going_on(reading, rules)} - {SCORE}


def _enough_features(reading: Reading, rules: MonitoringSpec, firing: set[str]) -> str:
    """Why one window is enough for drifting features; empty where one of them is certain by itself."""
    going_on = _going_on(reading, rules)
    if not firing <= going_on.keys() or firing & _features(reading, DriftFinding, certain=True):
        return ""
    version = max(going_on[feature] for feature in firing)
    return f"a change that version {version} showed before and that this version was not trained on"


def _enough_quality(reading: Reading, rules: MonitoringSpec, firing: set[str]) -> str:
    """Why one window is enough for faulty features; empty where one of them is certain by a test."""
    certain = [
        f
        for f in findings_of(reading, QualityFinding)
        if f.significant and f.grounds.certain and f.feature in firing
    ]
    return "beyond what a contract tolerates" if all(f.fault == CONTRACT for f in certain) else ""


def _certainly_worse(reading: Reading, rules: MonitoringSpec) -> bool:
    finding = finding_of(reading, PerformanceFinding)
    return performance_is_certain(
        finding.measured, finding.expected, METRICS[finding.metric][0], rules.false_alarm_rate
    )


def _vanished(reading: Reading) -> set[str]:
    return set(finding_of(reading, PerformanceFinding).vanished)


RULES: dict[str, tuple[Rule, ...]] = {
    DRIFT: (
        Rule(
            "data_drift",
            lambda reading: _features(reading, DriftFinding) - {SCORE},
            lambda reading, firing, occasion: explanations.data_drift(
                findings_of(reading, DriftFinding), firing, occasion
            ),
            _certain_features,
            because=_enough_features,
            subject=explanations.FEATURES,
        ),
        Rule(
            "score_drift",
            lambda reading: _features(reading, DriftFinding) & {SCORE},
            lambda reading, _, occasion: explanations.score_drift(
                next(f for f in findings_of(reading, DriftFinding) if f.feature == SCORE), occasion
            ),
            lambda reading, _: _features(reading, DriftFinding, certain=True) & {SCORE},
        ),
    ),
    MULTIVARIATE: (
        Rule(
            "data_drift",
            lambda reading: {JOINT} if reading.significant else set(),
            lambda reading, _, occasion: explanations.joint_drift(
                finding_of(reading, MultivariateFinding), occasion
            ),
            subject=JOINT,
        ),
    ),
    QUALITY: (
        Rule(
            "data_quality",
            lambda reading: _features(reading, QualityFinding),
            lambda reading, firing, occasion: explanations.data_quality(
                findings_of(reading, QualityFinding), firing, occasion
            ),
            lambda reading, _: _features(reading, QualityFinding, certain=True),
            because=_enough_quality,
            subject=explanations.FEATURES,
        ),
    ),
    PERFORMANCE: (
        Rule(
            "performance",
            lambda reading: {PERFORMANCE} if reading.significant else set(),
            lambda reading, _, occasion: explanations.performance(
                finding_of(reading, PerformanceFinding), occasion
            ),
            lambda reading, rules: {PERFORMANCE} if _certainly_worse(reading, rules) else set(),
            enough="larger than random variation makes it in all but {percent:.3g} % of windows",
        ),
        Rule(
            "data_quality",
            _vanished,
            lambda reading, _, occasion: explanations.vanished_classes(
                finding_of(reading, PerformanceFinding), occasion
            ),
            lambda reading, _: _vanished(reading),
            enough="what chance does in one of a thousand windows at most",
            subject=CLASSES,
            unjudged=True,
        ),
    ),
    TRAFFIC: (
        Rule(
            "latency",
            lambda reading: {"p95"} if finding_of(reading, TrafficFinding).latency_significant else set(),
            lambda reading, _, occasion: explanations.latency(finding_of(reading, TrafficFinding), occasion),
        ),
        Rule(
            "errors",
            lambda reading: {"errors"} if finding_of(reading, TrafficFinding).errors_significant else set(),
            lambda reading, _, occasion: explanations.errors(finding_of(reading, TrafficFinding), occasion),
        ),
    ),
}


def draw(
    services: Services,
    stream: Stream,
    spec: ModelSpec,
    reading: Reading,
    kinds: Collection[str] | None = None,
) -> AlertChanges:
    """Open and resolve alerts of a stream by a reading and those before it; of these ``kinds`` alone, where any are named."""
    rules = spec.monitoring
    listed = [
        rule
        for rule in RULES.get(reading.monitor, ())
        if (reading.judged or (rule.unjudged and reading.rows)) and (kinds is None or rule.kind in kinds)
    ]
    if not listed:
        return AlertChanges()
    judged, all_windows = windows_until(services, reading, rules)
    with services.registry.read() as connection:
        unresolved = alert_store.listed(connection, unresolved=True, model=stream.model, target=stream.target)
    opened: list[Alert] = []
    resolved: list[Alert] = []
    persisting: list[Alert] = []
    for rule in listed:
        history = [window for window in all_windows if window.rows] if rule.unjudged else judged
        significant = [rule.subjects(window) for window in history]
        open_now = [
            a
            for a in unresolved
            if a.kind == rule.kind and a.version == stream.version and rule.subject in ("", a.subject)
        ]
        if any(to_us(a.effective_at) > reading.end_us for a in open_now):
            continue  # a window that was judged again says nothing about what has opened since
        certain = rule.certain(reading, rules)
        firing = firing_subjects(significant, certain, rules)
        if open_now and turn([bool(s) for s in significant], True, rules.fire, rules.of) is Turn.RESOLVE:
            reason = f"{rules.of} windows in a row have been quiet, the last until {from_us(reading.end_us):%Y-%m-%d %H:%M}"
            resolved += [a for a in open_now if try_to_resolve(services, a, reason)]
        elif open_now and significant[-1]:
            persisting += open_now
        elif firing:
            alert, new = _open(services, stream, rule, reading, firing, certain, significant, rules)
            opened += [alert] if new else []
            persisting += [alert] if alert.status is not AlertStatus.RESOLVED else []
    return AlertChanges(opened, resolved, persisting)


def windows_until(
    services: Services, reading: Reading, rules: MonitoringSpec
) -> tuple[list[Reading], list[Reading]]:
    """The last judged windows of a reading's monitor until its own, and the last of all."""
    with services.telemetry.read() as connection:
        judged, all_windows = (
            readings.history(
                connection,
                reading.stream_id,
                reading.monitor,
                until_us=reading.end_us,
                limit=rules.of,
                judged=only,
            )
            for only in (True, False)
        )
    return judged, all_windows


def firing_subjects(significant: Sequence[set[str]], certain: set[str], rules: MonitoringSpec) -> set[str]:
    """The subjects that were significant often enough, or are certain, each counted by itself."""
    return {
        subject
        for subject in set().union(*significant)
        if turn([subject in s for s in significant], False, rules.fire, rules.of, certain=subject in certain)
        is Turn.OPEN
    }


def _open(
    services: Services,
    stream: Stream,
    rule: Rule,
    reading: Reading,
    firing: set[str],
    certain: set[str],
    significant: Sequence[set[str]],
    rules: MonitoringSpec,
) -> tuple[Alert, bool]:
    text = text_of(stream, rule, reading, firing, certain, significant, rules)
    if reading.late:
        text = replace(text, explanation=f"{text.explanation} {explanations.late_sentence(reading.late)}")
    diagnosis = None
    if rule.kind in change_evidence.DIAGNOSED:
        diagnosis = change_evidence.diagnose_window(services, stream.id, reading.end_us)
        text = replace(text, explanation=f"{text.explanation} {diagnosis.sentence}")
    return open_alert(services, new_alert(stream, rule.kind, from_us(reading.end_us), text, diagnosis))


def text_of(
    stream: Stream,
    rule: Rule,
    reading: Reading,
    firing: set[str],
    certain: set[str],
    significant: Sequence[set[str]],
    rules: MonitoringSpec,
) -> AlertText:
    """Text of an alert by its newest window; ``significant`` are the subjects of this one and of those before it."""
    times = max(sum(subject in s for s in significant) for subject in firing)
    window = reading.window
    by_itself = (times < rules.fire and certain) or window.together > 1
    enough = rule.because(reading, rules, firing) or rule.enough
    occasion = Occasion(
        target=stream.target,
        start_us=to_us(window.since),
        end_us=reading.end_us,
        rows=window.judged_rows,
        significant_windows=times,
        judged_windows=len(significant),
        rules=rules,
        enough=enough.format(percent=100 * rules.false_alarm_rate) if by_itself else "",
        together=window.together,
    )
    return rule.text(reading, firing, occasion)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A version on a target."""

    model: str
    version: int
    target: str


def new_alert(
    source: Stream | Deployed,
    kind: str,
    effective_at: datetime,
    text: AlertText,
    diagnosis: Diagnosis | None = None,
) -> NewAlert:
    """An alert with its text about a version on a target."""
    return NewAlert(
        model=source.model,
        version=source.version,
        target=source.target,
        kind=kind,
        subject=text.subject,
        severity=text.severity,
        effective_at=effective_at,
        summary=text.summary,
        explanation=text.explanation,
        figures=text.figures,
        features=text.features,
        diagnosis=diagnosis,
    )


def resolve_replaced(services: Services) -> list[Alert]:
    """Resolve the alerts of versions that are no longer live where they fired."""
    with services.registry.read() as connection:
        replaced = alert_store.unresolved_of_replaced(connection)
    resolved = []
    for alert, version in replaced:
        old = version_uri(alert.model, alert.version)
        reason = (
            f"{old} was replaced by version {version} on {alert.target}"
            if version is not None
            else f"{old} is no longer live on {alert.target}"
        )
        if try_to_resolve(services, alert, reason):
            resolved.append(alert)
    return resolved


def try_to_resolve(services: Services, alert: Alert, reason: str) -> bool:
    """Resolve an alert; False where somebody has resolved it meanwhile."""
    with suppress(ConflictError):
        resolve_alert_automatically(services, alert.id, reason)
        return True
    return False
