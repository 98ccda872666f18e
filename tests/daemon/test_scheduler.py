"""Schedules: woken by APScheduler, decided by the table; the clock is moved through the services' own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.daemon.scheduler import ScheduleKeeper
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.domain.records import Job
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import schedules
from pilothouse.operations.jobs import jobs
from support import wait_until
from workshop import Workshop, make_workshop


class Clock:
    """The wall clock, moved by ``offset``."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workshop(tmp_path: Path, clock: Clock) -> Iterator[Workshop]:
    made = make_workshop(tmp_path / "w")
    made.services.now = clock
    yield made
    made.services.close()


def write_schedule(workshop: Workshop, line: str, action: str = "train") -> None:
    table = f'[[automation.schedule]]\nname = "often"\n{line}\naction = "{action}"'
    workshop.write_model(more=table)


@contextmanager
def keeping(workshop: Workshop) -> Iterator[tuple[Wakeup, Wakeup]]:
    """A keeper at work: the wakeup that wakes it, and the one that it wakes for the monitor."""
    stop = threading.Event()
    wakeup, monitor = Wakeup(stop), Wakeup(stop)
    keeper = ScheduleKeeper(workshop.services, monitor)
    thread = threading.Thread(target=keeper.run, args=(wakeup,))
    thread.start()
    try:
        yield wakeup, monitor
    finally:
        stop.set()
        wakeup.wake()
        thread.join(10)


def trainings(workshop: Workshop) -> list[Job]:
    return jobs.list_jobs(workshop.services, workshop.admin)


def outcome(workshop: Workshop) -> str:
    return schedules.list_schedules(workshop.services, workshop.admin)[0].last_outcome


def test_an_alarm_wakes_the_keeper_at_the_nominal_time(workshop: Workshop, clock: Clock) -> None:
    clock.offset = timedelta(seconds=-59)
    write_schedule(workshop, 'every = "60s"')
    clock.offset = timedelta()
    with keeping(workshop):
        wait_until(lambda: len(trainings(workshop)) == 1, timeout=5)
    assert trainings(workshop)[0].reason == "schedule often"
    assert outcome(workshop) == f"job {trainings(workshop)[0].id}"


def test_times_that_passed_without_a_daemon_are_one_run_that_stands_for_them(
    workshop: Workshop, clock: Clock
) -> None:
    write_schedule(workshop, 'every = "60s"')
    clock.offset = timedelta(seconds=190)
    with keeping(workshop) as (wakeup, _):
        wait_until(lambda: outcome(workshop))
        wakeup.wake()
    with keeping(workshop) as (wakeup, _):
        wakeup.wake()
    assert len(trainings(workshop)) == 1
    (made,) = schedules.list_schedules(workshop.services, workshop.admin)
    fires = schedules.history(workshop.services, workshop.admin, made.id).fires
    assert [fire.decision for fire in fires] == ["run", "merged", "merged"]
    assert fires[1].merged_into == fires[0].nominal


def test_a_paused_automation_lets_the_time_pass_and_says_so(workshop: Workshop, clock: Clock) -> None:
    write_schedule(workshop, 'every = "60s"')
    automation_switch.pause(workshop.services, workshop.admin, "maintenance")
    clock.offset = timedelta(seconds=70)
    with keeping(workshop):
        wait_until(lambda: outcome(workshop))
    assert outcome(workshop) == "skipped: automation is paused"
    assert trainings(workshop) == []


def test_a_schedule_that_is_applied_while_the_keeper_runs_gets_its_alarm(
    workshop: Workshop, clock: Clock
) -> None:
    with keeping(workshop) as (wakeup, _):
        clock.offset = timedelta(seconds=-59)
        write_schedule(workshop, 'every = "60s"')
        clock.offset = timedelta()
        wakeup.wake()
        wait_until(lambda: len(trainings(workshop)) == 1, timeout=5)


def test_a_schedule_can_wake_the_monitor(workshop: Workshop, clock: Clock) -> None:
    write_schedule(workshop, 'cron = "* * * * *"', action="monitor")
    clock.offset = timedelta(seconds=61)
    with keeping(workshop) as (_, monitor):
        wait_until(monitor._woken.is_set)
        wait_until(lambda: outcome(workshop).startswith("windows are evaluated"))


def test_a_scheduled_backup_is_made_once_a_time_and_old_ones_go(workshop: Workshop, clock: Clock) -> None:
    write_schedule(workshop, 'every = "60s"', action="backup")
    with keeping(workshop) as (wakeup, _):
        for turn in range(1, 10):
            clock.offset = timedelta(seconds=60 * turn + 1)
            before = outcome(workshop)
            wakeup.wake()
            wait_until(lambda before=before: outcome(workshop) != before)  # type: ignore[misc]
    kept = sorted((workshop.root / "backups").iterdir())
    assert len(kept) == 7
    assert outcome(workshop) == f"backups/{kept[-1].name}"


def test_a_schedule_can_apply_retention(workshop: Workshop, clock: Clock) -> None:
    write_schedule(workshop, 'cron = "* * * * *"', action="retention")
    clock.offset = timedelta(seconds=61)
    with keeping(workshop):
        wait_until(lambda: outcome(workshop) == "0 rows deleted, 0 segments merged into 0")
