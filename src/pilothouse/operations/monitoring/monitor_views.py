"""Views of the monitor for one model on one target, from stored readings."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.deployment_state import state_as_known
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    EstimateFinding,
    Finding,
    MultivariateFinding,
    PerformanceFinding,
    TrafficFinding,
    Window,
    WindowFinding,
)
from pilothouse.domain.monitoring.monitoring import MonitorView, RevisedWindow, Suspicion, TimelineMark
from pilothouse.domain.records import Alert, Deployment
from pilothouse.operations.authorisation import reading
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring.baselines import baseline_p95_ms, reference_performance
from pilothouse.operations.services import Services
from pilothouse.operations.states.figures import suspicion_of
from pilothouse.operations.states.watching import unwatched
from pilothouse.sqlite import Connection
from pilothouse.statistics.performance.performance_verdicts import Loss, loss_of
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.deployed import deployments, fleet
from pilothouse.telemetry.intake.streams import list_streams, read_clock
from pilothouse.telemetry.windows import readings, revisions
from pilothouse.telemetry.windows.readings import (
    DRIFT,
    ESTIMATE,
    MULTIVARIATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    RetrainingNote,
    finding_of,
    findings_of,
)

F = TypeVar("F", bound=Finding)

_MONITORS = (PERFORMANCE, ESTIMATE, DRIFT, QUALITY, TRAFFIC)
_WINDOWS = 400
"""Windows of each monitor that are shown at most: more columns than any terminal has."""


def monitor_view(
    services: Services, actor: Actor, model: str, target: str, *, version: int | None = None
) -> MonitorView:
    """Readings, marks and alerts of a model on a target: of all versions in turn, or of one where it is named.

    Raises NotFoundError (no such model, or not on that target) or NotAllowedError.
    """
    with reading(services, actor) as connection:
        spec = spec_in_force(connection, model)
        history = deployments.history(connection, model=model, target=target)
        if spec is None:
            raise NotFoundError(f"there is no model {model!r}: list them with pilothouse models")
        if not history and target not in {t.name for t in spec.targets}:
            known = ", ".join(t.name for t in spec.targets)
            raise NotFoundError(f"{model} has no target {target!r}: its model file names {known}")
        alerts = alert_store.listed(connection, model=model, target=target, limit=200)
        live = next((d.version for d in history if d.ended_at is None), None)
        shown = version if version is not None else live
        base = baseline_p95_ms(connection, model, shown, target) if shown is not None else None
        state = fleet.state_of(connection, model, target) if shown == live else None
        state = state and state_as_known(state, watched=not unwatched(services, connection))
    empty = MonitorView(
        model,
        target,
        shown,
        spec.primary_metric,
        reference_performance(services, model, shown, target) if shown is not None else None,
        base,
        marks=_marks(history, alerts, []),
        alerts=tuple(alerts),
        state=state,
        minimum_rows=spec.monitoring.minimum_rows,
    )
    with services.reading_telemetry() as telemetry:
        return empty if telemetry is None else _filled(telemetry, empty, version, history, spec)


def _filled(
    connection: Connection,
    view: MonitorView,
    version: int | None,
    history: list[Deployment],
    spec: ModelSpec,
) -> MonitorView:
    streams = [s for s in list_streams(connection, view.model, view.target) if version in (None, s.version)]
    versions = {stream.id: stream.version for stream in streams}

    def load(monitor: str, kind: type[F]) -> list[WindowFinding[F]]:
        findings: list[WindowFinding[F]] = []
        for stored in readings.history_of_target(
            connection, view.model, view.target, monitor, version=version, limit=_WINDOWS
        ):
            window, number = stored.window, versions.get(stored.stream_id)
            of_window = findings_of(stored, kind) if monitor == DRIFT else [finding_of(stored, kind)]
            if _is_empty_of_another(window, of_window, number, history):
                continue
            findings += [WindowFinding(window=window, finding=f, version=number) for f in of_window]
        return findings

    clock = read_clock(connection, view.model, view.target)
    drift = _by_feature(view, load(DRIFT, DriftFinding))
    notes = [n for n in readings.retraining_notes(connection, view.model) if n.target == view.target]
    measured = load(PERFORMANCE, PerformanceFinding)
    performance = tuple(f for f in measured if f.finding.value is not None)
    suspected = list(_suspected(measured, spec))
    last = view.newest(performance)
    suspicion = next((suspicion for part, suspicion in suspected if part is last), None)
    if suspicion is not None and last is not None and view.is_of_then(last):
        suspicion = replace(suspicion, next_at=None)
    return replace(
        view,
        performance=performance,
        suspected=tuple(part for part, _ in suspected),
        suspicion=suspicion,
        undefined=tuple(f for f in measured if f.finding.value is None and f.finding.why),
        estimated=tuple(f for f in load(ESTIMATE, EstimateFinding) if f.finding.value is not None),
        multivariate=tuple(load(MULTIVARIATE, MultivariateFinding)),
        drift=drift,
        traffic=tuple(load(TRAFFIC, TrafficFinding)),
        marks=_marks(history, list(view.alerts), notes),
        event_clock=from_us(clock.event_us) if clock else None,
        labels_joined=sum(s.labelled for s in streams),
        events=sum(s.rows for s in streams),
        revised=tuple(
            _revised(stream.version, revision)
            for stream in streams
            for revision in revisions.earlier(connection, stream.id, _MONITORS, _WINDOWS)
        ),
    )


def _revised(version: int, revision: revisions.Revision) -> RevisedWindow:
    before, after = revision.before, revision.after
    return RevisedWindow(
        after.monitor,
        version,
        before.window,
        after.window,
        _figure(before),
        _figure(after),
        before.significant,
        after.significant,
        revision.recorded_at,
        revision.revised_at,
    )


def _figure(stored: readings.Reading) -> float | None:
    if stored.monitor == PERFORMANCE:
        return finding_of(stored, PerformanceFinding).value
    return finding_of(stored, EstimateFinding).value if stored.monitor == ESTIMATE else None


def _is_empty_of_another(
    window: Window, findings: Sequence[Finding], version: int | None, history: Sequence[Deployment]
) -> bool:
    """True for a window in which nothing was asked of a version that was not live in any part of it. It says nothing: the
    windows of a version go on being closed after another has taken its place."""
    asked = window.rows + sum(f.requests + f.errors for f in findings if isinstance(f, TrafficFinding))
    return not asked and not any(
        deployment.version == version
        and deployment.effective_at < window.end
        and (deployment.ended_effective_at or window.end) > window.start
        for deployment in history
    )


def _suspected(
    measured: Sequence[WindowFinding[PerformanceFinding]], spec: ModelSpec
) -> Iterator[tuple[WindowFinding[PerformanceFinding], Suspicion]]:
    """Findings of the windows whose loss is suspected, with what each waits or waited for: the rule of the state."""
    newest = {part.version: part.window.end for part in measured}
    judged: dict[int | None, list[bool]] = {}
    for part in measured:
        finding, window = part.finding, part.window
        if window.judged:
            significant = judged.setdefault(part.version, [])
            significant.append(finding.significant)
            last = significant[-spec.monitoring.of :]
            if loss_of(finding, last, spec.monitoring) is Loss.SUSPECTED:
                is_newest = window.end == newest[part.version]
                yield part, suspicion_of(finding, window, last, spec, is_newest=is_newest)


def _by_feature(
    view: MonitorView, findings: list[WindowFinding[DriftFinding]]
) -> dict[str, tuple[WindowFinding[DriftFinding], ...]]:
    """Each feature's findings, oldest first; the feature that is farthest beyond its threshold now comes first: those of the
    version shown before those that it does not have."""
    groups: dict[str, list[WindowFinding[DriftFinding]]] = {}
    for finding in findings:
        groups.setdefault(finding.finding.feature, []).append(finding)

    def excess(feature: str) -> tuple[bool, bool, float]:
        newest = view.newest(groups[feature])
        assert newest is not None  # no group is empty
        is_other = newest.version != view.version
        return is_other, not newest.finding.significant, -newest.finding.times_threshold

    return {feature: tuple(groups[feature]) for feature in sorted(groups, key=excess)}


def _marks(
    history: list[Deployment], alerts: list[Alert], notes: list[RetrainingNote]
) -> tuple[TimelineMark, ...]:
    """Deployments, alerts and retrainings on the axis of event time."""
    marks: list[tuple[datetime, str, str]] = [
        (d.effective_at, "rollback" if d.kind == "rollback" else "deployment", f"v{d.version}")
        for d in history
    ]
    marks += [(alert.effective_at, "alert", alert.kind) for alert in alerts]
    started = {note.job: note for note in reversed(notes) if note.job is not None}
    marks += [(from_us(note.clock_us), "retraining", f"job {job}") for job, note in started.items()]
    return tuple(TimelineMark(*mark) for mark in sorted(marks, key=lambda mark: mark[0]))


def comparable(services: Services, actor: Actor, model: str, target: str) -> tuple[str, ...]:
    """The names that can stand beside a model on a target: its other targets, then versions (``v1``) that ran on this one
    before, newest first. Raises NotFoundError or NotAllowedError."""
    targets, before = _comparable(services, actor, model, target)
    return (*targets, *(f"v{number}" for number in before))


def side_by_side(
    services: Services, actor: Actor, model: str, target: str, beside: str
) -> tuple[MonitorView, MonitorView]:
    """A model on a target, and one of ``comparable`` to stand beside it. Beside an earlier version stands the live one alone.

    Raises NotFoundError (nothing of that name can stand beside it) or NotAllowedError.
    """
    targets, before = _comparable(services, actor, model, target)
    view = monitor_view(services, actor, model, target)
    if beside in targets:
        return view, monitor_view(services, actor, model, beside)
    number = int(beside[1:]) if beside[:1] == "v" and beside[1:].isdecimal() else None
    if number not in before:
        known = (
            ", ".join((*targets, *(f"v{n}" for n in before)))
            or "nothing: it runs nowhere else and is the first"
        )
        raise NotFoundError(f"{beside!r} cannot stand beside {model} on {target}; there is {known}")
    if view.version is not None:
        view = monitor_view(services, actor, model, target, version=view.version)
    return view, monitor_view(services, actor, model, target, version=number)


def _comparable(
    services: Services, actor: Actor, model: str, target: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    with reading(services, actor) as connection:
        spec = spec_in_force(connection, model)
        if spec is None:
            raise NotFoundError(f"there is no model {model!r}: list them with pilothouse models")
        history = deployments.history(connection, model=model, target=target)
    live = next((d.version for d in history if d.ended_at is None), None)
    before = dict.fromkeys(d.version for d in history if d.version != live)
    return tuple(t.name for t in spec.targets if t.name != target), tuple(before)
