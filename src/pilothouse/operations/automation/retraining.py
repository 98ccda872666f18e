"""Retrainings that alerts ask for: whether one starts, on which data, and the reason where it does not."""

import functools
from datetime import datetime

from pilothouse.domain.errors import AutomationPausedError, PilothouseError
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.jobs.triggers import Hindrance, Refusal, why_over_budget
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import RetrainingState, why_not_retrain
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.alerts.alerts import note_retraining
from pilothouse.operations.alerts.change_moment import ChangeMoment, moment_of_change
from pilothouse.operations.automation.triggers import running_training, starts_of_the_day
from pilothouse.operations.jobs.trainings import TrainingOptions, start_training
from pilothouse.operations.services import Services
from pilothouse.store import workspace
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.promotion import requests
from pilothouse.store.work import jobs
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import RetrainingNote

FEWEST_DAYS = 6
"""Days since a change whose outcomes are known, before a training is about it: so many are split between training and hold-out
(``training.change_split.FEWEST_BLOCKS``)."""


def consider(
    services: Services, spec: ModelSpec, alert: Alert, window_end: datetime
) -> RetrainingNote | None:
    """Start a retraining for an alert whose newest window is significant, or record why not; None where the model file asks for
    none.

    There is one training for each version, kind and window over all targets: later targets join it. It reads the data known at
    the target's event clock. A second call for the same window gives the same result.
    """
    if alert.kind not in spec.automation.retrain_on:
        return None
    clock = services.event_clock(alert.target, alert.model) or window_end
    key = f"{alert.kind}:{alert.model}/{alert.version}:{window_end.isoformat()}"
    with services.registry.read() as connection:
        started = jobs.find_by_trigger(connection, alert.model, key)
    record = functools.partial(_record, services, alert, window_end, clock)
    if started is not None:
        if alert.retrain_job != started.id:
            note_retraining(services, alert.id, started.id)
        return record(job=started.id, reason=f"training job {started.id} was started for this window already")
    refusal = _refusal(services, spec, clock)
    if refusal is not None:
        return record(refusal)
    change = moment_of_change(services, spec, alert, window_end, clock)
    if change is not None and change.known_days < FEWEST_DAYS:
        return record(_too_soon(change))
    reason = (
        f"alert {alert.id} on {alert.target}: {alert.summary} "
        f"({version_uri(alert.model, alert.version)}, window until {window_end:%Y-%m-%d %H:%M})"
    )
    try:
        options = TrainingOptions(
            as_of=clock, trigger_key=key, alert=alert.id, changed_at=change.at if change else None
        )
        job = start_training(services, DAEMON, alert.model, options, reason=reason)
    except AutomationPausedError as error:  # just now
        return record(Refusal(Hindrance.PAUSED, str(error)))
    except PilothouseError as error:  # a model file that cannot be read …
        return record(Refusal(Hindrance.REFUSED, str(error)))
    return record(job=job.id, reason=f"training job {job.id} started as of {clock:%Y-%m-%d %H:%M}")


def _too_soon(change: ChangeMoment) -> Refusal:
    reason = (
        f"outcomes since the change of {change.at:%Y-%m-%d} are known for fewer than {FEWEST_DAYS} days, "
        "which a training could hardly learn; considered again with the next window"
    )
    return Refusal(Hindrance.TOO_SOON, reason, f"{change.known_days} days")


def why_not_now(services: Services, spec: ModelSpec) -> Refusal | None:
    """Why an alert of the newest event would start no retraining; None where it would."""
    clocks = [services.event_clock(target.name, spec.name) for target in spec.targets]
    clock = max((clock for clock in clocks if clock is not None), default=services.now())
    return _refusal(services, spec, clock)


def _refusal(services: Services, spec: ModelSpec, clock: datetime) -> Refusal | None:
    """The cool-down and budget by the event clock, and the day's budget by the wall clock, with the starts of triggers: a
    noisy model must not train all night."""
    rules, now = spec.automation, services.now()
    refusal = why_not_retrain(_state(services, spec.name), to_us(clock), rules.cooldown, rules.budget_per_30d)
    if refusal is not None:
        return refusal
    with services.registry.read() as connection:
        started = starts_of_the_day(connection, spec.name, now)
    return why_over_budget(started, to_us(now), rules.budget_per_day)


def consider_again(services: Services, spec: ModelSpec) -> list[RetrainingNote]:
    """Start retrainings that were refused because automation was paused, once it is not."""
    with services.telemetry.read() as connection:
        notes = readings.retraining_notes(connection, spec.name)
    newest = {note.alert: note for note in notes}
    waiting = [note for note in newest.values() if note.hindrance is Hindrance.PAUSED]
    if not waiting:
        return []
    with services.registry.read() as connection:
        if workspace.automation(connection).paused:
            return []
        alerts = [(note, alert_store.find(connection, note.alert)) for note in waiting]
    results = [
        consider(services, spec, alert, from_us(note.window_end_us))
        for note, alert in alerts
        if alert is not None and alert.status is not AlertStatus.RESOLVED
    ]
    return [note for note in results if note is not None]


def _state(services: Services, model: str) -> RetrainingState:
    with services.reading_telemetry() as telemetry:
        notes = readings.retraining_notes(telemetry, model) if telemetry is not None else []
    with services.registry.read() as connection:
        automation = workspace.automation(connection)
        running = running_training(connection, model)
        undecided = requests.newest_decidable(connection, model, services.now())
    started: dict[int, int] = {}
    for note in notes:
        if note.job is not None:
            started.setdefault(note.job, note.clock_us)
    return RetrainingState(
        automation.reason if automation.paused else None,
        running,
        undecided,
        sorted(started.values()),
    )


def _record(
    services: Services,
    alert: Alert,
    window_end: datetime,
    clock: datetime,
    refusal: Refusal | None = None,
    job: int | None = None,
    reason: str = "",
) -> RetrainingNote:
    """Record the refusal, or the job and a text about it."""
    note = RetrainingNote(
        alert.id,
        alert.model,
        alert.version,
        alert.target,
        alert.kind,
        to_us(window_end),
        to_us(clock),
        job,
        refusal.text if refusal else reason,
        refusal.hindrance if refusal else None,
    )
    with services.telemetry.transaction() as connection:
        readings.note_retraining(connection, note, to_us(services.now()))
    return note
