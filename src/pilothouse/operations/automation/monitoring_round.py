"""The monitor's round: closing due windows, drawing alerts from their readings, starting the retrainings these ask for.

Each step is keyed and can be cut off anywhere: a reading is written once, and its alerts are drawn until it is marked.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.records import Alert, Deployment
from pilothouse.domain.rollouts.rules import ALERTS_AGAINST
from pilothouse.operations.alerts import alert_revisions, alerting, incident_cost, incident_grouping, silence
from pilothouse.operations.automation import retraining
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import late_windows, window_closing
from pilothouse.operations.monitoring.baselines import baseline_of
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.store.deployed import deployment_states, deployments
from pilothouse.store.models import models
from pilothouse.store.promotion import trials
from pilothouse.telemetry import Stream, TelemetryStore
from pilothouse.telemetry.intake.streams import count_received, get_stream, list_streams
from pilothouse.telemetry.windows import late_days, readings, revisions, worklist
from pilothouse.telemetry.windows.readings import Reading, RetrainingNote
from pilothouse.telemetry.windows.worklist import Moved

_AT_MOST = 200
"""Windows closed in one round at most, so that alerts are drawn during a long catch-up."""
_LOOKED_AT = 2_000
"""Deployments looked at in one round at most."""
_CALIBRATED_AHEAD = 1_000
"""Versions on targets that wait for their calibration at most; others are calibrated with their first window."""


@dataclass(slots=True)
class Round:
    """The changes made by one round."""

    readings: int = 0
    opened: list[Alert] = field(default_factory=list)
    resolved: list[Alert] = field(default_factory=list)
    retrainings: list[RetrainingNote] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Due:
    stream: Stream
    spec: ModelSpec
    monitor: str
    span: Span


@dataclass(slots=True)
class _Known:
    """What this process has put on the worklist so far, and the versions that it will calibrate ahead."""

    spec: int = 0
    deployment: int = 0
    to_calibrate: deque[Deployment] = field(default_factory=lambda: deque(maxlen=_CALIBRATED_AHEAD))


_KNOWN: WeakKeyDictionary[TelemetryStore, _Known] = WeakKeyDictionary()


def evaluate_windows(services: Services) -> Round:
    """Close due windows, oldest first, judge those again of which something came late, and act on them. It costs as much as
    there are deployments whose events, outcomes, model file or live version have changed since the last round.

    An error in one stream stops no other; the first is raised at the end.
    """
    changes = Round()
    faults: list[PilothouseError] = []
    try:
        services.telemetry.fold_windows()
    except PilothouseError as error:
        faults.append(error)
    known = _put_changed(services)
    incident_grouping.group_waiting(services)
    changes.resolved += alerting.resolve_replaced(services)
    silent = silence.watch(services)
    changes.opened += silent.opened
    changes.resolved += silent.resolved
    _act(services, changes, faults)  # on readings from before a restart
    with services.telemetry.read() as telemetry:
        moved = worklist.moved(telemetry, _LOOKED_AT)
    unfinished = _close(services, moved, changes, faults)
    late = late_windows.judge_late(services, partial(alert_revisions.revise, services))
    changes.readings += late.changed
    faults += late.faults
    _act(services, changes, faults)
    _note_first_events(services, moved)
    with services.telemetry.transaction() as telemetry:
        worklist.settle(telemetry, [item for item in moved if (item.model, item.target) not in unfinished])
    _consider_paused(services, changes)
    try:
        incident_cost.judge_changed(services, windows_closed=changes.readings > 0)
    except PilothouseError as error:
        faults.append(error)
    try:
        _calibrate_one(services, known)
    except PilothouseError as error:
        faults.append(error)
    if faults:
        raise faults[0]
    return changes


def _put_changed(services: Services) -> _Known:
    """Put the deployments on the worklist whose model file or live version has changed; all where this process begins."""
    known = _KNOWN.setdefault(services.telemetry, _Known())
    with services.registry.read() as connection:
        spec, models_changed = models.applied_after(connection, known.spec)
        begun = deployments.newer_than(connection, known.deployment, limit=_CALIBRATED_AHEAD)
        newest = deployments.newest_number(connection)
    if (spec, newest) == (known.spec, known.deployment):
        return known
    with services.telemetry.transaction() as telemetry:
        if not known.spec:
            worklist.put_all(telemetry)
        else:
            worklist.put_models(telemetry, models_changed)
            with services.registry.read() as connection:
                keys = deployments.changed_after(connection, known.deployment)
            worklist.put(telemetry, keys)
    known.spec, known.deployment = spec, newest
    known.to_calibrate.extend(begun)
    return known


def _close(
    services: Services, moved: Sequence[Moved], changes: Round, faults: list[PilothouseError]
) -> set[tuple[str, str]]:
    """Close the due windows of these deployments; returns those of which some are still to be closed."""
    stuck: set[tuple[int, str]] = set()
    unfinished: set[tuple[str, str]] = set()
    windows = sorted(_due(services, moved), key=lambda d: d.span.end_us)
    for due in windows[:_AT_MOST]:
        if (due.stream.id, due.monitor) in stuck:
            continue  # windows of a monitor are closed in order: a later one would hide the one that failed
        try:
            changes.readings += len(
                window_closing.close(services, due.stream, due.spec, due.monitor, due.span)
            )
        except PilothouseError as error:
            faults.append(error)
            stuck.add((due.stream.id, due.monitor))
            unfinished.add((due.stream.model, due.stream.target))
    return unfinished | {(due.stream.model, due.stream.target) for due in windows[_AT_MOST:]}


def _is_of_now(services: Services, reading: Reading) -> bool:
    """False for a window that was judged again beside newer ones: it is no reason for a training."""
    if not reading.late:
        return True
    with services.telemetry.read() as connection:
        return revisions.is_newest(connection, reading)


def _note_first_events(services: Services, moved: Sequence[Moved]) -> None:
    """Refresh the states that say that nothing comes, now that something has."""
    with services.registry.read() as connection:
        keys = deployment_states.without_traffic(connection, [(item.model, item.target) for item in moved])
    if keys:
        with services.registry.transaction() as connection:
            states.refresh(services, connection, keys)


def _consider_paused(services: Services, changes: Round) -> None:
    with services.telemetry.read() as telemetry:
        waiting = readings.models_with_paused_retrainings(telemetry)
    for model in waiting:
        with services.registry.read() as connection:
            spec = spec_in_force(connection, model)
        if spec is not None and spec.automation.retrain_on:
            changes.retrainings += retraining.consider_again(services, spec)


def _calibrate_one(services: Services, known: _Known) -> None:
    """Calibrate one version on one target ahead of its first window: that takes about a second."""
    while known.to_calibrate:
        deployment = known.to_calibrate.popleft()
        with services.registry.read() as connection:
            spec = spec_in_force(connection, deployment.model)
        if spec is None:
            continue
        days = window_closing.calibration_days(spec)
        key = (deployment.model, deployment.version, deployment.target, days)
        if key not in services.telemetry.calibrated:
            baseline_of(services, *key)
            return


def is_caught_up(services: Services, *, events: int = 0) -> bool:
    """True once at least ``events`` rows have been received, every due window is closed and its alerts are drawn."""
    with services.telemetry.read() as connection:
        if count_received(connection) < events or readings.to_apply(connection):
            return False
        if late_days.anything_due(connection, to_us(services.now())):
            return False
        clocks = worklist.all_clocks(connection)
    return not _due(services, clocks)


def _due(services: Services, moved: Sequence[Moved]) -> list[_Due]:
    due = []
    with services.registry.read() as registry, services.telemetry.read() as connection:
        live = deployments.live_versions(registry, [(item.model, item.target) for item in moved])
        for item in moved:
            spec = spec_in_force(registry, item.model)
            if spec is None:
                continue
            version = live.get((item.model, item.target), (0, None))[0]
            for stream in list_streams(connection, item.model, item.target):
                windows = window_closing.due(
                    connection, stream, spec, item.event_us, stream.version == version
                )
                due += [_Due(stream, spec, monitor, span) for monitor, span in windows]
    return due


def _act(services: Services, changes: Round, faults: list[PilothouseError]) -> None:
    """Draw alerts from readings not applied yet: of what is live all of them, of a canary those that count against it. Readings
    of other versions are only marked."""
    with services.telemetry.read() as connection:
        waiting = [
            (reading, get_stream(connection, reading.stream_id)) for reading in readings.to_apply(connection)
        ]
    if not waiting:
        return
    with services.registry.read() as registry:
        keys = {(stream.model, stream.target) for _, stream in waiting}
        live, tried = deployments.live_versions(registry, keys), trials.canaries(registry, keys)
    applied: list[Reading] = []
    touched: set[tuple[str, str]] = set()
    for reading, stream in waiting:
        with services.registry.read() as registry:
            spec = spec_in_force(registry, stream.model)
        try:
            key = stream.model, stream.target
            is_live = stream.version == live.get(key, (None, None))[0]
            if spec is not None and (is_live or stream.version in tried.get(key, ())):
                kinds = None if is_live else ALERTS_AGAINST
                drawn = alerting.draw(services, stream, spec, reading, kinds)
                changes.opened += drawn.opened
                changes.resolved += drawn.resolved
                for alert in drawn.significant if is_live and _is_of_now(services, reading) else ():
                    note = retraining.consider(services, spec, alert, from_us(reading.end_us))
                    changes.retrainings += [note] if note else []
        except PilothouseError as error:
            faults.append(error)
            continue  # drawn again in the next round
        applied.append(reading)
        touched.add((stream.model, stream.target))
    if not applied:
        return
    with services.registry.transaction() as registry:
        states.refresh(services, registry, sorted(touched))
    with services.telemetry.transaction() as connection:
        for reading in applied:
            readings.mark_applied(connection, reading.id)
