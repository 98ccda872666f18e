"""The monitor's round: closing due windows, drawing alerts from their readings, starting the retrainings these ask for.

Each step is keyed and can be cut off anywhere: a reading is written once, and its alerts are drawn until it is marked.
"""

from dataclasses import dataclass, field

from pilothouse.domain.alert_rules import Span
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.records import Alert, Deployment
from pilothouse.domain.time_units import from_us
from pilothouse.operations.alerts import alerting, incident_cost, incident_grouping, silence
from pilothouse.operations.automation import retraining
from pilothouse.operations.monitoring import window_closing
from pilothouse.operations.monitoring.baselines import baseline_of, spec_in_force
from pilothouse.operations.services import Services
from pilothouse.store import deployments
from pilothouse.telemetry import Stream, readings
from pilothouse.telemetry.readings import RetrainingNote
from pilothouse.telemetry.streams import count_received, get_stream, list_streams, read_clock

_AT_MOST = 200
"""Windows closed in one round at most, so that alerts are drawn during a long catch-up."""


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


def evaluate_windows(services: Services) -> Round:
    """Close due windows of all streams, oldest first, and act on them. Cheap where none is due.

    An error in one stream stops no other; the first is raised at the end.
    """
    changes = Round()
    faults: list[PilothouseError] = []
    try:
        services.telemetry.fold_windows()
    except PilothouseError as error:
        faults.append(error)
    live = _live(services)
    incident_grouping.group_waiting(services)
    changes.resolved += alerting.resolve_replaced(services, live)
    silent = silence.watch(services, live)
    changes.opened += silent.opened
    changes.resolved += silent.resolved
    _act(services, live, changes, faults)  # on readings from before a restart
    stuck: set[tuple[int, str]] = set()
    for due in sorted(_due(services, live), key=lambda d: d.span.end_us)[:_AT_MOST]:
        if (due.stream.id, due.monitor) in stuck:
            continue  # windows of a monitor are closed in order: a later one would hide the one that failed
        try:
            changes.readings += len(
                window_closing.close(services, due.stream, due.spec, due.monitor, due.span)
            )
        except PilothouseError as error:
            faults.append(error)
            stuck.add((due.stream.id, due.monitor))
    _act(services, live, changes, faults)
    for model in sorted({d.model for d in live}):
        with services.registry.read() as connection:
            spec = spec_in_force(connection, model)
        if spec is not None and spec.automation.retrain_on:
            changes.retrainings += retraining.consider_again(services, spec)
    try:
        incident_cost.judge_changed(services, windows_closed=changes.readings > 0)
    except PilothouseError as error:
        faults.append(error)
    try:
        _prepare_one(services, live)
    except PilothouseError as error:
        faults.append(error)
    if faults:
        raise faults[0]
    return changes


def _prepare_one(services: Services, live: list[Deployment]) -> None:
    """Calibrate one live version on one target ahead of its first window: that takes about a second."""
    for deployment in live:
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
    return not _due(services, _live(services))


def _live(services: Services) -> list[Deployment]:
    with services.registry.read() as connection:
        return deployments.live(connection)


def _due(services: Services, live: list[Deployment]) -> list[_Due]:
    running = {(d.model, d.version, d.target) for d in live}
    due = []
    with services.registry.read() as registry, services.telemetry.read() as connection:
        for stream in list_streams(connection):
            spec = spec_in_force(registry, stream.model)
            clock = read_clock(connection, stream.model, stream.target)
            if spec is None or clock is None:
                continue
            is_live = (stream.model, stream.version, stream.target) in running
            windows = window_closing.due(connection, stream, spec, clock.event_us, is_live)
            due += [_Due(stream, spec, monitor, span) for monitor, span in windows]
    return due


def _act(services: Services, live: list[Deployment], changes: Round, faults: list[PilothouseError]) -> None:
    """Draw alerts from readings not applied yet; readings of versions that are not live are only marked."""
    running = {(d.model, d.version, d.target) for d in live}
    with services.telemetry.read() as connection:
        waiting = [
            (reading, get_stream(connection, reading.stream_id)) for reading in readings.to_apply(connection)
        ]
    for reading, stream in waiting:
        with services.registry.read() as registry:
            spec = spec_in_force(registry, stream.model)
        try:
            if spec is not None and (stream.model, stream.version, stream.target) in running:
                drawn = alerting.draw(services, stream, spec, reading)
                changes.opened += drawn.opened
                changes.resolved += drawn.resolved
                for alert in drawn.significant:
                    note = retraining.consider(services, spec, alert, from_us(reading.end_us))
                    changes.retrainings += [note] if note else []
        except PilothouseError as error:
            faults.append(error)
            continue  # drawn again in the next round
        with services.telemetry.transaction() as connection:
            readings.mark_applied(connection, reading.id)
