"""Schedules: listing, pausing, and for the daemon what is due, each nominal time dealt with once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from pilothouse.domain.errors import ConflictError, NotFoundError, PilothouseError
from pilothouse.domain.records import Schedule
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.sqlite import Connection
from pilothouse.store import schedules, workspace

from .authorisation import changing, clean_text, reading
from .schedule_times import due_times, nominal_times
from .services import Services


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule whose time has come. ``missed`` earlier times passed while no daemon ran; this one stands for them."""

    schedule: Schedule
    nominal: datetime
    missed: int


def list_schedules(
    services: Services, actor: Actor, *, model: str | None = None, count: int = 3
) -> list[Schedule]:
    """The schedules of the model files in force, each with its next ``count`` nominal times."""
    with reading(services, actor) as connection:
        found = [
            (item, schedules.rule_of(connection, item.id)) for item in schedules.listed(connection, model)
        ]
    now = services.now()
    return [replace(item, next_times=tuple(islice(nominal_times(rule, now), count))) for item, rule in found]


def pause_schedule(services: Services, actor: Actor, schedule_id: int, reason: str = "") -> Schedule:
    """Let a schedule fire no more for now. Raises NotFoundError, NotAllowedError or ConflictError."""
    return _switch(services, actor, schedule_id, paused=True, reason=reason)


def resume_schedule(services: Services, actor: Actor, schedule_id: int, reason: str = "") -> Schedule:
    """Let a schedule fire again, from its next time on. Raises NotFoundError, NotAllowedError or ConflictError."""
    return _switch(services, actor, schedule_id, paused=False, reason=reason)


def due(services: Services) -> list[Due]:
    """What should be fired now; for the daemon. Paused schedules are never due."""
    now = services.now()
    found: list[Due] = []
    with services.registry.read() as connection:
        for schedule in schedules.listed(connection):
            rule = schedules.rule_of(connection, schedule.id)
            last = max(schedule.last_nominal or rule.since, rule.since)
            times = None if schedule.paused else due_times(rule, last, now)
            if times is not None:
                found.append(Due(schedule, *times))
    return found


def fire(services: Services, item: Due, act: Callable[[Schedule], str]) -> str | None:
    """Do what a due schedule asks for, and record its outcome; None where this nominal time was dealt with before.

    ``act`` does it and returns what was done, in words. It runs outside of any transaction, so it may take its time, and
    must do the same thing once however often it is called for one nominal time: after a crash before the record the
    schedule is due again. A PilothouseError that it raises is the outcome. With the schedule or automation paused the
    time passes and the record says so.
    """
    with services.registry.read() as connection:
        schedule = _require(connection, item.schedule.id)
        if schedules.has_fired(connection, schedule.id, item.nominal):
            return None
        obstacle = _obstacle(connection, schedule)
    outcome = f"skipped: {obstacle}" if obstacle else _outcome(schedule, act)
    if item.missed:
        outcome += f" (stands for {item.missed} earlier time{'s' if item.missed > 1 else ''} too)"
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        if schedules.has_fired(change.connection, schedule.id, item.nominal):
            return None
        schedules.add_fire(change.connection, schedule.id, item.nominal, at=change.at, outcome=outcome)
        change.record(
            "schedule.fired",
            f"{schedule.model} {schedule.name}",
            {"schedule": schedule.id, "nominal": item.nominal.isoformat(), "outcome": outcome},
        )
    return outcome


def trigger_key(schedule: Schedule, nominal: datetime) -> str:
    """What makes the training of one nominal time unique, however often it is started."""
    return f"schedule:{schedule.id}:{nominal.isoformat()}"


def _obstacle(connection: Connection, schedule: Schedule) -> str:
    if schedule.paused:
        return "the schedule is paused"
    return "automation is paused" if workspace.automation(connection).paused else ""


def _outcome(schedule: Schedule, act: Callable[[Schedule], str]) -> str:
    try:
        return act(schedule)
    except PilothouseError as error:
        return f"failed: {error}"


def _switch(services: Services, actor: Actor, schedule_id: int, *, paused: bool, reason: str) -> Schedule:
    words = clean_text(reason, "the reason")
    with services.registry.read() as connection:
        model = _require(connection, schedule_id).model
    with changing(services, actor, Permission.SCHEDULE, model) as change:
        before = _require(change.connection, schedule_id)
        if before.paused == paused:
            raise ConflictError(f"schedule {schedule_id} is {'paused' if paused else 'on'} already")
        schedules.set_paused(change.connection, schedule_id, paused, at=change.at)
        change.record(
            "schedule.paused" if paused else "schedule.resumed",
            f"{before.model} {before.name}",
            {"schedule": schedule_id, "reason": words},
        )
        return _require(change.connection, schedule_id)


def _require(connection: Connection, schedule_id: int) -> Schedule:
    found = schedules.find(connection, schedule_id)
    if found is None:
        raise NotFoundError(f"there is no schedule {schedule_id}: list them with pilothouse schedules")
    return found
