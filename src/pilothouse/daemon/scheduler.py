"""Scheduler: APScheduler wakes the thread, the schedules' own table says what is due.

APScheduler drops late runs, doubles those of shared stores and forgets one-shot jobs when the clock jumps. So it is only
an alarm clock here: at each alarm, and at least every half minute, ``operations.schedules.due`` decides from the table
about the nominal times that have come, each once (UNIQUE(schedule, nominal)), and ``fire`` does what was decided.
"""

import contextlib
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.records import Schedule
from pilothouse.operations.automation import schedules
from pilothouse.operations.automation.schedules import Due
from pilothouse.operations.jobs import trainings
from pilothouse.operations.monitoring import multivariate
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import backups, retention

log = logging.getLogger(__name__)

_LOOK_AT_LEAST_EVERY_S = 30.0
"""Seconds after which the table is looked at without an alarm."""
_BACKUPS_KEPT = 7
"""Backups of a schedule that are kept."""


class ScheduleKeeper:
    """Thread that fires what is due; ``monitor`` is woken by schedules of the action ``monitor``."""

    def __init__(self, services: Services, monitor: Wakeup) -> None:
        self._services = services
        self._monitor = monitor
        self._alarms: dict[int, object] = {}

    def run(self, wakeup: Wakeup) -> None:
        """Fire until the daemon stops."""
        from apscheduler.schedulers.background import BackgroundScheduler

        clock = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        clock.start()
        try:
            repeat(
                wakeup, functools.partial(self._turn, clock, wakeup), at_least_every_s=_LOOK_AT_LEAST_EVERY_S
            )
        finally:
            clock.shutdown(wait=False)

    def _turn(self, clock: Any, wakeup: Wakeup) -> None:
        if not clock._thread.is_alive():  # ``running`` stays true when the thread has died
            raise RuntimeError("APScheduler's thread has died")
        for item in schedules.due(self._services):
            self._fire(item)
        self._set_alarms(clock, wakeup)

    def _set_alarms(self, clock: Any, wakeup: Wakeup) -> None:
        """Set one alarm a schedule, at its next start."""
        wanted = {schedule.id: start for schedule, start in schedules.next_starts(self._services)}
        for number in [number for number, time in self._alarms.items() if wanted.get(number) != time]:
            del self._alarms[number]
            if clock.get_job(str(number)) is not None:
                clock.remove_job(str(number))
        for number, time in wanted.items():
            if number not in self._alarms:
                clock.add_job(wakeup.wake, "date", run_date=time, id=str(number), replace_existing=True)
                self._alarms[number] = time

    def _fire(self, item: Due) -> None:
        outcome = schedules.fire(self._services, item, functools.partial(self._act, item))
        if outcome is not None:
            say(
                log,
                logging.INFO,
                f"schedule {item.schedule.name} of {item.schedule.model}: {outcome}",
                schedule=item.schedule.id,
                nominal=item.nominal.isoformat(),
            )

    def _act(self, item: Due, schedule: Schedule) -> str:
        action = ACTIONS.get(schedule.action)
        if action is None:
            raise UnavailableError(
                f"this release knows no action {schedule.action!r}: upgrade, or change the file"
            )
        return action(ActionContext(self._services, schedule, item.nominal, self._monitor))


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Context of an action: the schedule, the nominal time, and the wakeup of the monitor."""

    services: Services
    schedule: Schedule
    nominal: datetime
    monitor: Wakeup


def _train(context: ActionContext) -> str:
    job = trainings.start_training(
        context.services,
        DAEMON,
        context.schedule.model,
        trainings.TrainingOptions(trigger_key=schedules.trigger_key(context.schedule, context.nominal)),
        reason=f"schedule {context.schedule.name}",
    )
    return f"job {job.id}"


def _monitor(context: ActionContext) -> str:
    context.monitor.wake()
    return "windows are evaluated"


def _back_up(context: ActionContext) -> str:
    folder = context.services.paths.root / "backups"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be made: {error.strerror}") from error
    name = context.schedule.name
    file = folder / f"{name}-{context.nominal:%Y%m%dT%H%M%SZ}.tar"
    if not file.exists():  # a daemon that ended between copying and recording has made it
        backups.backup(context.services, DAEMON, file)
    for old in sorted(folder.glob(f"{name}-*.tar"))[:-_BACKUPS_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return f"backups/{file.name}"


def _delete_old(context: ActionContext) -> str:
    report = retention.apply(context.services, DAEMON)
    deleted = sum(share.rows for share in report.shares if not share.held)
    return f"{deleted:,} rows deleted, {report.merged:,} segments merged into {report.into:,}"


def _compare_jointly(context: ActionContext) -> str:
    key = schedules.trigger_key(context.schedule, context.nominal)
    return multivariate.start_scheduled(context.services, context.schedule.model, key)


ACTIONS: dict[str, Callable[[ActionContext], str]] = {
    "train": _train,
    "monitor": _monitor,
    "backup": _back_up,
    "retention": _delete_old,
    "multivariate": _compare_jointly,
}
"""Actions of schedules. Each has the same effect however often it is called for one nominal time, by the trigger key or
the name of the file."""
