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
from support.small_workspace import SmallWorkspace, make_small_workspace


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
def small_workspace(tmp_path: Path, clock: Clock) -> Iterator[SmallWorkspace]:
    made = make_small_workspace(tmp_path / "w")
    made.services.now = clock
    yield made
    made.services.close()


def write_schedule(small_workspace: SmallWorkspace, line: str, action: str = "train") -> None:
    table = f'[[automation.schedule]]\nname = "often"\n{line}\naction = "{action}"'
    small_workspace.write_model(more=table)


@contextmanager
def keeping(small_workspace: SmallWorkspace) -> Iterator[tuple[Wakeup, Wakeup]]:
    """A keeper at work: the wakeup that wakes it, and the one that it wakes for the monitor."""
    stop = threading.Event()
    wakeup, monitor = Wakeup(stop), Wakeup(stop)
    keeper = ScheduleKeeper(small_workspace.services, monitor)
    thread = threading.Thread(target=keeper.run, args=(wakeup,))
    thread.start()
    try:
        yield wakeup, monitor
    finally:
        stop.set()
        wakeup.wake()
        thread.join(10)


def trainings(small_workspace: SmallWorkspace) -> list[Job]:
    return jobs.list_jobs(small_workspace.services, small_workspace.admin)


def outcome(small_workspace: SmallWorkspace) -> str:
    return schedules.list_schedules(small_workspace.services, small_workspace.admin)[0].last_outcome


def test_an_alarm_wakes_the_keeper_at_the_nominal_time(small_workspace: SmallWorkspace, clock: Clock) -> None:
    clock.offset = timedelta(seconds=-59)
    write_schedule(small_workspace, 'every = "60s"')
    clock.offset = timedelta()
    with keeping(small_workspace):
        wait_until(lambda: len(trainings(small_workspace)) == 1, timeout=5)
    assert trainings(small_workspace)[0].reason == "schedule often"
    assert outcome(small_workspace) == f"job {trainings(small_workspace)[0].id}"


def test_times_that_passed_without_a_daemon_are_one_run_that_stands_for_them(
    small_workspace: SmallWorkspace, clock: Clock
) -> None:
    write_schedule(small_workspace, 'every = "60s"')
    clock.offset = timedelta(seconds=190)
    with keeping(small_workspace) as (wakeup, _):
        wait_until(lambda: outcome(small_workspace))
        wakeup.wake()
    with keeping(small_workspace) as (wakeup, _):
        wakeup.wake()
    assert len(trainings(small_workspace)) == 1
    (made,) = schedules.list_schedules(small_workspace.services, small_workspace.admin)
    fires = schedules.history(small_workspace.services, small_workspace.admin, made.id).fires
    assert [fire.decision for fire in fires] == ["run", "merged", "merged"]
    assert fires[1].merged_into == fires[0].nominal


def test_a_paused_automation_lets_the_time_pass_and_says_so(
    small_workspace: SmallWorkspace, clock: Clock
) -> None:
    write_schedule(small_workspace, 'every = "60s"')
    automation_switch.pause(small_workspace.services, small_workspace.admin, "maintenance")
    clock.offset = timedelta(seconds=70)
    with keeping(small_workspace):
        wait_until(lambda: outcome(small_workspace))
    assert outcome(small_workspace) == "skipped: automation is paused"
    assert trainings(small_workspace) == []


def test_a_schedule_that_is_applied_while_the_keeper_runs_gets_its_alarm(
    small_workspace: SmallWorkspace, clock: Clock
) -> None:
    with keeping(small_workspace) as (wakeup, _):
        clock.offset = timedelta(seconds=-59)
        write_schedule(small_workspace, 'every = "60s"')
        clock.offset = timedelta()
        wakeup.wake()
        wait_until(lambda: len(trainings(small_workspace)) == 1, timeout=5)


def test_a_schedule_can_wake_the_monitor(small_workspace: SmallWorkspace, clock: Clock) -> None:
    write_schedule(small_workspace, 'cron = "* * * * *"', action="monitor")
    clock.offset = timedelta(seconds=61)
    with keeping(small_workspace) as (_, monitor):
        wait_until(monitor._woken.is_set)
        wait_until(lambda: outcome(small_workspace).startswith("windows are evaluated"))


def test_a_scheduled_backup_is_made_once_a_time_and_old_ones_go(
    small_workspace: SmallWorkspace, clock: Clock
) -> None:
    write_schedule(small_workspace, 'every = "60s"', action="backup")
    with keeping(small_workspace) as (wakeup, _):
        made: set[str] = set()
        for turn in range(
            1, 40
        ):  # a turn of a busy machine may take its minute, and two times are then one backup
            if len(made) == 9:
                break
            clock.offset = timedelta(seconds=60 * turn + 1)
            before = outcome(small_workspace)
            wakeup.wake()
            wait_until(lambda before=before: outcome(small_workspace) != before)  # type: ignore[misc]
            if outcome(small_workspace).startswith("backups/"):
                made.add(outcome(small_workspace))
    kept = sorted((small_workspace.root / "backups").iterdir())
    assert len(kept) == 7
    assert outcome(small_workspace) == f"backups/{kept[-1].name}"


def test_a_schedule_can_apply_retention(small_workspace: SmallWorkspace, clock: Clock) -> None:
    write_schedule(small_workspace, 'cron = "* * * * *"', action="retention")
    clock.offset = timedelta(seconds=61)
    with keeping(small_workspace):
        wait_until(lambda: outcome(small_workspace) == "0 rows deleted, 0 segments merged into 0")
