"""Alerts drawn from readings: k of the last n windows open one, n quiet ones resolve it, a new version ends it.

Drawing from the same reading again changes nothing: alerts are keyed by their finding and window.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pilothouse.domain.alert_rules import Turn, turn
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.incidents import JOINT
from pilothouse.domain.model_spec import METRICS, ModelSpec, MonitoringSpec
from pilothouse.domain.records import Alert, AlertStatus, Deployment
from pilothouse.operations.alerts import change_evidence, explanations
from pilothouse.operations.alerts.alerts import open_alert, resolve_alert_automatically
from pilothouse.operations.alerts.explanations import Occasion, Words
from pilothouse.operations.services import Services
from pilothouse.statistics.performance.performance_verdicts import performance_is_certain
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.store import alerts as alert_store
from pilothouse.store.alerts import NewAlert
from pilothouse.telemetry import Stream, from_us, readings
from pilothouse.telemetry.readings import (
    DRIFT,
    MULTIVARIATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    DriftFigure,
    MultivariateFigure,
    PerformanceFigure,
    QualityFigure,
    Reading,
    TrafficFigure,
    figure_of,
    figures_of,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How alerts of one kind are drawn from a monitor's readings.

    ``subjects``: what speaks in a reading, each counted by itself. ``words``: the alert's text, from the
    newest reading, what fires and when.
    """

    kind: str
    subjects: Callable[[Reading], set[str]]
    words: Callable[[Reading, set[str], Occasion], Words]
    certain: Callable[[Reading, MonitoringSpec], set[str]] = lambda *_: set()
    """What speaks so loudly in a reading that one window is enough."""
    enough: str = "certain by itself"
    """What one window must be to be certain, ``{percent}`` being the rate of false alarms."""
    subject: str = ""
    """Where alerts of this kind are drawn by several rules: the subject of this one's."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What drawing from a reading changed. ``asking`` are alerts, new or old, whose newest window speaks."""

    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    asking: tuple[Alert, ...] = ()


def _drifted(reading: Reading) -> set[str]:
    return {f.feature for f in figures_of(reading, DriftFigure) if f.speaks}


def _certain(reading: Reading, kind: type[DriftFigure] | type[QualityFigure]) -> set[str]:
    return {f.feature for f in figures_of(reading, kind) if f.speaks and f.grounds.certain}


def _surely_worse(reading: Reading, rules: MonitoringSpec) -> bool:
    figure = figure_of(reading, PerformanceFigure)
    return performance_is_certain(
        readings.metric_value(figure.metric, figure.value, figure.low, figure.high),
        readings.metric_value(figure.metric, figure.reference, figure.reference_low, figure.reference_high),
        METRICS[figure.metric][0],
        rules.false_alarm_rate,
    )


RULES: dict[str, tuple[Rule, ...]] = {
    DRIFT: (
        Rule(
            "data_drift",
            lambda reading: _drifted(reading) - {SCORE},
            lambda reading, firing, occasion: explanations.data_drift(
                figures_of(reading, DriftFigure), firing, occasion
            ),
            lambda reading, _: _certain(reading, DriftFigure) - {SCORE},
            subject=explanations.FEATURES,
        ),
        Rule(
            "score_drift",
            lambda reading: _drifted(reading) & {SCORE},
            lambda reading, _, occasion: explanations.score_drift(
                next(f for f in figures_of(reading, DriftFigure) if f.feature == SCORE), occasion
            ),
            lambda reading, _: _certain(reading, DriftFigure) & {SCORE},
        ),
    ),
    MULTIVARIATE: (
        Rule(
            "data_drift",
            lambda reading: {JOINT} if reading.speaks else set(),
            lambda reading, _, occasion: explanations.joint_drift(
                figure_of(reading, MultivariateFigure), occasion
            ),
            subject=JOINT,
        ),
    ),
    QUALITY: (
        Rule(
            "data_quality",
            lambda reading: {f.feature for f in figures_of(reading, QualityFigure) if f.speaks},
            lambda reading, firing, occasion: explanations.data_quality(
                figures_of(reading, QualityFigure), firing, occasion
            ),
            lambda reading, _: _certain(reading, QualityFigure),
        ),
    ),
    PERFORMANCE: (
        Rule(
            "performance",
            lambda reading: {PERFORMANCE} if reading.speaks else set(),
            lambda reading, _, occasion: explanations.performance(
                figure_of(reading, PerformanceFigure), occasion
            ),
            lambda reading, rules: {PERFORMANCE} if _surely_worse(reading, rules) else set(),
            enough="larger than chance makes it in all but {percent:.3g} % of windows",
        ),
    ),
    TRAFFIC: (
        Rule(
            "latency",
            lambda reading: {"p95"} if figure_of(reading, TrafficFigure).latency_speaks else set(),
            lambda reading, _, occasion: explanations.latency(figure_of(reading, TrafficFigure), occasion),
        ),
        Rule(
            "errors",
            lambda reading: {"errors"} if figure_of(reading, TrafficFigure).errors_speak else set(),
            lambda reading, _, occasion: explanations.errors(figure_of(reading, TrafficFigure), occasion),
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
        spoken = [rule.subjects(one) for one in last]
        open_now = [
            a
            for a in unresolved
            if a.kind == rule.kind and a.version == stream.version and rule.subject in ("", a.subject)
        ]
        certain = rule.certain(reading, rules)
        firing = _firing(spoken, certain, rules)
        if open_now and turn([bool(s) for s in spoken], True, rules.fire, rules.of) is Turn.RESOLVE:
            words = f"{rules.of} windows in a row have been quiet, the last until {from_us(reading.end_us):%Y-%m-%d %H:%M}"
            resolved += [a for a in open_now if resolve_quietly(services, a, words)]
        elif open_now and spoken[-1]:
            asking += open_now
        elif firing:
            alert, new = _open(services, stream, rule, reading, firing, certain, spoken, rules)
            opened += [alert] if new else []
            asking += [alert] if alert.status is not AlertStatus.RESOLVED else []
    return Drawn(tuple(opened), tuple(resolved), tuple(asking))


def _firing(spoken: Sequence[set[str]], certain: set[str], rules: MonitoringSpec) -> set[str]:
    """The subjects that have spoken often enough, or loudly enough, each counted by itself."""
    every = set().union(*spoken) if spoken else set()
    return {
        subject
        for subject in every
        if turn([subject in s for s in spoken], False, rules.fire, rules.of, certain=subject in certain)
        is Turn.OPEN
    }


def _open(
    services: Services,
    stream: Stream,
    rule: Rule,
    reading: Reading,
    firing: set[str],
    certain: set[str],
    spoken: Sequence[set[str]],
    rules: MonitoringSpec,
) -> tuple[Alert, bool]:
    times = max(sum(subject in s for s in spoken) for subject in firing)
    occasion = Occasion(
        stream.target,
        reading.start_us,
        reading.end_us,
        reading.rows,
        times,
        len(spoken),
        rules,
        enough=rule.enough.format(percent=100 * rules.false_alarm_rate)
        if times < rules.fire and certain
        else "",
    )
    words = rule.words(reading, firing, occasion)
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
