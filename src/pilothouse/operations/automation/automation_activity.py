"""Automation as lists: what can start trainings by itself and whether it would now, and what automation did of late."""

from datetime import datetime

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.identity.roles import DAEMON, Actor
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.triggers import (
    ActivityEntry,
    ActivityState,
    EventStatus,
    Firing,
    Look,
    Refusal,
    Starter,
)
from pilothouse.domain.models.model_spec import ModelSpec, TriggerSpec
from pilothouse.domain.models.version_stage import VersionStage
from pilothouse.domain.promotion.request_rules import state_of
from pilothouse.domain.promotion.request_standing import RequestState
from pilothouse.domain.promotion.workspace_rules import Automation
from pilothouse.domain.records import Job, Schedule
from pilothouse.operations.alerts.retraining_notes import retrainings
from pilothouse.operations.authorisation import reading
from pilothouse.operations.automation import retraining
from pilothouse.operations.automation.triggers import (
    ALERTS,
    asked_text,
    specs_in_force,
    starts_of_the_day,
    waits_for,
    why_not_now,
)
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.models import versions
from pilothouse.store.promotion import requests
from pilothouse.store.work import jobs, schedules, trigger_looks, triggers
from pilothouse.store.work.schedules import Fire, RunState
from pilothouse.store.work.triggers import TriggerEvent
from pilothouse.telemetry.windows.readings import RetrainingNote


def list_starters(services: Services, actor: Actor, *, model: str | None = None) -> list[Starter]:
    """Every trigger of the model files in force, and the alerts that start retrainings, with their present state."""
    with reading(services, actor) as connection:
        specs = specs_in_force(connection, model)
        automation = workspace.automation(connection)
        newest = triggers.newest(connection, model)
        looks = trigger_looks.newest(connection, model)
        used = {spec.name: len(starts_of_the_day(connection, spec.name, services.now())) for spec in specs}
        starters = [
            _of_trigger(
                spec,
                trigger,
                used[spec.name],
                why_not_now(connection, spec, trigger, services.now()),
                automation,
                newest.get((spec.name, trigger.name, True)),
                newest.get((spec.name, trigger.name, False)),
                looks.get((spec.name, trigger.name)),
            )
            for spec in specs
            for trigger in spec.automation.trigger
        ]
    starters += [
        _of_alerts(services, actor, spec, used[spec.name], automation)
        for spec in specs
        if spec.automation.retrain_on
    ]
    return sorted(starters, key=lambda starter: (starter.model, starter.on == "alert", starter.name))


def failing_looks(services: Services, actor: Actor) -> dict[str, Look]:
    """Newest looks that failed, by model and trigger, of triggers that are in force; the longest first."""
    with reading(services, actor) as connection:
        failing = {key: look for key, look in trigger_looks.newest(connection).items() if look.fault}
        in_force = {
            (name, trigger.name)
            for name in {name for name, _ in failing}
            if (spec := spec_in_force(connection, name)) is not None
            for trigger in spec.automation.trigger
        }
    found = sorted((key for key in failing if key in in_force), key=lambda key: str(failing[key].since))
    return {" ".join(key): failing[key] for key in found}


def list_activity(
    services: Services, actor: Actor, *, model: str | None = None, limit: int = 100
) -> list[ActivityEntry]:
    """What automation did or left undone, newest first: its jobs, waiting triggers, nominal times without a run."""
    with reading(services, actor) as connection:
        entries = [
            _job_entry(connection, job, services.now())
            for job in jobs.queued_by(connection, DAEMON.name, model=model, limit=limit)
        ]
        entries += [
            _event_entry(event) for event in triggers.listed(connection, model, limit) if event.job is None
        ]
        fires = schedules.fires_lately(connection, model, limit)
        entries += [entry for schedule, fire in fires if (entry := _fired_entry(schedule, fire)) is not None]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def _of_trigger(
    spec: ModelSpec,
    trigger: TriggerSpec,
    used: int,
    obstacle: Refusal | None,
    automation: Automation,
    started: TriggerEvent | None,
    refused: TriggerEvent | None,
    look: Look | None,
) -> Starter:
    return Starter(
        spec.name,
        trigger.name,
        trigger.on,
        waits_for(spec, trigger),
        trigger.cooldown,
        used,
        spec.automation.budget_per_day,
        obstacle.text if obstacle else "",
        automation.paused,
        _firing(started),
        _firing(refused),
        look,
    )


def _firing(event: TriggerEvent | None) -> Firing | None:
    if event is None:
        return None
    return Firing(event.seen_at, event.what, event.key, event.status, event.reason, event.job)


def _of_alerts(
    services: Services, actor: Actor, spec: ModelSpec, used: int, automation: Automation
) -> Starter:
    notes = retrainings(services, actor, spec.name)
    started = next((note for note in reversed(notes) if note.job is not None), None)
    refused = next((note for note in reversed(notes) if note.job is None), None)
    obstacle = retraining.why_not_now(services, spec)
    kinds = ", ".join(kind.replace("_", " ") for kind in spec.automation.retrain_on)
    return Starter(
        spec.name,
        ALERTS,
        "alert",
        f"an alert of {kinds}",
        spec.automation.cooldown,
        used,
        spec.automation.budget_per_day,
        obstacle.text if obstacle else "",
        automation.paused,
        _asked(started),
        _asked(refused),
    )


def _asked(note: RetrainingNote | None) -> Firing | None:
    """A retraining that an alert asked for."""
    if note is None:
        return None
    status = EventStatus.STARTED if note.job is not None else EventStatus.REFUSED
    return Firing(
        from_us(note.clock_us), asked_text(note), f"alert {note.alert}", status, note.reason, note.job
    )


def _job_entry(connection: Connection, job: Job, now: datetime) -> ActivityEntry:
    if job.status is JobStatus.SUCCEEDED:
        state, outcome = ActivityState.DONE, _result(connection, job, now)
    elif job.status.ended:
        state = ActivityState.NOTHING if job.status is JobStatus.CANCELLED else ActivityState.FAILED
        outcome = f"{job.status}: {job.error}"
    else:
        state = ActivityState.GOING_ON
        progress = f", {job.progress:.0%}" if job.started_at else f": {job.message or 'for a slot'}"
        outcome = f"{job.status}{progress}"
    name = f"{job.kind.replace('_', ' ')}, job {job.id}"
    return ActivityEntry(job.created_at, job.model, name, job.reason, outcome, state, job.id)


def _result(connection: Connection, job: Job, now: datetime) -> str:
    """The result of a job that succeeded: ``version 4, request 7 waits for a decision``."""
    if job.kind != "train" or job.version is None:
        return "succeeded"
    failed = job.result.get("failed_gates") or ()
    if failed:
        return f"version {job.version}, refused by {', '.join(map(str, failed))}"
    number = job.result.get("request")
    request = requests.find(connection, int(number)) if number is not None else None
    if request is None:
        version = versions.find(connection, VersionReference(job.model, job.version))
        if version is None or version.standing.stage is VersionStage.CANDIDATE:
            return f"version {job.version}, nobody has been asked to promote it"
        by = f" by {version.standing.by}" if version.standing.by else ""
        return f"version {job.version}, {version.standing.stage}{by}"
    state = state_of(request, now)
    status = "waits for a decision" if state is RequestState.OPEN else state
    return f"version {job.version}, request {request.id} {status}"


def _event_entry(event: TriggerEvent) -> ActivityEntry:
    state = ActivityState.WAITS if event.status is EventStatus.WAITING else ActivityState.NOTHING
    return ActivityEntry(
        event.seen_at,
        event.model,
        f"trigger {event.trigger}: {event.status}",
        event.what,
        event.reason,
        state,
    )


_ENDS = {
    None: ActivityState.GOING_ON,
    RunState.DONE: ActivityState.DONE,
    RunState.FAILED: ActivityState.FAILED,
}


def _fired_entry(schedule: Schedule, fire: Fire) -> ActivityEntry | None:
    """The entry of a nominal time without a job; None where it has one, or has come to nothing yet."""
    failed = fire.ended is RunState.FAILED
    if fire.decision == "past" or (fire.decision == "run" and schedule.action == "train" and not failed):
        return None
    state = _ENDS[fire.ended] if fire.decision == "run" else ActivityState.NOTHING
    cause = f"schedule {schedule.name}, {fire.nominal:%Y-%m-%d %H:%M} UTC"
    return ActivityEntry(
        fire.recorded_at, schedule.model, f"{schedule.action}: {fire.decision}", cause, fire.outcome, state
    )
