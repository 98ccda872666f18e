"""Windows that were closed, computed again: with outcomes and rows that have come since, by the model file in force.

The monitor closes each window once, with what there was. A back-fill replaces those figures, oldest window first, for each is
judged beside those before it, and closes the windows of rows that are older than any that were there before. Nobody is
alerted anew: alerts stay what was known when they were drawn. Asking again gives the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from pilothouse.domain.alert_rules import Span, level_of
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.roles import Actor, Permission
from pilothouse.domain.time_units import SECOND_US, from_us, to_us
from pilothouse.operations.authorisation import changing, clean_text
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.monitoring import window_closing
from pilothouse.operations.monitoring.baselines import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.telemetry import Stream, readings
from pilothouse.telemetry import rollup as rolled
from pilothouse.telemetry.streams import list_streams

MOST_WINDOWS = 10_000

Outcome = Literal["new", "changed", "same", "gone"]
"""``gone``: nothing is left to compute the window from, so its figures stay."""


@dataclass(frozen=True, slots=True)
class BackfilledMonitor:
    """What became of the windows of one monitor of one version on one target."""

    version: int
    target: str
    monitor: str
    since: datetime
    """Where the first of them begins."""
    until: datetime
    outcomes: dict[Outcome, int]


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
    """Compute the closed windows of a model that lie between ``since`` and ``until`` again, of one version or target where
    it is named. A window keeps its bounds also where the model file now names others.

    Raises NotFoundError, NotAllowedError or InvalidInputError (a range that is empty or holds too many windows).
    """
    words = clean_text(reason, "the reason")
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
        if count > MOST_WINDOWS:
            raise InvalidInputError(
                f"that is {count:,} windows; expected {MOST_WINDOWS:,} at most: take a shorter range, or one target"
            )
        change.record(
            "monitoring.backfilled",
            model,
            {
                "since": since.isoformat(), "until": until.isoformat(), "version": version, "target": target,
                "windows": count, "reason": words,
            },
        )  # fmt: skip
    return [_do(services, spec, task) for task in tasks]


def _tasks(connection: Connection, stream: Stream, spec: ModelSpec, within: Span) -> Iterator[_Task]:
    for monitor, grid in window_closing.grids(spec).items():
        closed = readings.closed_spans(connection, stream.id, monitor)
        spans = [
            span
            for span in [*_before(stream, grid, closed), *closed]
            if within.start_us <= span.start_us and span.end_us <= within.end_us
        ]
        if spans:
            yield _Task(stream, monitor, spans)


def _before(stream: Stream, grid: window_closing.Grid, closed: Sequence[Span]) -> list[Span]:
    """Windows of rows that came after windows behind them had been closed, oldest first."""
    if not closed:
        return []  # the monitor's own to begin with
    first, end = rolled.floor_to(grid.level, stream.first_event_us), closed[0].start_us
    spans = []
    while end > first:
        spans.append(Span(max(first, end - grid.window * SECOND_US), end))
        end -= grid.step * SECOND_US
    return spans[::-1]


def _do(services: Services, spec: ModelSpec, task: _Task) -> BackfilledMonitor:
    outcomes: dict[Outcome, int] = {}
    grid = window_closing.grids(spec)[task.monitor]
    for span in task.spans:
        length, offset = ((us // SECOND_US) for us in (span.end_us - span.start_us, span.start_us))
        own = replace(
            grid, level=min(grid.level, level_of(length, offset))
        )  # closed under another model file
        found = window_closing.closed_windows(services, task.stream, spec, task.monitor, own, span)
        for name, closed in found.items():
            with services.telemetry.transaction() as connection:
                outcome = readings.replace(connection, task.stream.id, name, closed, to_us(services.now()))
            if name == task.monitor:
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return BackfilledMonitor(
        task.stream.version,
        task.stream.target,
        task.monitor,
        from_us(task.spans[0].start_us),
        from_us(task.spans[-1].end_us),
        outcomes,
    )
