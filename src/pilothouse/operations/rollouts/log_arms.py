"""Arms of canaries on platforms of others, whose answers come as logs: which spans of time they are of, and how far they are.

The registry says from when to when a command's platform gave the canary its share (``canary_spans``). By the wall clock the
rows of that time are of the trial; where the step goes by the clock of events, as with a history that is replayed, those that
came after the newest event of then.
"""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.domain.formats.time_units import DAY_S, HOUR_US, SECOND_US, from_us, to_us
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.rollouts.plan import Clock, StepKind
from pilothouse.domain.rollouts.rollout import Rollout, RolloutTarget
from pilothouse.domain.rollouts.view import LogReading
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.promotion import canary_spans
from pilothouse.store.promotion.canary_spans import CanarySpan
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.trial_pairs import TrialName
from pilothouse.telemetry.trials import log_hours
from pilothouse.telemetry.trials.log_hours import Span, TrialLog


def take_in(services: Services, rollout: Rollout) -> None:
    """Take hours of logs that are due into the trials of a roll-out; nothing is written where none is."""
    now_us = to_us(services.now())
    for log in _logs(services, rollout):
        with services.telemetry.read() as telemetry:
            more = log_hours.is_due(telemetry, _classed(services, telemetry, log), now_us)
        while more:
            with services.telemetry.transaction() as telemetry:
                more = log_hours.take(telemetry, _classed(services, telemetry, log), now_us)


def readings(services: Services, rollout: Rollout) -> tuple[LogReading, ...]:
    """How far the logs of each target are."""
    found = []
    for log in _logs(services, rollout):
        with services.telemetry.read() as telemetry:
            state = log_hours.state(telemetry, _classed(services, telemetry, log))
        found.append(
            LogReading(
                target=log.trial.target,
                up_to=from_us(state.up_to_us) if state.hours else None,
                hours=state.hours,
                rows=state.rows,
                judged=state.judged,
                waiting=state.waiting,
                waiting_outcomes=state.waiting_outcomes,
                waiting_logs=state.waiting_logs,
                patience=format_duration(log.spans[-1].patience_us // SECOND_US),
                left_out=state.left_out,
                late_rows=state.late_rows,
                late_outcomes=state.late_outcomes,
                nameless=state.nameless,
                keyless=state.keyless,
            )
        )
    return tuple(found)


def _logs(services: Services, rollout: Rollout) -> list[TrialLog]:
    """Logs of the targets on which a command's platform has had a canary of a roll-out. Of several versions at once a command
    tries one alone, at shares that are not those of the plan's tests: then logs are no arms."""
    if rollout.arms or not any(step.kind is StepKind.CANARY for _, _, step in rollout.plan.steps()):
        return []
    with services.registry.read() as connection:
        held = canary_spans.spans(connection, rollout.id)
        spans = {
            one: _spans(connection, rollout, one, [span for span in held if span.target == one.target])
            for one in rollout.targets
            if held and one.before is not None
        }
    return [
        TrialLog(
            TrialName(rollout.id, rollout.model, one.target, rollout.version),
            one.before,
            rollout.version,
            of_target,
        )
        for one, of_target in spans.items()
        if of_target and one.before is not None
    ]


def _classed(services: Services, telemetry: Connection, log: TrialLog) -> TrialLog:
    """The same logs with the classes of each version that has sent any by now."""
    classes = {
        stream.version: tuple(services.telemetry.specification(telemetry, stream.id).classes)
        for stream in list_streams(telemetry, log.trial.model, log.trial.target)
    }
    return replace(log, classes=classes)


def _spans(
    connection: Connection, rollout: Rollout, one: RolloutTarget, held: Sequence[CanarySpan]
) -> tuple[Span, ...]:
    usual = DAY_S + int(spec_of_model(connection, rollout.model).data.outcome_delay)
    steps = rollout.plan.waves[one.wave].steps
    found = []
    for span in held:
        step = next((step for step in steps if step.share == span.share), None)
        if step is None:  # of another plan: its number came again where a registry was restored
            continue
        within = usual if step.outcomes_within is None else int(step.outcomes_within)
        since, until = span.since, span.until
        if step.clock is Clock.EVENT:
            since, until = (span.since_event or 0) + 1, span.until_event
            until = None if span.until is None or until is None else until + 1
        found.append(Span(span.share, max(since, HOUR_US), until, within * SECOND_US))
    return tuple(found)
