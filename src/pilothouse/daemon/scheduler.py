"""Schedules: APScheduler wakes us, our own table says what is due.

APScheduler drops late runs, doubles those of shared stores and forgets one-shot jobs when the clock jumps. So it is an
alarm clock here, no more: at each alarm, and at least every half minute, ``operations.schedules.due`` computes from the
table which nominal times have come, and ``fire`` records each once (UNIQUE(schedule, nominal)).
"""

import contextlib
import functools
import logging
from datetime import UTC, datetime
from typing import Any

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.records import Schedule
from pilothouse.domain.roles import DAEMON
from pilothouse.operations import backups, multivariate, schedules, trainings
from pilothouse.operations.schedules import Due
from pilothouse.operations.services import Services

from .logs import say
from .parts import Bell, repeat

log = logging.getLogger(__name__)

_LOOK_AT_LEAST_EVERY_S = 30.0
_BACKUPS_KEPT = 7


class ScheduleKeeper:
    """One thread that fires what is due; ``monitor`` is rung by schedules of the action ``monitor``."""

    def __init__(self, services: Services, monitor: Bell) -> None:
        self._services = services
        self._monitor = monitor
        self._alarms: dict[int, object] = {}

    def run(self, bell: Bell) -> None:
        """Fire until the daemon stops."""
        from apscheduler.schedulers.background import BackgroundScheduler

        clock = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        clock.start()
        try:
            repeat(bell, functools.partial(self._turn, clock, bell), at_least_every_s=_LOOK_AT_LEAST_EVERY_S)
        finally:
            clock.shutdown(wait=False)

    def _turn(self, clock: Any, bell: Bell) -> None:
        if not clock._thread.is_alive():  # ``running`` stays true when the thread has died
            raise RuntimeError("APScheduler's thread has died")
        for item in schedules.due(self._services):
            self._fire(item)
        self._set_alarms(clock, bell)

    def _set_alarms(self, clock: Any, bell: Bell) -> None:
        """One alarm a schedule, at its next nominal time."""
        wanted = {
            schedule.id: schedule.next_times[0]
            for schedule in schedules.list_schedules(self._services, DAEMON, count=1)
            if schedule.next_times and not schedule.paused
        }
        for number in [number for number, time in self._alarms.items() if wanted.get(number) != time]:
            del self._alarms[number]
            if clock.get_job(str(number)) is not None:
                clock.remove_job(str(number))
        for number, time in wanted.items():
            if number not in self._alarms:
                clock.add_job(bell.ring, "date", run_date=time, id=str(number), replace_existing=True)
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
        """Each action is done once for a nominal time: the trigger key, or the name of the file, sees to it."""
        if schedule.action == "train":
            job = trainings.start_training(
                self._services,
                DAEMON,
                schedule.model,
                reason=f"schedule {schedule.name}",
                trigger_key=schedules.trigger_key(schedule, item.nominal),
            )
            return f"job {job.id}"
        if schedule.action == "multivariate":
            key = schedules.trigger_key(schedule, item.nominal)
            return multivariate.start_scheduled(self._services, schedule.model, key)
        if schedule.action == "backup":
            return self._back_up(schedule, item.nominal)
        self._monitor.ring()
        return "windows are evaluated"

    def _back_up(self, schedule: Schedule, nominal: datetime) -> str:
        folder = self._services.paths.root / "backups"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"{folder} cannot be made: {error.strerror}") from error
        file = folder / f"{schedule.name}-{nominal:%Y%m%dT%H%M%SZ}.tar"
        if not file.exists():  # a daemon that ended between copying and recording has made it
            backups.backup(self._services, DAEMON, file)
        for old in sorted(folder.glob(f"{schedule.name}-*.tar"))[:-_BACKUPS_KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()
        return f"backups/{file.name}"
