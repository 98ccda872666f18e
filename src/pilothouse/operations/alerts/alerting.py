"""Alerts drawn from readings: k of the last n windows open one, n quiet ones resolve it, a new version ends it.

Drawing from the same reading again changes nothing: alerts are keyed by their finding and window.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pilothouse.domain.alert_rules import Turn, turn
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.findings import (
    DriftFinding,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
)
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.incidents import JOINT
from pilothouse.domain.model_spec import METRICS, ModelSpec, MonitoringSpec
from pilothouse.domain.records import Alert, AlertStatus, Deployment
from pilothouse.domain.time_units import from_us
from pilothouse.operations.alerts import change_evidence, explanations
from pilothouse.operations.alerts.alerts import open_alert, resolve_alert_automatically
from pilothouse.operations.alerts.explanations import Occasion, Words
from pilothouse.operations.services import Services
from pilothouse.statistics.performance.performance_verdicts import performance_is_certain
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store import alerts as alert_store
from pilothouse.store.alerts import NewAlert
from pilothouse.telemetry import Stream, readings
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


@dataclass(frozen=True, slots=True)
class Rule:
    """How alerts of one kind are drawn from a monitor's readings.

    ``subjects``: what is significant in a reading, each counted by itself. ``words``: the alert's text, from the
    newest reading, what fires and when.
    """

    kind: str
    subjects: Callable[[Reading], set[str]]
    words: Callable[[Reading, set[str], Occasion], Words]
    certain: Callable[[Reading, MonitoringSpec], set[str]] = lambda *_: set()
    """What is so far beyond its threshold in a reading that one window is enough."""
    enough: str = "certain by itself"
    """What one window must be to be certain, ``{percent}`` being the rate of false alarms."""
    subject: str = ""
    """Where alerts of this kind are drawn by several rules: the subject of this one's."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What drawing from a reading changed. ``asking`` are alerts, new or old, whose newest window is significant."""

    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    asking: tuple[Alert, ...] = ()


def _drifted(reading: Reading) -> set[str]:
    return {f.feature for f in findings_of(reading, DriftFinding) if f.significant}


def _certain(reading: Reading, kind: type[DriftFinding] | type[QualityFinding]) -> set[str]:
    return {f.feature for f in findings_of(reading, kind) if f.significant and f.grounds.certain}


def _surely_worse(reading: Reading, rules: MonitoringSpec) -> bool:
    finding = finding_of(reading, PerformanceFinding)
    return performance_is_certain(
        finding.measured, finding.expected, METRICS[finding.metric][0], rules.false_alarm_rate
    )


RULES: dict[str, tuple[Rule, ...]] = {
    DRIFT: (
        Rule(
            "data_drift",
            lambda reading: _drifted(reading) - {SCORE},
            lambda reading, firing, occasion: explanations.data_drift(
                findings_of(reading, DriftFinding), firing, occasion
            ),
            lambda reading, _: _certain(reading, DriftFinding) - {SCORE},
            subject=explanations.FEATURES,
        ),
        Rule(
            "score_drift",
            lambda reading: _drifted(reading) & {SCORE},
            lambda reading, _, occasion: explanations.score_drift(
                next(f for f in findings_of(reading, DriftFinding) if f.feature == SCORE), occasion
            ),
            lambda reading, _: _certain(reading, DriftFinding) & {SCORE},
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
            lambda reading: {f.feature for f in findings_of(reading, QualityFinding) if f.significant},
            lambda reading, firing, occasion: explanations.data_quality(
                findings_of(reading, QualityFinding), firing, occasion
            ),
            lambda reading, _: _certain(reading, QualityFinding),
        ),
    ),
    PERFORMANCE: (
        Rule(
            "performance",
            lambda reading: {PERFORMANCE} if reading.significant else set(),
            lambda reading, _, occasion: explanations.performance(
                finding_of(reading, PerformanceFinding), occasion
            ),
            lambda reading, rules: {PERFORMANCE} if _surely_worse(reading, rules) else set(),
            enough="larger than chance makes it in all but {percent:.3g} % of windows",
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


def draw(services: Services, stream: Stream, spec: ModelSpec, reading: Reading) -> Drawn:
    """Open and resolve alerts of a stream that is live, by a reading and those before it."""
    if not reading.judged:
        return Drawn()
    rules = spec.monitoring
    with services.telemetry.read() as connection:
        last = readings.history(
            connection, stream.id, reading.monitor, until_us=reading.end_us, limit=rules.of, judged=True
        )
    with services.registry.read() as connection:
        unresolved = alert_store.listed(connection, unresolved=True, model=stream.model, target=stream.target)
    opened, resolved, asking = [], [], []
    for rule in RULES.get(reading.monitor, ()):
        significant = [rule.subjects(one) for one in last]
        open_now = [
            a
            for a in unresolved
            if a.kind == rule.kind and a.version == stream.version and rule.subject in ("", a.subject)
        ]
        certain = rule.certain(reading, rules)
        firing = _firing(significant, certain, rules)
        if open_now and turn([bool(s) for s in significant], True, rules.fire, rules.of) is Turn.RESOLVE:
            words = f"{rules.of} windows in a row have been quiet, the last until {from_us(reading.end_us):%Y-%m-%d %H:%M}"
            resolved += [a for a in open_now if resolve_quietly(services, a, words)]
        elif open_now and significant[-1]:
            asking += open_now
        elif firing:
            alert, new = _open(services, stream, rule, reading, firing, certain, significant, rules)
            opened += [alert] if new else []
            asking += [alert] if alert.status is not AlertStatus.RESOLVED else []
    return Drawn(tuple(opened), tuple(resolved), tuple(asking))


def _firing(significant: Sequence[set[str]], certain: set[str], rules: MonitoringSpec) -> set[str]:
    """The subjects that were significant often enough, or are certain, each counted by itself."""
    every = set().union(*significant)
    return {
        subject
        for subject in every
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
    times = max(sum(subject in s for s in significant) for subject in firing)
    occasion = Occasion(
        target=stream.target,
        start_us=reading.start_us,
        end_us=reading.end_us,
        rows=reading.rows,
        significant_windows=times,
        judged_windows=len(significant),
        rules=rules,
        enough=rule.enough.format(percent=100 * rules.false_alarm_rate)
        if times < rules.fire and certain
        else "",
    )
    words = rule.words(reading, firing, occasion)
    diagnosis = None
    if rule.kind in change_evidence.EXPLAINED:
        diagnosis = change_evidence.diagnose_window(services, stream.id, reading.end_us)
        words = replace(words, explanation=f"{words.explanation} {diagnosis.sentence}")
    new = NewAlert(
        model=stream.model,
        version=stream.version,
        target=stream.target,
        kind=rule.kind,
        subject=words.subject,
        severity=words.severity,
        effective_at=from_us(reading.end_us),
        summary=words.summary,
        explanation=words.explanation,
        figures=words.figures,
        features=words.features,
        diagnosis=diagnosis,
    )
    return open_alert(services, new)


def resolve_replaced(services: Services, live: Sequence[Deployment]) -> list[Alert]:
    """Resolve the alerts of versions that are no longer live where they fired."""
    now = {(d.model, d.target): d.version for d in live}
    with services.registry.read() as connection:
        unresolved = alert_store.listed(connection, unresolved=True, limit=10_000)
    resolved = []
    for alert in unresolved:
        version = now.get((alert.model, alert.target))
        if version == alert.version:
            continue
        old = version_uri(alert.model, alert.version)
        words = (
            f"{old} was replaced by version {version} on {alert.target}"
            if version is not None
            else f"{old} is no longer live on {alert.target}"
        )
        if resolve_quietly(services, alert, words):
            resolved.append(alert)
    return resolved


def resolve_quietly(services: Services, alert: Alert, reason: str) -> bool:
    """Resolve an alert; False where somebody has done so meanwhile."""
    with suppress(ConflictError):
        resolve_alert_automatically(services, alert.id, reason)
        return True
    return False
