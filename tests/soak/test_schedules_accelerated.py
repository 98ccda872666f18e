"""Months of schedules in minutes: restarts, sleep, clocks that are set, crashes; nothing missing, nothing twice."""

import functools
import gc
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Schedule
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import schedules
from pilothouse.operations.automation.schedule_times import nominal_times, start_of
from pilothouse.operations.automation.schedules import Due
from pilothouse.operations.jobs import trainings
from pilothouse.store.work import jobs as stored_jobs
from pilothouse.store.work import schedules as stored
from support.soak_plan import seeded, size

SCHEDULES = [
    {"name": "berlin", "cron": "30 2 * * *", "timezone": "Europe/Berlin", "catch_up": "all"},
    {"name": "york", "cron": "15,45 1-2 * * *", "timezone": "America/New_York", "catch_up": "once"},
    {
        "name": "howe",
        "cron": "*/30 * * * *",
        "timezone": "Australia/Lord_Howe",
        "catch_up": "once",
        "jitter": "10m",
    },
    {"name": "paulo", "cron": "0 0 * * 1-5", "timezone": "America/Sao_Paulo", "catch_up": "skip"},
    {"name": "apia", "cron": "0 */3 * * *", "timezone": "Pacific/Apia", "catch_up": "all", "jitter": "1h"},
    {"name": "often", "every": "20m", "catch_up": "all"},
    {"name": "once", "at": "2026-09-25T22:00", "timezone": "Europe/Berlin"},
]


class CrashError(BaseException):
    """The daemon ends here."""


def resident_kb() -> int:
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError


def test_every_nominal_time_ends_once_as_run_merged_or_skipped(tmp_path: Path) -> None:
    chance, wanted = seeded("schedules"), size(120, 10_000)
    example = make_example(tmp_path / "w")
    example.time = datetime(2026, 9, 25, tzinfo=UTC)  # a month before clocks in Berlin go back
    applied = example.time
    example.apply(automation={"schedule": SCHEDULES})
    started: Counter[str] = Counter()
    runs, crashes, behind, memory = 0, 0, 0, 0

    def turn() -> int:
        """What a daemon does at an alarm, dying now and then: before, in the midst of, or after what it does."""
        done = 0
        for item in schedules.due(example.services):
            fate = chance.random()
            if fate < 0.02:
                raise CrashError
            schedules.fire(example.services, item, functools.partial(act, item, fate))
            done += 1
        return done

    def act(item: Due, fate: float, schedule: Schedule) -> str:
        key = schedules.trigger_key(schedule, item.nominal)
        before = trainings_with(example, key)
        options = trainings.TrainingOptions(trigger_key=key)
        job = trainings.start_training(example.services, DAEMON, "delay", options)
        if not before:
            started[key] += 1
            with example.services.registry.transaction() as connection:
                stored_jobs.end_waiting(connection, job.id, JobStatus.CANCELLED, "enough", at=example.time)
        if fate < 0.04:
            raise CrashError
        return f"job {job.id}"

    while runs < wanted:
        move = chance.random()
        if move < 0.01:
            example.pass_time(hours=8)  # the machine slept
        elif move < 0.02:
            example.time += timedelta(hours=chance.choice((-2, 2)))  # somebody set the clock
        elif move > 0.023:
            example.pass_time(seconds=chance.randrange(20, 1_200))
        try:
            if 0.02 <= move <= 0.023:
                automation_switch.pause(example.services, example.actor("oscar"), "a look")
                example.pass_time(minutes=chance.randrange(1, 90))
                schedules.due(example.services)
                automation_switch.resume(example.services, example.actor("oscar"))
            runs += turn()
        except CrashError:
            crashes += 1
        except UnavailableError:  # the clock is behind the log: nothing is changed until it has come up again
            behind += 1
        if not memory and runs >= wanted / 10:
            memory = resident_kb()
    example.pass_time(hours=3)  # no clock is behind what was decided, and no crash is open
    for item in schedules.due(example.services):
        schedules.fire(example.services, item, functools.partial(act, item, 1.0))
    grown = resident_kb() / memory - 1
    print(
        f"{runs} runs until {example.time}, {crashes} crashes, {behind} turns behind the log, memory {grown:+.1%}"
    )

    with example.services.registry.read() as connection:
        for schedule in stored.listed(connection):
            rule = stored.rule_of(connection, schedule.id)
            fires = stored.fires(connection, schedule.id, 1_000_000)[::-1]
            last = fires[-1].nominal
            come = list(takewhile(last.__ge__, nominal_times(rule, applied)))
            assert [fire.nominal for fire in fires] == come, schedule.name
            later = (
                next(time for time in nominal_times(rule, fires[-1].nominal)) if rule.once is None else None
            )
            assert later is None or start_of(rule, later) > example.time, schedule.name
            kinds = {fire.nominal: fire.decision for fire in fires}
            for fire in fires:
                assert fire.reason
                assert fire.outcome or fire.decision != "run", (schedule.name, fire.nominal)
                key = schedules.trigger_key(schedule, fire.nominal)
                assert started[key] == (fire.decision == "run")
                if fire.merged_into is not None:
                    assert kinds[fire.merged_into] in ("run", "skipped")
                    assert fire.merged_into > fire.nominal
    assert set(started.values()) == {1}
    assert grown <= 0.10


def trainings_with(example: Example, key: str) -> bool:
    with example.services.registry.read() as connection:
        return stored_jobs.find_by_trigger(connection, "delay", key) is not None
