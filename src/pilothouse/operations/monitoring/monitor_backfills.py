"""Back-fills of monitoring: closed windows computed again with outcomes and rows that have come since, by the model file in
force.

The monitor judges windows again by itself when something has come late (``late_windows``). A back-fill does so for a range,
oldest window first over all versions and targets, since each is judged beside those before it, whatever version answered then;
the earlier figures are kept. It also closes windows of rows
older than any there were before, and leaves a note for the monitor of windows outside of the range whose verdicts rest on one
that has changed. It draws no alerts: they keep what was known when they were drawn. A second back-fill gives the same figures.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.operations.authorisation import changing, clean_text
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import weeks_before, window_closing
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.sqlite import Connection
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.windows import late_days, readings, revisions
from pilothouse.telemetry.windows.readings import DRIFT
from pilothouse.telemetry.windows.revisions import Change

_MOST_WINDOWS = 10_000


@dataclass(frozen=True, slots=True)
class BackfilledMonitor:
    """The outcomes of the windows of one monitor of one version on one target."""

    version: int
    target: str
    monitor: str
    since: datetime
    """The start of the first window."""
    until: datetime
    outcomes: dict[Change, int]


@dataclass(frozen=True, slots=True)
class _Task:
    stream: Stream
    monitor: str
    spans: Sequence[Span]


def backfill_monitoring(
    services: Services,
    actor: Actor,
    model: str,
    since: datetime,
    until: datetime,
    *,
    version: int | None = None,
    target: str | None = None,
    reason: str = "",
) -> list[BackfilledMonitor]:
    """Compute the closed windows of a model between ``since`` and ``until`` again, of one version or target where one is
    named. A window keeps its bounds also where the model file now sets others.

    Raises NotFoundError, NotAllowedError or InvalidInputError (a range that is empty or holds too many windows).
    """
    reason = clean_text(reason, "the reason")
    if since > until:
        raise InvalidInputError(f"from {since.isoformat()} is after to {until.isoformat()}")
    with changing(services, actor, Permission.TRAIN, model) as change:
        require_model(change.connection, model)
        spec = spec_in_force(change.connection, model)
        assert spec is not None
        within = Span(to_us(since), to_us(until))
        with services.telemetry.read() as connection:
            tasks = [
                task
                for stream in list_streams(connection, model, target)
                if version in (None, stream.version)
                for task in _tasks(connection, stream, spec, within)
            ]
        count = sum(len(task.spans) for task in tasks)
        if count > _MOST_WINDOWS:
            raise InvalidInputError(
                f"that is {count:,} windows; expected {_MOST_WINDOWS:,} at most: take a shorter range, or one target"
            )
        change.record(
            "monitoring.backfilled",
            model,
            {
                "since": since.isoformat(), "until": until.isoformat(), "version": version, "target": target,
                "windows": count, "reason": reason,
            },
        )  # fmt: skip
    results = _backfill(services, spec, tasks)
    with services.registry.transaction() as connection:
        states.refresh(services, connection, {(task.stream.model, task.stream.target) for task in tasks})
    return results


def _tasks(connection: Connection, stream: Stream, spec: ModelSpec, within: Span) -> Iterator[_Task]:
    for monitor, grid in window_closing.grids(spec).items():
        closed = readings.closed_spans(connection, stream.id, monitor)
        # the monitor closes the first windows itself
        before = window_closing.windows_before(stream, grid, closed[0]) if closed else []
        spans = [
            span
            for span in [*before, *closed]
            if within.start_us <= span.start_us and span.end_us <= within.end_us
        ]
        if spans:
            yield _Task(stream, monitor, spans)


def _backfill(services: Services, spec: ModelSpec, tasks: Sequence[_Task]) -> list[BackfilledMonitor]:
    monitors = list(window_closing.grids(spec))
    every = [(task, span) for task in tasks for span in task.spans]
    every.sort(key=lambda window: (monitors.index(window[0].monitor), window[1].end_us))
    within = {(task.stream.id, task.monitor, span.end_us) for task, span in every}
    outcomes: dict[tuple[int, str], dict[Change, int]] = defaultdict(lambda: defaultdict(int))
    for task, span in every:
        windows = window_closing.recomputed_windows(services, task.stream, spec, task.monitor, span)
        for name, closed in windows.items():
            with services.telemetry.transaction() as connection:
                before = readings.find(connection, task.stream.id, name, span.end_us)
                outcome = revisions.replace(connection, task.stream.id, name, closed, to_us(services.now()))
                now = readings.find(connection, task.stream.id, name, span.end_us)
                if weeks_before.rested_on(before, name) != weeks_before.rested_on(now, name):
                    _leave_note(services, connection, spec, task.stream, span, within)
            if name == task.monitor:
                outcomes[task.stream.id, name][outcome] += 1
    return [
        BackfilledMonitor(
            task.stream.version,
            task.stream.target,
            task.monitor,
            from_us(task.spans[0].start_us),
            from_us(task.spans[-1].end_us),
            dict(outcomes[task.stream.id, task.monitor]),
        )
        for task in tasks
    ]


def _leave_note(
    services: Services,
    connection: Connection,
    spec: ModelSpec,
    stream: Stream,
    span: Span,
    within: Set[tuple[int, str, int]],
) -> None:
    """Have the monitor judge the windows again that rest on a changed one, where some are not back-filled themselves."""
    resting = weeks_before.resting_on(connection, stream, spec.monitoring, span)
    if any((other.id, DRIFT, later.end_us) not in within for other, later in resting):
        late_days.note_findings(connection, stream.id, span, to_us(services.now()))
