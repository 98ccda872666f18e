"""How everything is: the overview, targets, the fleet. Cheap reads of what is stored; nothing is computed anew."""

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
from pilothouse.operations.monitoring.monitor_views import monitor_view
from pilothouse.operations.monitoring.stream_figures import (
    StreamFigures,
    performance_in,
    stream_figures,
)
from pilothouse.operations.promotion.promotions import waiting_for
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import alerts as alert_store
from pilothouse.store import deployments, jobs, models, processes, requests, targets, versions
from pilothouse.store.processes import ServingRecord
from pilothouse.telemetry import readings
from pilothouse.telemetry.readings import DRIFT, PERFORMANCE, TRAFFIC, Reading, finding_of
from pilothouse.telemetry.streams import find_stream

__all__ = ["fleet_health", "monitor_view", "overview", "target_states"]

_REPORT_IS_OLD = timedelta(seconds=10)
_HISTORY = 24


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the registry says of all models, read once."""

    models: Sequence[str]
    specs: dict[str, ModelSpec]
    targets: dict[str, Target]
    live: dict[tuple[str, str], Deployment]
    reports: dict[str, ServingRecord]
    alerts: dict[tuple[str, str], list[Alert]]
    resolved: dict[tuple[str, str], tuple[int, str, datetime, datetime]]


def overview(services: Services, actor: Actor) -> list[ModelOverview]:
    """One row a model, the sickest first. Raises NotAllowedError."""
    asked = waiting_for(services, actor)
    with reading(services, actor) as connection:
        scene = _scene(connection, None)
        figures = _figures(services, scene)
        found = [_model_row(services, connection, scene, figures, name, asked) for name in scene.models]
    return sorted(found, key=lambda row: (row.health.rank, row.model))


def target_states(services: Services, actor: Actor, model: str | None = None) -> list[TargetState]:
    """Each model on each of its targets (of one model where it is named). Raises NotAllowedError."""
    with reading(services, actor) as connection:
        scene = _scene(connection, model)
        figures = _figures(services, scene)
        return [
            _state(services, scene, figures, name, target)
            for name in scene.models
            for target in _targets_of(scene, name)
        ]


def fleet_health(services: Services, actor: Actor) -> Health:
    """The worst health of any model: what ``pilothouse status`` exits with. Raises NotAllowedError."""
    parts = [(row.health, row.why, row.model) for row in overview(services, actor)]
    deployed = [part for part in parts if part[0] is not Health.NOT_DEPLOYED]
    return worst_health(deployed or parts)[0]


def _scene(connection: Connection, model: str | None) -> _Scene:
    names = [name for name in models.names(connection) if model in (None, name)]
    specs = {name: spec_in_force(connection, name) for name in names}
    open_alerts: dict[tuple[str, str], list[Alert]] = {}
    for alert in alert_store.listed(connection, unresolved=True, model=model, limit=10_000):
        open_alerts.setdefault((alert.model, alert.target), []).append(alert)
    return _Scene(
        names,
        {name: spec for name, spec in specs.items() if spec is not None},
        {target.name: target for target in targets.all_targets(connection)},
        {(d.model, d.target): d for d in deployments.live(connection, model=model)},
        processes.reports(connection),
        open_alerts,
        alert_store.newest_resolved(connection, model),
    )


def _targets_of(scene: _Scene, model: str) -> list[str]:
    """The targets that the model file names, then those where a version is live though it names them no longer."""
    named = [target.name for target in scene.specs[model].targets] if model in scene.specs else []
    return named + [target for (name, target) in scene.live if name == model and target not in named]


_Figures = dict[tuple[str, str], StreamFigures]


def _figures(services: Services, scene: _Scene) -> _Figures:
    """The stored figures of each live version; empty before the first event of the workspace."""
    if not services.paths.telemetry.exists():
        return {}
    found = {}
    with services.telemetry.read() as connection:
        for (model, target), deployment in scene.live.items():
            stream = find_stream(connection, model, deployment.version, target)
            if stream is not None:
                found[model, target] = stream_figures(connection, stream)
    return found


def _state(services: Services, scene: _Scene, figures: _Figures, model: str, name: str) -> TargetState:
    target = scene.targets.get(name) or Target(name, "", "", "")
    deployment = scene.live.get((model, name))
    own = figures.get((model, name)) or StreamFigures()
    record = scene.reports.get(name)
    serving = (
        ServingState.NOT_RECORDED if services.at else _serving(record, services.now(), model, deployment, own)
    )
    error = record.report.failed[model] if record and serving is ServingState.FAILED else ""
    alerts = scene.alerts.get((model, name), [])
    silence = scene.specs[model].monitoring.silence if model in scene.specs else 0
    health, why = health_of_target(
        deployed=deployment is not None,
        serving_fault=_fault(serving, error),
        stale_for=_stale_for(services.now(), own, deployment, silence),
        severities=[alert.severity for alert in alerts if alert.kind != "silence"],  # that is stale
        alerts=sum(alert.kind != "silence" for alert in alerts),
        windows=own.judged,
        beyond=list(_beyond(own)),
        resolved=_resolved(scene.resolved.get((model, name)), deployment),
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
        performance=own.performance,
        drifted=own.drifted,
        features=own.features,
        p95_ms=own.p95_ms,
        rows_last_window=own.rows_last_window,
        open_alerts=len(alerts),
        event_clock=own.event_clock,
    )


def _beyond(own: StreamFigures) -> Iterator[str]:
    if own.performance is not None and own.performance.finding.significant:
        yield f"{own.performance.finding.metric} worse than its reference"
    if own.drifted:
        yield f"{own.drifted} of {own.features} features drifted"


def _resolved(found: tuple[int, str, datetime, datetime] | None, deployment: Deployment | None) -> str:
    """``alert 9 was resolved by petra on 2026-11-26``: of the deployment that is live, else nothing."""
    if found is None or deployment is None or found[3] < deployment.effective_at:
        return ""
    number, by, resolved, _ = found
    return f"alert {number} was resolved{f' by {by}' if by else ''} on {resolved:%Y-%m-%d}"


def _why(why: str, alerts: Sequence[Alert]) -> str:
    """An alert says more than that there is one."""
    if not alerts:
        return why
    worst = min(alerts, key=lambda alert: (alert.severity != "critical", alert.id))
    return worst.summary + (f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else "")


def _serving(
    record: ServingRecord | None,
    now: datetime,
    model: str,
    deployment: Deployment | None,
    own: StreamFigures,
) -> ServingState:
    if record is None:
        return ServingState.REMOTE if own.event_clock is not None else ServingState.DOWN
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


def _stale_for(now: datetime, own: StreamFigures, deployment: Deployment | None, silence: int) -> str:
    """How long nothing has arrived, for live traffic; empty where that is not too long."""
    if deployment is None or own.event_clock is None or own.arrived_at is None:
        return ""
    flow = Flow(to_us(own.event_clock), to_us(own.arrived_at), to_us(deployment.recorded_at))
    quiet = silent_for(flow, to_us(now), silence)
    if quiet is None:
        return ""
    hours, rest = divmod(quiet, 3_600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"


def _model_row(
    services: Services,
    connection: Connection,
    scene: _Scene,
    figures: _Figures,
    model: str,
    asked: Sequence[PromotionRequest],
) -> ModelOverview:
    states = tuple(_state(services, scene, figures, model, target) for target in _targets_of(scene, model))
    deployed = [s for s in states if s.deployment is not None]
    health, why = worst_health(
        (s.health, s.why, "" if s.is_unremarkable else s.target) for s in deployed or states
    )
    in_force = models.find(connection, model)
    latest = versions.next_number(connection, in_force.id) - 1 if in_force else 0
    spec = scene.specs[model]
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
        waiting_for_me=sum(request.model == model for request in asked),
        holds=len(deployments.holds(connection, model)),
        history=_history(services, deployed),
        drift_history=_worst(services, deployed, DRIFT, _drifted),
        p95_history=_worst(services, deployed, TRAFFIC, _p95),
    )


def _mean(
    measured: Sequence[WindowFinding[PerformanceFinding]],
    metric: Callable[[PerformanceFinding], MetricValue],
) -> float | None:
    """Over targets, each by its rows."""
    rows = sum(p.window.rows for p in measured)
    return math.fsum(metric(p.finding).value * p.window.rows for p in measured) / rows if rows else None


def _history(services: Services, states: Sequence[TargetState]) -> tuple[float, ...]:
    """The metric of the last windows over all targets, versions one after another."""
    if not states or not services.paths.telemetry.exists():
        return ()
    by_end: dict[datetime, list[WindowFinding[PerformanceFinding]]] = {}
    with services.telemetry.read() as connection:
        for state in states:
            for found in readings.history_of_target(
                connection, state.model, state.target, PERFORMANCE, limit=_HISTORY
            ):
                one = performance_in(found)
                if one is not None:
                    by_end.setdefault(one.window.end, []).append(one)
    means = [_mean(by_end[end], lambda p: p.measured) for end in sorted(by_end)[-_HISTORY:]]
    return tuple(value for value in means if value is not None)


def _worst(
    services: Services, states: Sequence[TargetState], monitor: str, value: Callable[[Reading], float | None]
) -> tuple[float, ...]:
    """The highest figure of any target in each of the last windows."""
    if not states or not services.paths.telemetry.exists():
        return ()
    by_end: dict[int, float] = {}
    with services.telemetry.read() as connection:
        for state in states:
            for one in readings.history_of_target(
                connection, state.model, state.target, monitor, limit=_HISTORY
            ):
                found = value(one)
                if found is not None:
                    by_end[one.end_us] = max(found, by_end.get(one.end_us, found))
    return tuple(by_end[end] for end in sorted(by_end)[-_HISTORY:])


def _drifted(one: Reading) -> float:
    return float(readings.count_significant(one))


def _p95(one: Reading) -> float | None:
    return finding_of(one, TrafficFinding).p95_ms
