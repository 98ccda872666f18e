"""Triggers: each thing that sets one off starts one training at most, and what does not start says why."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import Example, make_example
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.triggers import Look
from pilothouse.domain.outbox.happenings import TRIGGER_FAILING, TRIGGER_RECOVERED
from pilothouse.domain.records import Job
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import automation_activity, triggers
from pilothouse.operations.jobs import jobs
from pilothouse.operations.workspace import audits
from pilothouse.presentation.tables.trigger_rows import look_text
from pilothouse.store.work import jobs as stored
from pilothouse.system.fingerprint import fingerprint


@pytest.fixture
def example(tmp_path: Path) -> Example:
    made = make_example(tmp_path / "w")
    (made.root / "models" / "delay").mkdir(parents=True)
    source(made).write_text("at,wind,load,late\n")
    return made


def source(example: Example) -> Path:
    return example.root / "models" / "delay" / "rows.csv"


def watch(example: Example, *, budget: int = 6, **trigger: Any) -> None:
    table = {"name": "fresh", "cooldown": "1h", "quiet": "60s", **trigger}
    example.apply(automation={"trigger": [table], "budget_per_day": budget})
    triggers.check_triggers(example.services)


def look(example: Example, **of: float) -> list[str]:
    example.pass_time(**(of or {"seconds": 30}))
    return [
        f"job {event.job}" if event.job else event.reason
        for event in triggers.check_triggers(example.services)
    ]


def all_jobs(example: Example) -> list[Job]:
    return jobs.list_jobs(example.services, example.actor("vera"), model="delay")


def end(example: Example, number: int) -> None:
    with example.services.registry.transaction() as connection:
        stored.end_waiting(connection, number, JobStatus.CANCELLED, "enough", at=example.time)


def add_row(example: Example) -> None:
    with source(example).open("a") as stream:
        stream.write("2026-01-01,1,2,0\n")


def test_new_data_starts_one_training_once_it_has_come_to_rest(example: Example) -> None:
    watch(example, on="data")
    assert look(example, hours=3) == []
    add_row(example)
    assert look(example) == []  # seen
    add_row(example)
    assert look(example, minutes=2) == []  # still being written
    assert look(example, seconds=59) == []
    assert look(example, seconds=2) == ["job 1"]
    assert look(example, hours=3) == []
    (job,) = all_jobs(example)
    assert (job.created_by, job.reason) == ("daemon", "trigger fresh: new data under rows.csv")
    (line,) = automation_activity.list_starters(example.services, example.actor("vera"))
    assert line.started is not None
    assert (line.started.status, line.started.job, line.refused) == ("started", 1, None)


def test_data_that_may_not_start_one_waits_and_says_why_until_it_may(example: Example) -> None:
    watch(example, on="data")

    def renew() -> list[str]:
        add_row(example)
        look(example)
        return look(example, minutes=2)

    assert renew() == ["job 1"]
    assert renew() == ["training job 1 of this model has not ended yet"]
    assert look(example) == []  # the same reason is no news
    end(example, 1)
    assert look(example) == ["the cool-down of 3600 s is not over"]
    assert renew() == ["the cool-down of 3600 s is not over"]  # newer data takes the older's place
    automation_switch.pause(example.services, example.actor("oscar"), "holidays")
    assert look(example, hours=2) == ["automation is paused: holidays"]
    automation_switch.resume(example.services, example.actor("oscar"))
    assert look(example) == ["job 2"]
    events, count = triggers.list_events(example.services, example.actor("vera"))
    assert count == 3
    assert triggers.list_events(example.services, example.actor("vera"), limit=1) == (events[:1], 3)
    assert [event.status for event in events] == ["started", "superseded", "started"]
    assert len(all_jobs(example)) == 2


def test_a_noisy_source_trains_no_more_than_the_days_budget(example: Example) -> None:
    watch(example, on="data", cooldown="0s", budget=3)
    for _ in range(30):
        add_row(example)
        look(example)
        look(example, minutes=20)
        for job in all_jobs(example):
            end(example, job.id)
    assert len(all_jobs(example)) == 3
    (line,) = automation_activity.list_starters(example.services, example.actor("vera"))
    assert line.started is not None
    assert line.refused is not None
    assert line.started.job == 3
    assert line.started.at < line.refused.at
    assert line.refused.reason == "the budget of 3 trainings in 24 hours is used up"
    assert look(example, hours=24) == ["job 4"]


def test_a_version_that_reaches_a_state_starts_another_models_training(example: Example) -> None:
    example.apply("weather")
    example.add_version("weather")
    watch(example, on="version", model="weather", state="candidate")
    assert look(example) == []  # what was there before counts for nothing
    example.add_version("weather", passed=False)
    assert look(example) == []
    example.add_version("weather")
    job = look(example)[0]
    assert job.startswith("job ")
    reasons = {f"job {j.id}": j.reason for j in all_jobs(example)}
    assert reasons[job] == "trigger fresh: models:/weather/3 is candidate"
    assert look(example, hours=5) == []


def test_a_crash_between_start_and_record_starts_no_second(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(example, on="data")
    add_row(example)
    look(example)

    def crash(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pilothouse.store.work.triggers.started", crash)
        with pytest.raises(KeyboardInterrupt):
            look(example, minutes=2)
    assert look(example) == ["job 1"]
    assert len(all_jobs(example)) == 1


def test_a_source_that_is_away_sets_nothing_off(example: Example) -> None:
    watch(example, on="data")
    text = source(example).read_text()
    before = source(example).stat()
    source(example).rename(source(example).with_name("elsewhere"))
    assert look(example, hours=1) == []
    source(example).with_name("elsewhere").rename(source(example))
    assert source(example).read_text() == text
    assert source(example).stat().st_mtime_ns == before.st_mtime_ns


def test_a_fingerprint_is_of_a_folders_files_and_of_a_log_beside_a_database(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "nothing") is None
    assert fingerprint(tmp_path) is None
    (tmp_path / "a.csv").write_text("1")
    first = fingerprint(tmp_path)
    assert first == fingerprint(tmp_path)
    (tmp_path / "b.csv").write_text("1")
    assert fingerprint(tmp_path) != first
    one = fingerprint(tmp_path / "a.csv")
    (tmp_path / "a.csv-wal").write_text("1")
    assert fingerprint(tmp_path / "a.csv") != one


def test_clocks_that_go_back_do_not_stop_a_trigger(example: Example) -> None:
    watch(example, on="data")
    add_row(example)
    look(example)
    example.time -= timedelta(minutes=1)
    assert look(example) == ["job 1"]


def test_a_look_that_failed_stands_in_the_lists_and_is_told_of_at_the_third(example: Example) -> None:
    watch(example, on="data")

    def state() -> Look | None:
        (line,) = automation_activity.list_starters(example.services, example.actor("vera"))
        return line.look

    def told() -> list[str]:
        entries = audits.show(example.services, example.actor("vera"), limit=50)
        return [e.action for e in reversed(entries) if e.action in (TRIGGER_FAILING, TRIGGER_RECOVERED)]

    first = state()
    assert first is not None
    assert (first.fault, first.failures) == ("", 0)
    assert automation_activity.failing_looks(example.services, example.actor("vera")) == {}
    source(example).rename(example.root / "away.csv")
    look(example)
    began = example.time
    look(example, seconds=10)  # the same a moment later is no news
    failing = state()
    assert failing is not None
    assert (failing.fault, failing.failures, failing.since) == ("there is nothing at rows.csv", 1, began)
    look(example, minutes=2)
    assert told() == []
    look(example, minutes=2)
    look(example, minutes=2)
    ((name, failed),) = automation_activity.failing_looks(example.services, example.actor("vera")).items()
    assert (name, failed.failures, failed.since) == ("delay fresh", 4, began)
    assert told() == [TRIGGER_FAILING]
    assert "4 times in a row" in look_text(failed)
    (example.root / "away.csv").rename(source(example))
    look(example)
    assert automation_activity.failing_looks(example.services, example.actor("vera")) == {}
    assert told() == [TRIGGER_FAILING, TRIGGER_RECOVERED]


def test_a_trigger_that_is_no_longer_in_force_fails_no_more(example: Example) -> None:
    watch(example, on="data")
    source(example).unlink()
    look(example)
    assert len(automation_activity.failing_looks(example.services, example.actor("vera"))) == 1
    example.apply()
    assert automation_activity.failing_looks(example.services, example.actor("vera")) == {}
