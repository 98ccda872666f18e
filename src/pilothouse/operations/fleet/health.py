"""Health: the overview, models on targets, the fleet. Cheap queries of stored figures; nothing is computed again."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.domain.alert_rules import Flow, health_of_target, silent_for, worst_health
from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.findings import PerformanceFinding, TrafficFinding, WindowFinding
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.monitoring import Health, ModelOverview, ServingState, TargetState
from pilothouse.domain.records import Alert, Deployment, PromotionRequest, Target
from pilothouse.domain.roles import Actor
from pilothouse.domain.time_units import to_us
from pilothouse.operations.authorisation import reading
from pilothouse.operations.monitoring.baselines import spec_in_force
from pilothouse.operations.monitoring.stream_figures import StreamFigures, performance_in, stream_figures
from pilothouse.operations.promotion.promotions import waiting_for
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import alerts as alert_store
from pilothouse.store import deployments, jobs, models, processes, requests, targets, versions
from pilothouse.store.processes import ServingRecord
from pilothouse.telemetry import readings
from pilothouse.telemetry.readings import DRIFT, PERFORMANCE, TRAFFIC, Reading, finding_of
from pilothouse.telemetry.streams import find_stream

_REPORT_IS_OLD = timedelta(seconds=10)
_HISTORY = 24


@dataclass(frozen=True, slots=True)
class _Records:
    models: Sequence[str]
    specs: dict[str, ModelSpec]
    targets: dict[str, Target]
    live: dict[tuple[str, str], Deployment]
    reports: dict[str, ServingRecord]
    alerts: dict[tuple[str, str], list[Alert]]
    resolved: dict[tuple[str, str], tuple[int, str, datetime, datetime]]
    figures: dict[tuple[str, str], StreamFigures]


def overview(services: Services, actor: Actor) -> list[ModelOverview]:
    """One row a model, the worst health first. Raises NotAllowedError."""
    waiting = waiting_for(services, actor)
    with reading(services, actor) as connection:
        records = _records(services, connection, None)
        rows = [_model_row(services, connection, records, name, waiting) for name in records.models]
    return sorted(rows, key=lambda row: (row.health.rank, row.model))


def target_states(services: Services, actor: Actor, model: str | None = None) -> list[TargetState]:
    """States of all models, or of one, on each of their targets. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        records = _records(services, connection, model)
        return [
            _state(services, records, name, target)
            for name in records.models
            for target in _targets_of(records, name)
        ]


def fleet_health(services: Services, actor: Actor) -> Health:
    """Worst health of any model, from which ``pilothouse status`` takes its exit code. Raises NotAllowedError."""
    parts = [(row.health, row.why, row.model) for row in overview(services, actor)]
    deployed = [part for part in parts if part[0] is not Health.NOT_DEPLOYED]
    return worst_health(deployed or parts)[0]


def _records(services: Services, connection: Connection, model: str | None) -> _Records:
    names = [name for name in models.names(connection) if model in (None, name)]
    specs = {name: spec_in_force(connection, name) for name in names}
    open_alerts: dict[tuple[str, str], list[Alert]] = {}
    for alert in alert_store.listed(connection, unresolved=True, model=model, limit=10_000):
        open_alerts.setdefault((alert.model, alert.target), []).append(alert)
    live = {(d.model, d.target): d for d in deployments.live(connection, model=model)}
    return _Records(
        names,
        {name: spec for name, spec in specs.items() if spec is not None},
        {target.name: target for target in targets.all_targets(connection)},
        live,
        processes.reports(connection),
        open_alerts,
        alert_store.newest_resolved(connection, model),
        _figures(services, live),
    )


def _targets_of(records: _Records, model: str) -> list[str]:
    """Targets that the model file names, then targets where a version is live though the file no longer names them."""
    named = [target.name for target in records.specs[model].targets] if model in records.specs else []
    return named + [target for (name, target) in records.live if name == model and target not in named]


def _figures(
    services: Services, live: dict[tuple[str, str], Deployment]
) -> dict[tuple[str, str], StreamFigures]:
    """Stored figures of each live version; empty before the first event of the workspace."""
    if not services.paths.telemetry.exists():
        return {}
    figures = {}
    with services.telemetry.read() as connection:
        for (model, target), deployment in live.items():
            stream = find_stream(connection, model, deployment.version, target)
            if stream is not None:
                figures[model, target] = stream_figures(connection, stream)
    return figures


def _state(services: Services, records: _Records, model: str, name: str) -> TargetState:
    target = records.targets.get(name) or Target(name, "", "", "")
    deployment = records.live.get((model, name))
    stream = records.figures.get((model, name)) or StreamFigures()
    record = records.reports.get(name)
    serving = (
        ServingState.NOT_RECORDED
        if services.at
        else _serving(record, services.now(), model, deployment, stream)
    )
    error = record.report.failed[model] if record and serving is ServingState.FAILED else ""
    alerts = records.alerts.get((model, name), [])
    silence = records.specs[model].monitoring.silence if model in records.specs else 0
    health, why = health_of_target(
        deployed=deployment is not None,
        serving_fault=_fault(serving, error),
        stale_for=_stale_for(services.now(), stream, deployment, silence),
        severities=[alert.severity for alert in alerts if alert.kind != "silence"],  # silence shows as stale
        alerts=sum(alert.kind != "silence" for alert in alerts),
        windows=stream.judged,
        beyond=list(_beyond(stream)),
        resolved=_resolved(records.resolved.get((model, name)), deployment),
    )
    return TargetState(
        model=model,
        target=name,
        region=target.region,
        product=target.product,
        business_unit=target.business_unit,
        deployment=deployment,
        serving=serving,
        serving_error=error,
        serving_version=record.report.loaded.get(model) if record else None,
        health=health,
        why=_why(why, alerts) if health is not Health.STALE else why,
        port=record.report.port if record else None,
        performance=stream.performance,
        drifted=stream.drifted,
        features=stream.features,
        p95_ms=stream.p95_ms,
        rows_last_window=stream.rows_last_window,
        open_alerts=len(alerts),
        event_clock=stream.event_clock,
    )


def _beyond(stream: StreamFigures) -> Iterator[str]:
    if stream.performance is not None and stream.performance.finding.significant:
        yield f"{stream.performance.finding.metric} worse than its reference"
    if stream.drifted:
        yield f"{stream.drifted} of {stream.features} features drifted"


def _resolved(resolution: tuple[int, str, datetime, datetime] | None, deployment: Deployment | None) -> str:
    """``alert 9 was resolved by petra on 2026-11-26``; empty for an alert older than the live deployment."""
    if resolution is None or deployment is None or resolution[3] < deployment.effective_at:
        return ""
    number, by, resolved, _ = resolution
    return f"alert {number} was resolved{f' by {by}' if by else ''} on {resolved:%Y-%m-%d}"


def _why(why: str, alerts: Sequence[Alert]) -> str:
    """Summary of the worst alert in place of the reason, where there are alerts."""
    if not alerts:
        return why
    worst = min(alerts, key=lambda alert: (alert.severity != "critical", alert.id))
    return worst.summary + (f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else "")


def _serving(
    record: ServingRecord | None,
    now: datetime,
    model: str,
    deployment: Deployment | None,
    stream: StreamFigures,
) -> ServingState:
    if record is None:
        return ServingState.REMOTE if stream.event_clock is not None else ServingState.DOWN
    if now - record.received_at > _REPORT_IS_OLD:
        return ServingState.DOWN
    if model in record.report.failed:
        return ServingState.FAILED
    if deployment is not None and record.report.loaded.get(model) != deployment.version:
        return ServingState.LOADING
    return ServingState.ANSWERING


def _fault(serving: ServingState, error: str) -> str:
    if serving is ServingState.DOWN:
        return "its serving process does not report"
    return f"failed: {error}" if serving is ServingState.FAILED else ""


def _stale_for(now: datetime, stream: StreamFigures, deployment: Deployment | None, silence: int) -> str:
    """Time since the last arrival of live traffic, where it is too long; else empty."""
    if deployment is None or stream.event_clock is None or stream.arrived_at is None:
        return ""
    flow = Flow(to_us(stream.event_clock), to_us(stream.arrived_at), to_us(deployment.recorded_at))
    quiet = silent_for(flow, to_us(now), silence)
    if quiet is None:
        return ""
    hours, seconds = divmod(quiet, 3_600)
    return f"{hours} h {seconds // 60} min" if hours else f"{seconds // 60} min"


def _model_row(
    services: Services,
    connection: Connection,
    records: _Records,
    model: str,
    waiting: Sequence[PromotionRequest],
) -> ModelOverview:
    states = tuple(_state(services, records, model, target) for target in _targets_of(records, model))
    deployed = [s for s in states if s.deployment is not None]
    health, why = worst_health(
        (s.health, s.why, "" if s.is_unremarkable else s.target) for s in deployed or states
    )
    in_force = models.find(connection, model)
    latest = versions.next_number(connection, in_force.id) - 1 if in_force else 0
    spec = records.specs[model]
    measured = [s.performance for s in deployed if s.performance is not None]
    p95s = [s.p95_ms for s in deployed if s.p95_ms is not None]
    return ModelOverview(
        model=model,
        task=spec.task,
        metric=spec.primary_metric,
        champion=in_force.aliases.get("champion") if in_force else None,
        latest=latest or None,
        health=health,
        why=why,
        targets=states,
        performance=_mean(measured, lambda p: p.measured),
        reference=_mean(measured, lambda p: p.expected),
        drifted=max((s.drifted for s in deployed), default=0),
        features=max((s.features for s in deployed), default=0),
        p95_ms=max(p95s, default=None),
        open_alerts=sum(s.open_alerts for s in states),
        unfinished_jobs=jobs.count_unfinished(connection, model),
        open_requests=requests.count_open(connection, model),
        waiting_for_me=sum(request.model == model for request in waiting),
        holds=len(deployments.holds(connection, model)),
        history=_history(services, deployed),
        drift_history=_worst(
            services, deployed, DRIFT, lambda stored: float(readings.count_significant(stored))
        ),
        p95_history=_worst(
            services, deployed, TRAFFIC, lambda stored: finding_of(stored, TrafficFinding).p95_ms
        ),
    )


def _mean(
    measured: Sequence[WindowFinding[PerformanceFinding]],
    metric: Callable[[PerformanceFinding], MetricValue],
) -> float | None:
    """Mean over targets, weighted by rows."""
    rows = sum(p.window.rows for p in measured)
    return math.fsum(metric(p.finding).value * p.window.rows for p in measured) / rows if rows else None


def _history(services: Services, states: Sequence[TargetState]) -> tuple[float, ...]:
    by_end: dict[datetime, list[WindowFinding[PerformanceFinding]]] = {}
    for stored in _last_windows(services, states, PERFORMANCE):
        finding = performance_in(stored)
        if finding is not None:
            by_end.setdefault(finding.window.end, []).append(finding)
    means = [_mean(by_end[end], lambda p: p.measured) for end in sorted(by_end)[-_HISTORY:]]
    return tuple(value for value in means if value is not None)


def _worst(
    services: Services, states: Sequence[TargetState], monitor: str, value: Callable[[Reading], float | None]
) -> tuple[float, ...]:
    """Highest value of any target in each of the last windows."""
    by_end: dict[int, float] = {}
    for stored in _last_windows(services, states, monitor):
        figure = value(stored)
        if figure is not None:
            by_end[stored.end_us] = max(figure, by_end.get(stored.end_us, figure))
    return tuple(by_end[end] for end in sorted(by_end)[-_HISTORY:])


def _last_windows(services: Services, states: Sequence[TargetState], monitor: str) -> Iterator[Reading]:
    if not states or not services.paths.telemetry.exists():
        return
    with services.telemetry.read() as connection:
        for state in states:
            yield from readings.history_of_target(
                connection, state.model, state.target, monitor, limit=_HISTORY
            )
