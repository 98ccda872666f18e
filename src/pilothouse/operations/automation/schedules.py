"""Schedules: listing, pausing and, for the daemon, due runs.

Every nominal time gets one row with one decision: run, merged into a later one, or skipped, with the reason. The decision
is committed before the run. Runs that a daemon decided and did not finish are done by the next daemon.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from pilothouse.domain.errors import ConflictError, NotFoundError, PilothouseError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.records import Schedule
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.automation.schedule_times import due_times, nominal_times, start_of
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.work import schedules
from pilothouse.store.work.schedules import Decision, Fire, Rule, RunState

LATE_AFTER = timedelta(seconds=90)
"""A run that starts later than this after its time was missed: no daemon ran, or the machine slept."""

_Decided = tuple[datetime, Decision, str, datetime | None]
"""A nominal time, the decision, its reason, and the time it is merged into."""


@dataclass(frozen=True, slots=True)
class Due:
    """A nominal time of a schedule whose run is due now."""

    schedule: Schedule
    nominal: datetime


@dataclass(frozen=True, slots=True)
class ScheduleHistory:
    """A schedule with its next times and the decisions about the last ones."""

    schedule: Schedule
    fires: tuple[Fire, ...]
    total: int
    """Number of all nominal times that were decided."""


def list_schedules(services: Services, actor: Actor, *, count: int = 5) -> list[Schedule]:
    """The schedules of the model files in force, each with its next ``count`` nominal times."""
    with reading(services, actor) as connection:
        rules = [(s, schedules.rule_of(connection, s.id)) for s in schedules.listed(connection)]
    now = services.now()
    return [
        replace(schedule, next_times=tuple(islice(nominal_times(rule, now), count)))
        for schedule, rule in rules
    ]


def pause_schedule(services: Services, actor: Actor, schedule_id: int, reason: str = "") -> Schedule:
    """Pause a schedule. Raises NotFoundError, NotAllowedError or ConflictError."""
    return _switch(services, actor, schedule_id, paused=True, reason=reason)


def resume_schedule(services: Services, actor: Actor, schedule_id: int, reason: str = "") -> Schedule:
    """Resume a schedule, from its next time on. Raises NotFoundError, NotAllowedError or ConflictError."""
    return _switch(services, actor, schedule_id, paused=False, reason=reason)


def history(services: Services, actor: Actor, schedule_id: int, *, limit: int = 50) -> ScheduleHistory:
    """One schedule with its next five times and its newest nominal times, newest first. Raises NotFoundError."""
    with reading(services, actor) as connection:
        schedule = _require(connection, schedule_id)
        rule = schedules.rule_of(connection, schedule_id)
        fires = schedules.fires(connection, schedule_id, limit)
        total = schedules.count_fires(connection, schedule_id)
    times = tuple(islice(nominal_times(rule, services.now()), 5))
    return ScheduleHistory(replace(schedule, next_times=times), tuple(fires), total)


def due(services: Services) -> list[Due]:
    """Decide about every nominal time that has come, each once and for good; returns the runs that are due. For the daemon.

    A decision is run, merged into a later time, or skipped, by the schedule's ``catch_up``. Runs that were decided before
    and have no outcome (the daemon ended between) come first: they are run again.
    """
    now = services.now()
    for schedule, rule, last in _active(services):
        if times := due_times(rule, last, now):
            _decide(services, schedule.id, rule, times)
    with services.registry.read() as connection:
        return [Due(schedule, nominal) for schedule, nominal in schedules.open_runs(connection)]


def next_starts(services: Services) -> list[tuple[Schedule, datetime]]:
    """Each schedule with the start of its next run, jitter included; for the daemon's alarm."""
    now = services.now()
    starts = []
    for schedule, rule, last in _active(services):
        # A time that has come and is delayed by its jitter counts, so the search begins at the last decided time.
        start = next((s for n in nominal_times(rule, last) if (s := start_of(rule, n)) > now), None)
        if start is not None:
            starts.append((schedule, start))
    return starts


def fire(services: Services, item: Due, act: Callable[[Schedule], str]) -> str | None:
    """Run a due schedule and record the outcome; None where this nominal time has its outcome already.

    ``act`` does the work and returns a text about it. It runs outside of any transaction, so it may take long. It must have one
    effect however often it is called for one nominal time: after a crash before the record the schedule is due again. A
    PilothouseError that it raises is the outcome.
    """
    state, outcome = _run(item.schedule, act)
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        schedule = item.schedule
        if not schedules.add_outcome(
            change.connection, schedule.id, item.nominal, state, outcome, at=change.at
        ):
            return None
        change.record(
            "schedule.fired",
            f"{schedule.model} {schedule.name}",
            {"schedule": schedule.id, "nominal": item.nominal.isoformat(), "outcome": outcome},
        )
    return outcome


def _active(services: Services) -> list[tuple[Schedule, Rule, datetime]]:
    """Schedules that are not paused, each with its rule and the last decided time."""
    with services.registry.read() as connection:
        return [
            (schedule, schedules.rule_of(connection, schedule.id), _last_decided(connection, schedule))
            for schedule in schedules.listed(connection)
            if not schedule.paused
        ]


def _last_decided(connection: Connection, schedule: Schedule) -> datetime:
    """The last nominal time with a decision, or the rule's beginning where that is later."""
    since = schedules.rule_of(connection, schedule.id).since
    return max(schedule.last_nominal or since, since)


def _decide(services: Services, schedule_id: int, rule: Rule, times: Sequence[datetime]) -> None:
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        schedule = _require(change.connection, schedule_id)
        # Another daemon may have decided, or somebody paused the schedule, since the times were computed.
        last = _last_decided(change.connection, schedule)
        open_times = [time for time in times if time > last]
        if schedule.paused or not open_times:
            return
        obstacle = "automation is paused" if workspace.automation(change.connection).paused else ""
        obstacle = obstacle or _retired(change.connection, schedule)
        decided = decide(rule, open_times, change.at, obstacle)
        schedules.add_fires(change.connection, schedule_id, decided, at=change.at)
        count = {
            kind: sum(decision == kind for _, decision, _, _ in decided)
            for kind in ("run", "merged", "skipped")
        }
        change.record(
            "schedule.decided",
            f"{schedule.model} {schedule.name}",
            {
                "schedule": schedule_id,
                "from": open_times[0].isoformat(),
                "until": open_times[-1].isoformat(),
                **count,
            },
        )


def _retired(connection: Connection, schedule: Schedule) -> str:
    """That the model is retired, for a schedule that trains it; empty for any other."""
    spec = spec_in_force(connection, schedule.model) if schedule.action == "train" else None
    return "the model is retired" if spec and spec.inventory and spec.inventory.retired else ""


def decide(rule: Rule, times: Sequence[datetime], now: datetime, obstacle: str = "") -> list[_Decided]:
    """Decisions about nominal times that have come, oldest first."""
    if obstacle:
        return [(time, "skipped", f"skipped: {obstacle}", None) for time in times]
    if rule.catch_up == "all":
        return [(time, "run", _run_reason(rule, time, now), None) for time in times]
    newest = times[-1]
    run: _Decided = (newest, "run", _run_reason(rule, newest, now), None)
    if rule.catch_up == "skip":
        skipped: list[_Decided] = [
            (
                time,
                "skipped",
                f"skipped: missed by {_ago(now - start_of(rule, time))}, and catch_up is skip",
                None,
            )
            for time in times
        ]
        return skipped if now - start_of(rule, newest) > LATE_AFTER else [*skipped[:-1], run]
    reason = f"merged into {newest:%Y-%m-%d %H:%M} UTC: both had come before anything ran"
    merged: list[_Decided] = [(time, "merged", reason, newest) for time in times[:-1]]
    return [*merged, run]


def _run_reason(rule: Rule, time: datetime, now: datetime) -> str:
    late = now - start_of(rule, time)
    return f"caught up, {_ago(late)} late" if late > LATE_AFTER else "on time"


def _ago(late: timedelta) -> str:
    minutes = int(late.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def trigger_key(schedule: Schedule, nominal: datetime) -> str:
    """The key of the training of one nominal time: it is started once however often that is tried."""
    return f"schedule:{schedule.id}:{nominal.isoformat()}"


def _run(schedule: Schedule, act: Callable[[Schedule], str]) -> tuple[RunState, str]:
    try:
        return RunState.DONE, act(schedule)
    except PilothouseError as error:
        return RunState.FAILED, f"failed: {error}"


def _switch(services: Services, actor: Actor, schedule_id: int, *, paused: bool, reason: str) -> Schedule:
    reason = clean_text(reason, "the reason")
    with services.registry.read() as connection:
        model = _require(connection, schedule_id).model
    act = f"{'pause' if paused else 'resume'} schedule {schedule_id}"
    with changing(services, actor, Permission.SCHEDULE, model, act=act) as change:
        before = _require(change.connection, schedule_id)
        if before.paused == paused:
            raise ConflictError(f"schedule {schedule_id} is {'paused' if paused else 'on'} already")
        schedules.set_paused(change.connection, schedule_id, paused, at=change.at)
        change.record(
            "schedule.paused" if paused else "schedule.resumed",
            f"{before.model} {before.name}",
            {"schedule": schedule_id, "reason": reason},
        )
        return _require(change.connection, schedule_id)


def _require(connection: Connection, schedule_id: int) -> Schedule:
    schedule = schedules.find(connection, schedule_id)
    if schedule is None:
        raise NotFoundError(f"there is no schedule {schedule_id}: list them with pilothouse schedules")
    return schedule
