"""Retraining that alerts ask for: whether one starts, on what is known by then, and why not where it does not."""

from datetime import datetime, timedelta

from pilothouse.domain.alert_rules import RetrainingState, why_not_retrain
from pilothouse.domain.errors import AutomationPausedError, PilothouseError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.records import Alert, AlertStatus, RequestStatus
from pilothouse.domain.roles import DAEMON
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.domain.triggers import Hindrance, Refusal, why_over_budget
from pilothouse.operations.alerts.alerts import note_retraining
from pilothouse.operations.jobs.trainings import TrainingOptions, start_training
from pilothouse.operations.services import Services
from pilothouse.store import alerts as alert_store
from pilothouse.store import jobs, requests, triggers, workspace
from pilothouse.telemetry import readings
from pilothouse.telemetry.readings import RetrainingNote


def consider(
    services: Services, spec: ModelSpec, alert: Alert, window_end: datetime
) -> RetrainingNote | None:
    """Start a retraining for an alert whose newest window is significant, or keep why not; None where the file asks for none.

    One training a (version, kind, window) over all targets: later targets join it. The training knows what was known
    at the target's event clock. Asking again for the same window gives the same answer.
    """
    if alert.kind not in spec.automation.retrain_on:
        return None
    clock = services.event_clock(alert.target, alert.model) or window_end
    key = f"{alert.kind}:{alert.model}/{alert.version}:{window_end.isoformat()}"
    with services.registry.read() as connection:
        started = jobs.find_by_trigger(connection, alert.model, key)
    if started is not None:
        return _joined(services, alert, window_end, clock, started.id)
    refusal = why_not_retrain(
        _state(services, alert.model),
        to_us(clock),
        spec.automation.cooldown,
        spec.automation.budget_per_30d,
    )
    if refusal is None:
        refusal = _over_budget(services, spec)
    if refusal is not None:
        return _note(services, alert, window_end, clock, refusal)
    reason = (
        f"alert {alert.id} on {alert.target}: {alert.summary} "
        f"({version_uri(alert.model, alert.version)}, window until {window_end:%Y-%m-%d %H:%M})"
    )
    try:
        options = TrainingOptions(as_of=clock, trigger_key=key, alert=alert.id)
        job = start_training(services, DAEMON, alert.model, options, reason=reason)
    except AutomationPausedError as error:  # just now
        return _note(services, alert, window_end, clock, Refusal(Hindrance.PAUSED, str(error)))
    except PilothouseError as error:  # a model file that cannot be read …
        return _note(services, alert, window_end, clock, Refusal(Hindrance.REFUSED, str(error)))
    started_words = f"training job {job.id} started as of {clock:%Y-%m-%d %H:%M}"
    return _note(services, alert, window_end, clock, None, job.id, started_words)


def why_not_now(services: Services, spec: ModelSpec) -> Refusal | None:
    """Why an alert of the newest event would start no retraining; None where it would."""
    clocks = [services.event_clock(target.name, spec.name) for target in spec.targets]
    clock = max((clock for clock in clocks if clock is not None), default=services.now())
    refusal = why_not_retrain(
        _state(services, spec.name), to_us(clock), spec.automation.cooldown, spec.automation.budget_per_30d
    )
    return refusal or _over_budget(services, spec)


def _over_budget(services: Services, spec: ModelSpec) -> Refusal | None:
    """By the wall clock, with what triggers started: a noisy model must not train all night."""
    now = services.now()
    with services.registry.read() as connection:
        started = triggers.automatic_starts(connection, spec.name, now - timedelta(days=1))
    return why_over_budget(started, to_us(now), spec.automation.budget_per_day)


def consider_again(services: Services, spec: ModelSpec) -> list[RetrainingNote]:
    """Ask again for what was refused because automation was paused, now that it is not."""
    with services.telemetry.read() as connection:
        notes = readings.retraining_notes(connection, spec.name)
    newest = {note.alert: note for note in notes}
    waiting = [note for note in newest.values() if note.hindrance is Hindrance.PAUSED]
    if not waiting:
        return []
    with services.registry.read() as connection:
        if workspace.automation(connection).paused:
            return []
        found = [(note, alert_store.find(connection, note.alert)) for note in waiting]
    again = [
        consider(services, spec, alert, from_us(note.window_end_us))
        for note, alert in found
        if alert is not None and alert.status is not AlertStatus.RESOLVED
    ]
    return [note for note in again if note is not None]


def _state(services: Services, model: str) -> RetrainingState:
    notes: list[RetrainingNote] = []
    if services.paths.telemetry.exists():
        with services.telemetry.read() as connection:
            notes = readings.retraining_notes(connection, model)
    with services.registry.read() as connection:
        automation = workspace.automation(connection)
        running = next(
            (
                j
                for j in jobs.listed(connection, model=model, limit=50)
                if j.kind == "train" and not j.status.ended
            ),
            None,
        )
        waiting = requests.listed(connection, status=RequestStatus.OPEN, model=model, limit=1)
    started: dict[int, int] = {}
    for note in notes:
        if note.job is not None:
            started.setdefault(note.job, note.clock_us)
    return RetrainingState(
        automation.reason if automation.paused else None,
        running.id if running else None,
        waiting[0].id if waiting else None,
        sorted(started.values()),
    )


def _joined(
    services: Services, alert: Alert, window_end: datetime, clock: datetime, job: int
) -> RetrainingNote:
    if alert.retrain_job != job:
        note_retraining(services, alert.id, job)
    words = f"training job {job} was started for this window already"
    return _note(services, alert, window_end, clock, None, job, words)


def _note(
    services: Services,
    alert: Alert,
    window_end: datetime,
    clock: datetime,
    refusal: Refusal | None,
    job: int | None = None,
    reason: str = "",
) -> RetrainingNote:
    """Keep what came of it: why not, or the job and what is to be said of it."""
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
