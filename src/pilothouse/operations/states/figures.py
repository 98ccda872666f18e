"""The newest figures of a version on a target, and each monitor's verdict on it, by its closed windows."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pilothouse.domain.formats.time_units import DAY_US, SECOND_US, from_us
from pilothouse.domain.models.model_spec import ModelSpec, MonitoringSpec
from pilothouse.domain.monitoring.alert_rules import level_of
from pilothouse.domain.monitoring.deployment_state import Figures, TrendPoint, Verdict
from pilothouse.domain.monitoring.findings import (
    CONTRACT,
    DriftFinding,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
    Window,
)
from pilothouse.domain.monitoring.judging import next_judged_performance, why_not_judged, windows_wanted
from pilothouse.domain.monitoring.monitoring import Suspicion
from pilothouse.sqlite import Connection
from pilothouse.statistics.performance.performance_verdicts import Loss, loss_of
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.newest_readings import LOOKED_AT, newest_judged, newest_measured
from pilothouse.telemetry.windows.readings import (
    DRIFT,
    MULTIVARIATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    Reading,
    count_significant,
    finding_of,
    findings_of,
)

_TREND = LOOKED_AT
"""Windows of a trend."""
_DIGITS = 4
"""Significant digits of a trend's values: a sparkline shows eight heights."""


def figures_of(connection: Connection, model: str, version: int, target: str, spec: ModelSpec) -> Figures:
    """Figures of a version on a target; without events where nothing has come."""
    stream = find_stream(connection, model, version, target)
    if stream is None:
        return Figures()
    drift, performance, traffic = (
        readings.history(connection, stream.id, monitor, limit=_TREND)
        for monitor in (DRIFT, PERFORMANCE, TRAFFIC)
    )
    verdicts = [
        *_of_inputs(connection, stream, spec, drift),
        *_of_performance(connection, stream, spec, performance),
        *_of_traffic(traffic),
        *_of_all_features(connection, stream),
    ]
    judged = newest_judged(connection, stream.id, DRIFT, drift)
    findings = _features(judged) if judged else []
    measured = newest_measured(connection, stream.id, performance)
    blind = [finding.feature for finding in findings if finding.blind]
    asked = [reading for reading in traffic if finding_of(reading, TrafficFinding).p95_ms is not None]
    return Figures(
        events=True,
        first_window=None if drift or performance else _first_window(stream, spec),
        performance=finding_of(measured, PerformanceFinding) if measured else None,
        performance_window=measured.window if measured else None,
        drifted=sum(finding.significant for finding in findings),
        features=len(findings),
        blind=len(blind),
        blind_named=_named(blind),
        drift_window=judged.window if judged else None,
        p95_ms=finding_of(asked[-1], TrafficFinding).p95_ms if asked else None,
        traffic_window=asked[-1].window if asked else None,
        rows_last_window=drift[-1].rows if drift else 0,
        last_event=from_us(stream.last_event_us),
        verdicts=tuple(verdicts),
        trend=_trend(performance, lambda reading: finding_of(reading, PerformanceFinding).value),
        drift_trend=_trend([r for r in drift if r.judged], lambda reading: float(count_significant(reading))),
        p95_trend=_trend(traffic, lambda reading: finding_of(reading, TrafficFinding).p95_ms),
    )


def _of_inputs(
    connection: Connection, stream: Stream, spec: ModelSpec, newest: Sequence[Reading]
) -> list[Verdict]:
    if not newest:
        return []
    judged = newest_judged(connection, stream.id, DRIFT, newest)
    beyond = {"data_drift": "", "score_drift": "", "data_quality": ""}
    if judged is not None:
        findings = _features(judged)
        drifted = [finding.feature for finding in findings if finding.significant]
        if drifted:
            beyond["data_drift"] = f"{len(drifted)} of {len(findings)} features drifted ({_named(drifted)})"
        if any(f.significant for f in findings_of(judged, DriftFinding) if f.feature == SCORE):
            beyond["score_drift"] = "the score drifted"
        faulty = _faulty(connection, stream, judged)
        if faulty:
            of_contracts = CONTRACT in faulty.values()
            kinds = (
                "missing values, new categories or broken contracts"
                if of_contracts
                else "missing values or new categories"
            )
            beyond["data_quality"] = f"{kinds} ({_named([*faulty])})"
    unjudged = _since(newest, judged)
    window = judged.window if judged else None
    lacking = ""
    if unjudged:
        lacking = (
            why_not_judged(newest[-1].window, spec.monitoring.minimum_rows)
            if newest[-1].rows
            else "no prediction in its newest window"
        )
    shown = [kind for kind, text in beyond.items() if text] or ["data_drift"]
    return [
        Verdict(
            monitor=DRIFT,
            window=window,
            beyond=beyond[kind],
            alert_kinds=(kind,),
            unjudged=unjudged if kind == shown[0] else 0,
            lack=lacking if kind == shown[0] else "",
        )
        for kind in shown
    ]


def _faulty(connection: Connection, stream: Stream, judged: Reading) -> dict[str, str]:
    """Features with a significant fault in the window of a reading, with the last of these."""
    quality = readings.history(connection, stream.id, QUALITY, until_us=judged.end_us, limit=1, judged=True)
    if not quality or quality[0].end_us != judged.end_us:
        return {}
    return {f.feature: f.fault for f in findings_of(quality[0], QualityFinding) if f.significant}


def _of_performance(
    connection: Connection, stream: Stream, spec: ModelSpec, newest: Sequence[Reading]
) -> list[Verdict]:
    if not newest:
        return []
    judged = newest_judged(connection, stream.id, PERFORMANCE, newest)
    unjudged = _since(newest, judged)
    beyond, suspicion = "", None
    if judged is not None:
        finding = finding_of(judged, PerformanceFinding)
        significant = _significant_until(connection, stream, spec.monitoring, judged)
        loss = loss_of(finding, significant, spec.monitoring)
        if loss is Loss.CERTAIN:
            beyond = f"{finding.metric} {finding.value:.3g}, worse than its reference {finding.reference:.3g}"
        elif loss is Loss.SUSPECTED:
            beyond = _with_interval(finding)
            suspicion = suspicion_of(finding, judged.window, significant, spec, is_newest=not unjudged)
    return [
        Verdict(
            monitor=PERFORMANCE,
            window=judged.window if judged else None,
            beyond=beyond,
            suspicion=suspicion,
            alert_kinds=(PERFORMANCE,),
            unjudged=unjudged,
            lack=_lack_of_outcomes(spec.monitoring, newest[-1]) if unjudged else "",
        )
    ]


def _significant_until(
    connection: Connection, stream: Stream, rules: MonitoringSpec, judged: Reading
) -> list[bool]:
    """Whether a window and those judged before it are significant, newest last: as many as an alert looks at."""
    last = readings.history(
        connection, stream.id, PERFORMANCE, until_us=judged.end_us, limit=rules.of, judged=True
    )
    return [reading.significant for reading in last]


def _with_interval(finding: PerformanceFinding) -> str:
    interval = f" [{finding.low:.3g}, {finding.high:.3g}]" if finding.low is not None else ""
    return f"{finding.metric} {finding.value:.3g}{interval}, reference {finding.reference:.3g}"


def suspicion_of(
    finding: PerformanceFinding,
    window: Window,
    significant: Sequence[bool],
    spec: ModelSpec,
    *,
    is_newest: bool,
) -> Suspicion:
    """What a suspected loss waits for. ``is_newest``: no window was closed since; where some were and had no verdict, nobody
    knows which will have one."""
    assert finding.value is not None
    assert finding.reference is not None
    return Suspicion(
        below=finding.value < finding.reference,
        wanted=windows_wanted(significant, spec.monitoring, window.together),
        next_at=next_judged_performance(window.end, spec) if is_newest else None,
    )


def _of_all_features(connection: Connection, stream: Stream) -> list[Verdict]:
    newest = readings.history(connection, stream.id, MULTIVARIATE, limit=1)
    if not newest or not newest[0].significant:
        return []
    finding = finding_of(newest[0], MultivariateFinding)
    text = f"all features together differ from the reference (AUROC {finding.auc:.2f})"
    return [Verdict(monitor=MULTIVARIATE, window=newest[0].window, beyond=text, alert_kinds=("data_drift",))]


def _of_traffic(newest: Sequence[Reading]) -> list[Verdict]:
    judged = next((reading for reading in reversed(newest) if reading.judged), None)
    if judged is None:
        return []
    finding = finding_of(judged, TrafficFinding)
    verdicts = []
    if finding.latency_significant and finding.p95_ms is not None and finding.baseline_p95_ms:
        times = finding.p95_ms / finding.baseline_p95_ms
        text = f"p95 {finding.p95_ms:.3g} ms, {times:.1f} times its baseline"
        verdicts.append(Verdict(monitor=TRAFFIC, window=judged.window, beyond=text, alert_kinds=("latency",)))
    if finding.machine_slow and finding.p95_ms is not None and finding.slowdown is not None:
        text = (
            f"the machine is slow, not the model: p95 {finding.p95_ms:.3g} ms, its calls took {finding.slowdown:.1f} times as "
            "long as usual for the same processor time"
        )
        verdicts.append(Verdict(monitor=TRAFFIC, window=judged.window, beyond=text))
    if finding.errors_significant:
        text = f"{finding.errors:,} of {finding.requests:,} requests failed"
        verdicts.append(Verdict(monitor=TRAFFIC, window=judged.window, beyond=text, alert_kinds=("errors",)))
    return verdicts or [Verdict(monitor=TRAFFIC, window=judged.window)]


def _since(newest: Sequence[Reading], judged: Reading | None) -> int:
    """Number of the newest windows that have no verdict."""
    return sum(judged is None or reading.end_us > judged.end_us for reading in newest)


def _lack_of_outcomes(rules: MonitoringSpec, reading: Reading) -> str:
    finding = finding_of(reading, PerformanceFinding)
    if not reading.rows:
        return "no outcome is known"
    if finding.value is None:
        return finding.why or f"{finding.metric} is not defined on its {reading.rows:,} outcomes"
    has_reference = finding.reference is not None
    why = why_not_judged(reading.window, rules.minimum_rows, has_reference=has_reference)
    return why.replace(" rows ", " outcomes ")


def _features(reading: Reading) -> list[DriftFinding]:
    return [finding for finding in findings_of(reading, DriftFinding) if finding.feature != SCORE]


def _named(features: Sequence[str]) -> str:
    """The first two, and how many more."""
    more = f" and {len(features) - 2} more" if len(features) > 2 else ""
    return ", ".join(features[:2]) + more


def _trend(windows: Sequence[Reading], value: Callable[[Reading], float | None]) -> tuple[TrendPoint, ...]:
    points = [(reading, value(reading)) for reading in windows]
    return tuple(
        TrendPoint(
            end=round(reading.end_us / DAY_US, 3), value=float(f"{figure:.{_DIGITS}g}"), rows=reading.rows
        )
        for reading, figure in points
        if figure is not None
    )


def _first_window(stream: Stream, spec: ModelSpec) -> datetime:
    level = level_of(spec.monitoring.window, spec.monitoring.step) * SECOND_US
    return from_us(stream.first_event_us // level * level + spec.monitoring.step * SECOND_US)
