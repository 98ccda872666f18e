"""Schedules: APScheduler wakes us, our own table says what is due.

APScheduler drops late runs, doubles those of shared stores and forgets one-shot jobs when the clock jumps. So it is an
alarm clock here, no more: at each alarm, and at least every half minute, ``operations.schedules.due`` computes from the
table which nominal times have come, and ``fire`` records each once (UNIQUE(schedule, nominal)).
"""

import functools
import logging
from datetime import UTC
from typing import Any

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.records import Schedule
from pilothouse.domain.roles import DAEMON
from pilothouse.operations import automation, backups, schedules, trainings
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
        schedule = item.schedule
        # A copy of the workspace takes seconds and must not be made while the firing's transaction is open.
        copied = self._backup(item) if schedule.action == "backup" else ""

        def act(current: Schedule) -> str:
            if current.action == "train":
                job = trainings.start_training(
                    self._services,
                    DAEMON,
                    current.model,
                    reason=f"schedule {current.name}",
                    trigger_key=schedules.trigger_key(current, item.nominal),
                )
                return f"job {job.id}"
            if current.action == "backup":
                return copied
            self._monitor.ring()
            return "windows are evaluated"

        outcome = schedules.fire(self._services, item, act)
        if outcome is not None:
            say(
                log,
                logging.INFO,
                f"schedule {schedule.name} of {schedule.model}: {outcome}",
                schedule=schedule.id,
                nominal=item.nominal.isoformat(),
            )

    def _backup(self, item: Due) -> str:
        if automation.status(self._services, DAEMON).paused:
            return "skipped: automation is paused"
        folder = self._services.paths.root / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"{item.schedule.name}-{item.nominal:%Y%m%dT%H%M%SZ}.tar"
        try:
            if not file.exists():  # a daemon that ended between copying and recording has made it
                backups.backup(self._services, DAEMON, file)
        except PilothouseError as error:  # the firing is dealt with; that it failed is its outcome
            return f"failed: {error}"
        for old in sorted(folder.glob(f"{item.schedule.name}-*.tar"))[:-_BACKUPS_KEPT]:
            old.unlink()
        return f"backups/{file.name}"
