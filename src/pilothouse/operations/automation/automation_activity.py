"""What starts trainings by itself and would it now, and what automation did of late: what, why, and what came of it."""

from datetime import timedelta

from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import ModelSpec, TriggerSpec
from pilothouse.domain.records import Automation, Job, RequestStatus, Schedule
from pilothouse.domain.roles import DAEMON, Actor
from pilothouse.domain.time_units import from_us
from pilothouse.domain.triggers import ActivityEntry, ActivityState, EventStatus, Firing, Refusal, Starter
from pilothouse.operations.alerts.retraining_notes import retrainings
from pilothouse.operations.authorisation import reading
from pilothouse.operations.automation import retraining
from pilothouse.operations.automation.triggers import waits_for, why_not_now
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import jobs, models, requests, schedules, triggers, workspace
from pilothouse.store.schedules import Fire, RunState
from pilothouse.store.triggers import TriggerEvent

ALERTS = "alerts"
"""What the rule ``automation.retrain_on`` is called in the list: it is a trigger like others, and has no name."""
_DAY = timedelta(days=1)
_LOOKED_AT = 1_000


def list_starters(services: Services, actor: Actor, *, model: str | None = None) -> list[Starter]:
    """Every trigger of the model files in force, and the alerts that start retrainings, as they stand now."""
    with reading(services, actor) as connection:
        specs = _specs(connection, model)
        automation = workspace.automation(connection)
        events = triggers.listed(connection, model, _LOOKED_AT)
        newest = {(event.model, event.trigger): event for event in reversed(events)}
        used = {
            spec.name: len(triggers.automatic_starts(connection, spec.name, services.now() - _DAY))
            for spec in specs
        }
        found = [
            _of_trigger(
                spec,
                trigger,
                used[spec.name],
                why_not_now(connection, spec, trigger, services.now()),
                automation,
                newest.get((spec.name, trigger.name)),
            )
            for spec in specs
            for trigger in spec.automation.trigger
        ]
    found += [
        _of_alerts(services, actor, spec, used[spec.name], automation)
        for spec in specs
        if spec.automation.retrain_on
    ]
    return sorted(found, key=lambda starter: (starter.model, starter.on == "alert", starter.name))


def list_activity(
    services: Services, actor: Actor, *, model: str | None = None, limit: int = 100
) -> list[ActivityEntry]:
    """What automation did or left undone, newest first: its jobs, triggers that wait, nominal times that ran nothing."""
    with reading(services, actor) as connection:
        found = [
            _job_entry(connection, job)
            for job in jobs.queued_by(connection, DAEMON.name, model=model, limit=limit)
        ]
        found += [
            _event_entry(event) for event in triggers.listed(connection, model, limit) if event.job is None
        ]
        fires = schedules.fires_lately(connection, model, limit)
        found += [entry for schedule, fire in fires if (entry := _fired_entry(schedule, fire)) is not None]
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:limit]


def _specs(connection: Connection, model: str | None) -> list[ModelSpec]:
    stored = [
        models.spec_in_force(connection, m.name) for m in models.listed(connection) if model in (None, m.name)
    ]
    return [spec_from_plain(found.spec) for found in stored if found is not None]


def _of_trigger(
    spec: ModelSpec,
    trigger: TriggerSpec,
    used: int,
    obstacle: Refusal | None,
    automation: Automation,
    event: TriggerEvent | None,
) -> Starter:
    newest = (
        Firing(event.seen_at, event.what, event.key, event.status, event.reason, event.job) if event else None
    )
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
        newest,
    )


def _of_alerts(
    services: Services, actor: Actor, spec: ModelSpec, used: int, automation: Automation
) -> Starter:
    notes = retrainings(services, actor, spec.name)
    newest = None
    if notes:
        last = notes[-1]
        status = EventStatus.STARTED if last.job is not None else EventStatus.REFUSED
        what = f"alert {last.alert}: {last.kind.replace('_', ' ')} of version {last.version} on {last.target}"
        newest = Firing(from_us(last.clock_us), what, f"alert {last.alert}", status, last.reason, last.job)
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
        newest,
    )


def _job_entry(connection: Connection, job: Job) -> ActivityEntry:
    what = f"{job.kind.replace('_', ' ')}, job {job.id}"
    if not job.status.ended:
        words = (
            f"{job.status}, {job.progress:.0%}"
            if job.started_at
            else f"{job.status}: {job.message or 'for a slot'}"
        )
        return ActivityEntry(
            job.created_at, job.model, what, job.reason, words, ActivityState.GOING_ON, job.id
        )
    if job.status is not JobStatus.SUCCEEDED:
        state = ActivityState.NOTHING if job.status is JobStatus.CANCELLED else ActivityState.FAILED
        return ActivityEntry(
            job.created_at, job.model, what, job.reason, f"{job.status}: {job.error}", state, job.id
        )
    return ActivityEntry(
        job.created_at, job.model, what, job.reason, _came_of(connection, job), ActivityState.DONE, job.id
    )


def _came_of(connection: Connection, job: Job) -> str:
    """``version 4, request 7 waits for a decision``."""
    if job.kind != "train" or job.version is None:
        return "succeeded"
    failed = job.result.get("failed_gates") or ()
    if failed:
        return f"version {job.version}, refused by {', '.join(map(str, failed))}"
    number = job.result.get("request")
    request = requests.find(connection, int(number)) if number is not None else None
    if request is None:
        return f"version {job.version}, nobody has been asked to promote it"
    waits = request.status is RequestStatus.OPEN
    return (
        f"version {job.version}, request {request.id} {'waits for a decision' if waits else request.status}"
    )


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
    """What a nominal time came to where there is no job of it; None where there is one, or nothing to tell yet."""
    failed = fire.ended is RunState.FAILED
    if fire.decision == "past" or (fire.decision == "run" and schedule.action == "train" and not failed):
        return None
    state = _ENDS[fire.ended] if fire.decision == "run" else ActivityState.NOTHING
    why = f"schedule {schedule.name}, {fire.nominal:%Y-%m-%d %H:%M} UTC"
    return ActivityEntry(
        fire.recorded_at, schedule.model, f"{schedule.action}: {fire.decision}", why, fire.outcome, state
    )
