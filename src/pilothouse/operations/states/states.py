"""States of deployments, written in the transaction of what changes them and read by every screen and command.

A state follows from facts on record alone: deployments, alerts, serving reports, and the readings of closed windows. So it
can be written at any time from any process, twice as well as once, and the doctor can compare it.
"""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.monitoring.deployment_state import (
    Facts,
    Figures,
    TrendPoint,
    grounds_of,
    is_of_then,
    reason,
    worst,
)
from pilothouse.domain.monitoring.monitoring import Health, ServingState
from pilothouse.domain.records import Alert
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.operations.states.form import FORM, FORM_SETTING
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.deployed import deployment_states as store
from pilothouse.store.deployed.deployment_states import Basis, DeploymentState, Key, ModelState, Part
from pilothouse.store.models import models

_CHUNK = 1_000
"""Deployments that are looked at together."""


def refresh(services: Services, connection: Connection, keys: Iterable[Key], *, windows: bool = True) -> None:
    """Bring the states of deployments, and of their models, up to date in the caller's transaction.

    ``windows``: closed windows may have changed, or the live version; else the figures on record are used again.
    """
    for model in sorted(_refreshed(services, connection, keys, windows=windows)):
        store.put_model(connection, model_state(model, store.parts(connection, model)))


def refresh_targets(services: Services, connection: Connection, targets: Iterable[str]) -> None:
    """Bring the states on targets up to date, after it has changed how these are served."""
    keys = [(model, target) for target in targets for model in store.models_on(connection, target)]
    refresh(services, connection, keys, windows=False)


def refresh_model(services: Services, connection: Connection, model: str) -> None:
    """Bring the states of a model on all its targets up to date, after its file or its deployments changed."""
    _refreshed(services, connection, store.keys_of_model(connection, model), windows=True)
    store.put_model(connection, model_state(model, store.parts(connection, model)))


def _refreshed(services: Services, connection: Connection, keys: Iterable[Key], *, windows: bool) -> set[str]:
    """Bring the states of deployments up to date; the models of those that changed."""
    wanted = list(dict.fromkeys(keys))
    changed: set[str] = set()
    for first in range(0, len(wanted), _CHUNK):
        chunk = wanted[first : first + _CHUNK]
        if store.add(connection, chunk, _first_state(services, connection)):
            changed.update(model for model, _ in chunk)
        for basis, state in _computed(services, connection, chunk, windows=windows):
            if state is None:
                store.drop(connection, basis.id)
                changed.add(basis.model)
            elif store.put(connection, state):
                changed.add(basis.model)
    return changed


def _first_state(services: Services, connection: Connection) -> DeploymentState:
    """The state of a deployment before anything is live there and before any process has reported: most of a new model's
    states are added as they stay, and an index entry is written once."""
    basis = Basis(
        id=0, model="", target="", is_named=True, is_elsewhere=False, deployment=None, version=None, effective_at=None,
        was_live=False, reported_at=None, is_silent=False, is_unheard=False, cause="", end="",
        loaded={}, failed={}, failed_since={}, figures=Figures(),
    )  # fmt: skip
    state = _state(services, connection, basis, [], Figures())
    assert state is not None
    return state


def rebuild(services: Services, connection: Connection) -> None:
    """Write all states anew."""
    store.fill(connection, ((), ()))
    for model in models.names(connection):
        refresh_model(services, connection, model)


def differing(services: Services, at_most: int | None = None) -> list[Key]:
    """Deployments whose state on record is not what follows from the facts. ``at_most``: deployments that are looked at,
    of models drawn at random. The time of the newest event is not compared: it moves with every event, and a state is not
    written for that."""
    different: list[Key] = []
    looked_at = 0
    with services.registry.read() as connection:
        names = models.names(connection)
        if at_most is not None:
            random.shuffle(names)  # another part each time
        for model in names:
            if at_most is not None and looked_at >= at_most:
                break
            keys = store.keys_of_model(connection, model)
            looked_at += len(keys)
            try:
                different += _differing(services, connection, model, keys)
            except store.UNREADABLE:
                different.append((model, "all targets"))
    return different


def _differing(services: Services, connection: Connection, model: str, keys: Sequence[Key]) -> list[Key]:
    different = [
        (basis.model, basis.target)
        for basis, state in _computed(services, connection, keys, windows=True)
        if not (store.is_on_record(connection, state) if state else not basis.id)
    ]
    expected = model_state(model, store.parts(connection, model))
    if store.model_on_record(connection, model) != store.stored(expected):
        different.append((model, "all targets"))
    return different


def bring_up_to_date(services: Services) -> None:
    """Write all states anew where another release, or none, has written them."""
    with services.registry.transaction() as connection:
        if workspace.setting(connection, FORM_SETTING) == FORM:
            return  # another process was faster
        rebuild(services, connection)
        workspace.set_setting(connection, FORM_SETTING, FORM)


def _computed(
    services: Services, connection: Connection, keys: Sequence[Key], *, windows: bool
) -> list[tuple[Basis, DeploymentState | None]]:
    """State of each deployment as it follows from the facts; None where it is a deployment no more."""
    bases = store.bases(connection, keys)
    alerts = alert_store.unresolved_of_live(connection, [basis.id for basis in bases])
    figures = _figures(services, connection, bases) if windows else {}
    return [
        (basis, _state(services, connection, basis, alerts.get(basis.id, []), figures.get(basis.id)))
        for basis in bases
    ]


def _figures(services: Services, connection: Connection, bases: Sequence[Basis]) -> dict[int, Figures]:
    if not any(basis.version is not None for basis in bases) or not services.paths.telemetry.exists():
        return {basis.id: Figures() for basis in bases}
    from pilothouse.operations.states.figures import figures_of  # numpy, and telemetry's file

    figures = {}
    with services.telemetry.read() as telemetry:
        for basis in bases:
            spec = spec_in_force(connection, basis.model)
            figures[basis.id] = (
                figures_of(telemetry, basis.model, basis.version, basis.target, spec)
                if basis.version is not None and spec is not None
                else Figures()
            )
    return figures


def _state(
    services: Services,
    connection: Connection,
    basis: Basis,
    alerts: Sequence[Alert],
    figures: Figures | None,
) -> DeploymentState | None:
    if basis.version is None and not basis.is_named:
        return None
    newest = basis.figures if figures is None else figures
    serving = _serving(services, basis, newest)
    grounds = grounds_of(
        Facts(
            version=basis.version,
            since=basis.effective_at,
            was_live=basis.was_live,
            serving=serving,
            answering=basis.loaded.get(basis.model),
            reported_at=basis.reported_at,
            cause=basis.cause,
            end=basis.end,
            failed_at=from_us(basis.failed_since.get(basis.model)),
            fault=basis.failed.get(basis.model, ""),
            alerts=alerts,
            silent=_silent(connection, basis, newest) if newest.events else "",
            resolved=_resolved(connection, basis, newest),
            figures=newest,
        )
    )
    return DeploymentState(
        id=basis.id,
        deployment=basis.deployment,
        version=basis.version,
        health=grounds[0].health,
        why=reason(grounds),
        since=grounds[0].at,
        serving=serving,
        alerts=len(alerts),
        figures=newest,
        grounds=grounds,
    )


def _serving(services: Services, basis: Basis, figures: Figures) -> ServingState:
    if services.at:
        return ServingState.NOT_RECORDED
    if basis.is_elsewhere:
        return ServingState.REMOTE
    if basis.reported_at is None:
        return ServingState.REMOTE if figures.events else ServingState.NOT_REPORTED
    if basis.is_silent:
        return ServingState.DOWN
    if basis.is_unheard:
        return ServingState.NOT_HEARD
    if basis.model in basis.failed:
        return ServingState.FAILED
    if basis.version is not None and basis.loaded.get(basis.model) != basis.version:
        return ServingState.LOADING
    return ServingState.ANSWERING


def _silent(connection: Connection, basis: Basis, figures: Figures) -> str:
    """The alert about the silence that goes on, where a person has resolved it."""
    alert = alert_store.newest_resolved(connection, basis.id, "silence")
    if alert is None or figures.last_event is None or alert.effective_at < figures.last_event:
        return ""
    return _by_person(alert, figures)


def _resolved(connection: Connection, basis: Basis, figures: Figures) -> dict[str, str]:
    """The newest alert of each kind that something beyond its reference is of, where a person has resolved it."""
    kinds = [kind for v in figures.verdicts if v.beyond and v.suspicion is None for kind in v.alert_kinds]
    by_kind = {}
    for kind in kinds:
        alert = alert_store.newest_resolved(connection, basis.id, kind)
        if alert is None or (basis.effective_at is not None and alert.effective_at < basis.effective_at):
            continue
        if text := _by_person(alert, figures):
            by_kind[kind] = text
    return by_kind


def _by_person(resolved: Alert, figures: Figures) -> str:
    """``alert 9 was resolved by petra on 2026-11-26``; empty where it was not a person."""
    if resolved.handled_by in ("", DAEMON.name):
        return ""
    assert resolved.resolved_at is not None
    on = figures.when(resolved.resolved_at)
    return f"alert {resolved.id} was resolved by {resolved.handled_by} on {on}"


def record_of(
    services: Services, connection: Connection, model: str, version: int, target: str
) -> tuple[Health, str]:
    """Health and reason of a version on a target by its windows there, whether it is live or not."""
    spec = spec_in_force(connection, model)
    if spec is None or not services.paths.telemetry.exists():
        return Health.NO_DATA, f"no prediction of v{version} has come"
    from pilothouse.operations.states.figures import figures_of  # as above

    with services.telemetry.read() as telemetry:
        figures = figures_of(telemetry, model, version, target, spec)
    grounds = grounds_of(Facts(version=version, figures=figures))
    return grounds[0].health, reason(grounds)


def model_state(model: str, parts: Sequence[Part]) -> ModelState:
    """State of a model from its deployments: the worst of them, with figures over all."""
    deployed = [part for part in parts if part.is_deployed]
    counted = deployed or list(parts)
    health, why = worst((part.health, part.why, part.target) for part in counted)
    return ModelState(
        model=model,
        health=health,
        why=why,
        counts={str(h): n for h in Health if (n := sum(part.health is h for part in parts))},
        figures=_over(deployed),
        alerts=sum(part.alerts for part in parts),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    value: float
    reference: float | None
    rows: int
    end: datetime


def _over(deployed: Sequence[Part]) -> dict[str, Any]:
    """Figures over all deployments. What was measured before a version went live again counts only where there is
    nothing newer."""
    now = [part for part in deployed if not is_of_then(part.figures.performance_window, part.effective_at)]
    measured = _measured(now)
    of_then = not measured and bool(_measured(deployed))
    measured = measured or _measured(deployed)
    rows = sum(m.rows for m in measured)
    reference = [m for m in measured if m.reference is not None]
    current = [p for p in deployed if not is_of_then(p.figures.drift_window, p.effective_at)] or list(
        deployed
    )
    timed = [p for p in deployed if not is_of_then(p.figures.traffic_window, p.effective_at)] or list(
        deployed
    )
    p95s = [p.figures.p95_ms for p in timed if p.figures.p95_ms is not None]
    return {
        "performance": math.fsum(m.value * m.rows for m in measured) / rows if rows else None,
        "reference": math.fsum((m.reference or 0.0) * m.rows for m in reference)
        / sum(m.rows for m in reference)
        if reference
        else None,
        "performance_at": min(
            (m.end for m in measured), default=None
        ),  # not newer than any part of the figure
        "of_then": of_then,
        "drifted": max((p.figures.drifted for p in current), default=0),
        "features": max((p.figures.features for p in current), default=0),
        "p95_ms": max(p95s, default=None),
        "history": _merged([p.figures.trend for p in deployed], _weighted),
        "drift_history": _merged([p.figures.drift_trend for p in deployed], _highest),
        "p95_history": _merged([p.figures.p95_trend for p in deployed], _highest),
    }


def _measured(parts: Sequence[Part]) -> list[_Measured]:
    measured = []
    for part in parts:
        finding, window = part.figures.performance, part.figures.performance_window
        if finding is not None and finding.value is not None and window is not None and window.rows:
            measured.append(_Measured(finding.value, finding.reference, window.rows, window.end))
    return measured


def _merged(trends: Sequence[Sequence[TrendPoint]], merge: Any) -> list[float]:
    by_end: dict[float, list[TrendPoint]] = {}
    for trend in trends:
        for point in trend:
            by_end.setdefault(point.end, []).append(point)
    return [merge(by_end[end]) for end in sorted(by_end)[-_LONGEST_TREND:]]


_LONGEST_TREND = 8


def _weighted(points: Sequence[TrendPoint]) -> float:
    rows = sum(point.rows for point in points)
    return math.fsum(p.value * p.rows for p in points) / rows if rows else points[0].value


def _highest(points: Sequence[TrendPoint]) -> float:
    return max(point.value for point in points)
