"""Texts of alerts whose own window has been judged again: they say the newest revision of it.

Doing it again changes nothing. What an alert said before is in the audit log, from which the past shows it.
"""

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.findings import PerformanceFinding
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts import alerting, explanations
from pilothouse.operations.alerts.alerting import Rule
from pilothouse.operations.alerts.explanations import AlertText
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.telemetry import Stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import PERFORMANCE, Reading, finding_of


def revise(services: Services, stream: Stream, spec: ModelSpec, monitor: str, end_us: int) -> None:
    """Bring the texts of the unresolved alerts that a window has opened up to date, and the state that names them."""
    rules = alerting.RULES.get(monitor, ())
    if not rules:
        return
    with services.registry.read() as connection:
        unresolved = alert_store.listed(connection, unresolved=True, model=stream.model, target=stream.target)
    opened = [
        (rule, alert)
        for alert in unresolved
        for rule in rules
        if alert.version == stream.version
        and alert.kind == rule.kind
        and rule.subject in ("", alert.subject)
        and to_us(alert.effective_at) == end_us
    ]
    if not opened:
        return
    with services.telemetry.read() as connection:
        reading = readings.find(connection, stream.id, monitor, end_us)
    if reading is None or not reading.revision:
        return
    for rule, alert in opened:
        text = _text(services, stream, spec, rule, reading, alert)
        if (text.summary, text.figures) != (alert.summary, dict(alert.figures)):
            _write(services, alert, text)


def _text(
    services: Services, stream: Stream, spec: ModelSpec, rule: Rule, reading: Reading, alert: Alert
) -> AlertText:
    rules = spec.monitoring
    judged, all_windows = alerting.windows_until(services, reading, rules)
    history = [window for window in all_windows if window.rows] if rule.unjudged else judged
    significant = [rule.subjects(window) for window in history]
    if not history or history[-1].id != reading.id or not significant[-1]:
        return _no_longer(services, reading, alert)
    certain = rule.certain(reading, rules)
    firing = alerting.firing_subjects(significant, certain, rules) or significant[-1]
    text = alerting.text_of(stream, rule, reading, firing, certain, significant, rules)
    explanation = f"{text.explanation} {explanations.revised_sentence(reading.late, _first(services, alert))}"
    return AlertText(alert.subject, alert.severity, text.summary, explanation, text.figures, text.features)


def _no_longer(services: Services, reading: Reading, alert: Alert) -> AlertText:
    """Text of an alert whose window is not significant any more; it stays open until its monitor has been quiet."""
    now = "not significant"
    if reading.monitor == PERFORMANCE and alert.kind == PERFORMANCE:
        finding = finding_of(reading, PerformanceFinding)
        if finding.value is not None:
            now = f"{finding.metric} {finding.value:.3g}, {now}"
    first = _first(services, alert)
    explanation = f"The window is {now} now. {explanations.revised_sentence(reading.late, first)}"
    summary = f"at first {first}; now {now}"
    return AlertText(alert.subject, alert.severity, summary, explanation, dict(alert.figures), alert.features)


def _first(services: Services, alert: Alert) -> str:
    """Summary with which an alert opened."""
    with services.registry.read() as connection:
        return alert_store.first_summary(connection, alert.id) or alert.summary


def _write(services: Services, alert: Alert, text: AlertText) -> None:
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        before = alert_store.revise(
            change.connection, alert.id, text.summary, text.explanation, text.figures, text.features
        )
        states.refresh(services, change.connection, [(alert.model, alert.target)])
        detail = {"model": alert.model, "target": alert.target, "summary": text.summary, "before": before}
        change.record(alert_store.REVISED, f"alert {alert.id}", detail)
