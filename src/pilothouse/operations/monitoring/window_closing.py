"""Closing windows: once a target's clock has passed a window's end, its figures are computed, judged and stored, once.

Windows belong to a stream (one version on one target) and never mix versions. Inputs, quality and traffic are closed
by the event clock. Performance waits for the outcomes, and a little longer where many have not come.

A window with too few rows for a verdict is judged together with those just before it (``merged_windows``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pilothouse.domain.formats.time_units import DAY_S, DAY_US, SECOND_US, from_us, to_us
from pilothouse.domain.models.model_spec import METRICS, ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span, due_spans, level_of
from pilothouse.domain.monitoring.drift_comparison import WeeksBefore
from pilothouse.domain.monitoring.findings import (
    ClosedWindow,
    DriftFinding,
    Finding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
    Window,
)
from pilothouse.domain.monitoring.judging import performance_grid
from pilothouse.operations.monitoring import contract_checks, merged_windows, weeks_before, window_estimates
from pilothouse.operations.monitoring.baselines import Baseline, baseline_of, baseline_p95_ms
from pilothouse.operations.monitoring.input_verdicts import counted, judge_inputs
from pilothouse.operations.monitoring.merged_windows import Merged
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.course import Sides, course_of
from pilothouse.statistics.performance import outcome_classes, outcomes
from pilothouse.statistics.performance.performance_verdicts import judge_performance
from pilothouse.statistics.performance.traffic_verdicts import judge_traffic
from pilothouse.statistics.profiles import latency, outcome_profile
from pilothouse.statistics.profiles.profile import Profile, merge_all
from pilothouse.statistics.significance import null_windows
from pilothouse.statistics.significance.multiplicity import LASTING
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake import rollup as rolled
from pilothouse.telemetry.store import count_outcomes, outcome_share, read_outcome_days
from pilothouse.telemetry.windows import late_days, readings
from pilothouse.telemetry.windows.readings import DRIFT, ESTIMATE, PERFORMANCE, QUALITY, TRAFFIC, findings_of

ENOUGH_OUTCOMES = 0.995
"""With this share of its outcomes known a window is closed at once; else after a grace period, with those known by then."""

F = TypeVar("F", bound=Finding)


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of a monitor's windows: durations in seconds, and the level of which they are multiples."""

    window: int
    step: int
    level: int


def grids(spec: ModelSpec) -> dict[str, Grid]:
    """The windows of each monitor. Performance is counted by whole days; traffic by days, or shorter steps."""
    monitoring = spec.monitoring
    inputs = Grid(monitoring.window, monitoring.step, level_of(monitoring.window, monitoring.step))
    performance = Grid(*performance_grid(monitoring), DAY_S)
    traffic = min(monitoring.step, DAY_S)
    return {
        DRIFT: inputs,
        PERFORMANCE: performance,
        ESTIMATE: performance,  # the same, so that one chart can show both
        TRAFFIC: Grid(traffic, traffic, level_of(traffic)),
    }


def due(
    connection: Connection, stream: Stream, spec: ModelSpec, clock_us: int, live: bool
) -> list[tuple[str, Span]]:
    """The windows of a stream that can be closed now. A version that is not live has no windows after its last event."""
    windows = []
    for monitor, grid in grids(spec).items():
        closed = readings.closed_span(connection, stream.id, monitor)
        origin = closed[0] if closed else rolled.floor_to(grid.level, stream.first_event_us)
        outcome_delay = spec.data.outcome_delay if monitor == PERFORMANCE else 0
        ripe = clock_us - outcome_delay * SECOND_US
        for span in due_spans(origin, closed[1] if closed else None, grid.window, grid.step, ripe):
            if not live and span.end_us - grid.step * SECOND_US > stream.last_event_us:
                break
            grace = max(DAY_S, outcome_delay // 2) * SECOND_US
            early = monitor == PERFORMANCE and ripe < span.end_us + grace
            if early and outcome_share(connection, stream.id, span.start_us, span.end_us) < ENOUGH_OUTCOMES:
                break
            windows.append((monitor, span))
    return windows


def close(services: Services, stream: Stream, spec: ModelSpec, monitor: str, span: Span) -> list[str]:
    """Compute, judge and store a window's readings; returns the monitors whose readings are new."""
    windows = closed_windows(services, stream, spec, monitor, grids(spec)[monitor], span)
    now_us = to_us(services.now())
    with services.telemetry.transaction() as connection:
        new = [
            name
            for name, closed in windows.items()
            if readings.write(connection, stream.id, name, closed, now_us)
        ]
        if new and rows_now(connection, stream, spec, monitor, span) != windows[monitor].window.rows:
            kind: late_days.Kind = "outcomes" if monitor == PERFORMANCE else "rows"
            late_days.note_span(connection, stream.id, kind, span.start_us, span.end_us, now_us)
        if DRIFT in new and weeks_before.resting_on(connection, stream, spec.monitoring, span):
            late_days.note_findings(connection, stream.id, span, now_us)
        return new


def rows_now(connection: Connection, stream: Stream, spec: ModelSpec, monitor: str, span: Span) -> int:
    """Rows, or outcomes, that a window holds now; those of a closed one may have grown since."""
    if monitor == PERFORMANCE:
        return count_outcomes(connection, stream.id, span.start_us, span.end_us)
    level = _grid_of(spec, monitor, span).level
    return rolled.count_rows(connection, stream.id, level, span.start_us, span.end_us)


def recomputed_windows(
    services: Services, stream: Stream, spec: ModelSpec, monitor: str, span: Span
) -> dict[str, ClosedWindow[Finding]]:
    """The findings about a closed window as it is now, by the model file in force; its bounds stay also where the file now
    sets others."""
    return closed_windows(services, stream, spec, monitor, _grid_of(spec, monitor, span), span)


def _grid_of(spec: ModelSpec, monitor: str, span: Span) -> Grid:
    """Grid of a monitor for a window that may have been closed under another model file, on a finer level."""
    grid = grids(spec)[monitor]
    length, offset = ((us // SECOND_US) for us in (span.end_us - span.start_us, span.start_us))
    return replace(grid, level=min(grid.level, level_of(length, offset)))


def windows_before(stream: Stream, grid: Grid, oldest: Span) -> list[Span]:
    """Windows before the oldest closed one, of rows that came after it was closed, oldest first."""
    first = rolled.floor_to(grid.level, stream.first_event_us)
    if first >= oldest.start_us:
        return []
    end = max(oldest.end_us - grid.step * SECOND_US, oldest.start_us)
    spans = []
    while end > first:
        spans.append(Span(max(first, end - grid.window * SECOND_US), end))
        end -= grid.step * SECOND_US
    return spans[::-1]


def closed_windows(
    services: Services, stream: Stream, spec: ModelSpec, monitor: str, grid: Grid, span: Span
) -> dict[str, ClosedWindow[Finding]]:
    """The findings about a window, by the monitor that stores them."""
    if monitor == DRIFT:
        return _inputs(services, stream, spec, grid, span)
    if monitor == PERFORMANCE:
        return {PERFORMANCE: _performance(services, stream, spec, span)}
    if monitor == ESTIMATE:
        merged = _merged(services, stream, spec, grid, span)
        days = [window.profile for window in _windows(services, stream, grid.level, merged.whole)]
        finding, judged = window_estimates.estimate_window(services, stream, spec, span, days)
        return {ESTIMATE: _closed(merged, judged, finding)}
    return {TRAFFIC: _traffic(services, stream, spec, grid, span)}


def _closed(merged: Merged, judged: bool, *findings: F) -> ClosedWindow[F]:
    window = Window(
        start=from_us(merged.newest.start_us),
        end=from_us(merged.newest.end_us),
        rows=merged.own_rows,
        judged=judged,
        together=merged.windows,
        rows_together=merged.rows if merged.windows > 1 else 0,
    )
    return ClosedWindow(window=window, findings=findings)


def _merged(services: Services, stream: Stream, spec: ModelSpec, grid: Grid, span: Span) -> Merged:
    """A window with those before it that it is judged with, by the rows of predictions."""
    with services.telemetry.read() as connection:
        return merged_windows.merge(
            span,
            rolled.floor_to(grid.level, stream.first_event_us),
            spec.monitoring.minimum_rows,
            lambda part: rolled.count_rows(connection, stream.id, grid.level, part.start_us, part.end_us),
        )


def _windows(services: Services, stream: Stream, level: int, span: Span) -> list[rolled.Window]:
    with services.telemetry.read() as connection:
        specification = services.telemetry.specification(connection, stream.id)
        return rolled.read(connection, specification, stream.id, level, span.start_us, span.end_us)


def calibration_days(spec: ModelSpec) -> int:
    """The length of the reference's windows, in days, by which windows of inputs are calibrated."""
    return max(1, round(spec.monitoring.window / DAY_S))


def _baseline(services: Services, stream: Stream, spec: ModelSpec) -> Baseline:
    return baseline_of(services, stream.model, stream.version, stream.target, calibration_days(spec))


def _inputs(
    services: Services, stream: Stream, spec: ModelSpec, grid: Grid, span: Span
) -> dict[str, ClosedWindow[Finding]]:
    merged = _merged(services, stream, spec, grid, span)
    if not merged.own_rows:
        nothing: ClosedWindow[Finding] = _closed(merged, False)
        return {DRIFT: nothing, QUALITY: nothing}
    base = _baseline(services, stream, spec)
    parts = [window.profile for window in _windows(services, stream, grid.level, merged.whole)]
    current = merge_all(base.specification, parts)
    monitoring = spec.monitoring
    judged = merged.rows >= monitoring.minimum_rows
    drifted, faulty = _significant_before(services, stream, span, monitoring.of - 1)
    past = weeks_before.Past()
    lasting = None
    weekly = span.end_us - span.start_us == grid.window * SECOND_US == calibration_days(spec) * DAY_US
    if merged.windows == 1 and weekly:  # movement from week to week says nothing about hours
        first_us = span.start_us - null_windows.RECENT * grid.window * SECOND_US
        own = _windows(services, stream, grid.level, Span(first_us, span.start_us))
        past = weeks_before.past_of(services, stream, monitoring, base, grid.level, span, own)
        lasting = _lasting(stream, grid, span, base, current, own)
    columns, shares = judge_inputs(base, monitoring, current, merged.windows, past.profile, lasting)
    with services.telemetry.read() as connection:
        checked = contract_checks.check_columns(connection, stream, spec.contract, merged.whole)
    shares += contract_checks.contract_findings(checked, spec, merged.windows)
    first, last = (day * DAY_US for day in base.training_days)
    season = base.season(merged.whole.start_us, span.end_us)
    drift = []
    for finding in columns:
        compared = Span(first, last + DAY_US)
        if finding.compared_with == "recent":
            begun_us = span.start_us - null_windows.RECENT * grid.window * SECOND_US
            compared = past.spans.get(finding.feature, Span(begun_us, span.start_us))
        dated = replace(
            finding,
            since_us=compared.start_us,
            until_us=compared.end_us,
            before=_noted(base, past, finding.feature),
            contract=checked[finding.feature].share if finding.feature in checked else None,
            course=course_of(
                base.specification,
                finding.feature,
                Sides(current, base.profile, _compared(base, past, finding), season),
                finding.power,
            ),
        )
        before = [finding.feature in features for features in drifted]
        if dated.before is not None and dated.before.found_by is not None:
            of_others = past.goes_on[: max(0, monitoring.of - 1 - len(before))]
            before = [finding.feature in features for features in of_others] + before
        drift.append(counted(dated, judged, before))
    quality = [
        counted(finding, judged, [(finding.feature, finding.fault) in faults for faults in faulty])
        for finding in shares
    ]
    return {DRIFT: _closed(merged, judged, *drift), QUALITY: _closed(merged, judged, *quality)}


def _significant_before(
    services: Services, stream: Stream, span: Span, limit: int
) -> tuple[list[set[str]], list[set[tuple[str, str]]]]:
    """The features that drifted, and the (feature, fault) pairs that were significant, in each of the last judged windows
    before one."""
    with services.telemetry.read() as connection:
        drift, quality = (
            readings.history(
                connection, stream.id, monitor, until_us=span.end_us - 1, limit=limit, judged=True
            )
            for monitor in (DRIFT, QUALITY)
        )
    return (
        [{f.feature for f in findings_of(r, DriftFinding) if f.significant} for r in drift],
        [{(f.feature, f.fault) for f in findings_of(r, QualityFinding) if f.significant} for r in quality],
    )


def _compared(base: Baseline, past: weeks_before.Past, finding: DriftFinding) -> Profile | None:
    """The days before a feature that is compared with them; None where it is compared with the reference alone."""
    compared = any(null.recent for null in base.calibration.columns.get(finding.feature, ()))
    return past.profile if compared else None


def _noted(base: Baseline, past: weeks_before.Past, feature: str) -> WeeksBefore | None:
    """What is known of the days before a feature that is compared with them; None where they are of its own version."""
    compared = any(null.recent for null in base.calibration.columns.get(feature, ()))
    return past.notes.get(feature) if compared else None


def _lasting(
    stream: Stream, grid: Grid, span: Span, base: Baseline, current: Profile, before: Sequence[rolled.Window]
) -> Profile | None:
    """Profile of a version's last LASTING windows with this one, from the RECENT ones before it; None where the stream is
    younger."""
    first = span.start_us - (LASTING - 1) * grid.window * SECOND_US
    if stream.first_event_us - DAY_US > first:
        return None
    last = [part.profile for part in before if part.start_us >= first]
    return merge_all(base.specification, [*last, current])


def _performance(
    services: Services, stream: Stream, spec: ModelSpec, span: Span
) -> ClosedWindow[PerformanceFinding]:
    metric = spec.primary_metric
    with services.telemetry.read() as connection:
        specification = services.telemetry.specification(connection, stream.id)
        merged = merged_windows.merge(
            span,
            rolled.floor_to(DAY_S, stream.first_event_us),
            spec.monitoring.minimum_rows,
            lambda part: count_outcomes(connection, stream.id, part.start_us, part.end_us),
        )
        encoded = read_outcome_days(connection, stream.id, merged.whole.start_us, merged.whole.end_us)
        known = outcome_share(connection, stream.id, merged.whole.start_us, merged.whole.end_us)
    days = [outcome_profile.decode(specification, data) for _, data in encoded]
    value = outcomes.measured_over_days(specification, days, metric)
    base = _baseline(services, stream, spec)
    reference = base.performance
    if reference.metric != metric:  # the model file now sets another metric
        reference = replace(reference, metric=metric, value=math.nan, low=math.nan, high=math.nan)
    finding, judged = judge_performance(
        value,
        reference,
        METRICS[metric][0],
        false_alarm_rate=spec.monitoring.false_alarm_rate,
        minimum_rows=spec.monitoring.minimum_rows,
        labelled_share=known,
        windows=merged.windows,
    )
    whole = outcome_profile.merge_all(specification, days)
    if whole.rows and finding.value is None:
        others = outcome_classes.other_metrics(specification, days, metric)
        why = outcome_classes.why_undefined(specification, whole, metric)
        finding = replace(finding, why=why, others=others)
    if known >= ENOUGH_OUTCOMES and specification.digest == base.specification.digest:
        vanished = outcome_classes.vanished_classes(specification, whole, base.outcomes)
        shares = outcome_classes.class_shares(specification, base.outcomes) if vanished else {}
        finding = replace(finding, vanished={name: shares[name] for name in vanished})
    return _closed(merged, judged, finding)


def _traffic(
    services: Services, stream: Stream, spec: ModelSpec, grid: Grid, span: Span
) -> ClosedWindow[TrafficFinding]:
    windows = _windows(services, stream, grid.level, span)
    with services.registry.read() as connection:
        base = baseline_p95_ms(connection, stream.model, stream.version, stream.target)
    finding, judged = judge_traffic(
        latency.merge_all(window.latencies for window in windows),
        sum(w.requests for w in windows),
        sum(w.errors for w in windows),
        baseline_p95_ms=base,
        factor=spec.monitoring.latency_factor,
    )
    return _closed(merged_windows.alone(span, sum(w.rows for w in windows)), judged, finding)
