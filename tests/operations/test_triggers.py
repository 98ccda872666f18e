"""Triggers: each thing that sets one off starts one training at most, and what does not start says why."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import Harbour, make_harbour
from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import triggers
from pilothouse.operations.jobs import jobs
from pilothouse.store import jobs as stored
from pilothouse.system.fingerprint import fingerprint


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    made = make_harbour(tmp_path / "w")
    (made.root / "models" / "delay").mkdir(parents=True)
    source(made).write_text("at,wind,load,late\n")
    return made


def source(harbour: Harbour) -> Path:
    return harbour.root / "models" / "delay" / "rows.csv"


def watch(harbour: Harbour, *, budget: int = 6, **trigger: Any) -> None:
    table = {"name": "fresh", "cooldown": "1h", "quiet": "60s", **trigger}
    harbour.apply(automation={"trigger": [table], "budget_per_day": budget})
    triggers.look(harbour.services)


def look(harbour: Harbour, **of: float) -> list[str]:
    harbour.pass_time(**(of or {"seconds": 30}))
    return [f"job {event.job}" if event.job else event.reason for event in triggers.look(harbour.services)]


def all_jobs(harbour: Harbour) -> list[Job]:
    return jobs.list_jobs(harbour.services, harbour.actor("vera"), model="delay")


def end(harbour: Harbour, number: int) -> None:
    with harbour.services.registry.transaction() as connection:
        stored.end_waiting(connection, number, JobStatus.CANCELLED, "enough", at=harbour.time)


def add_row(harbour: Harbour) -> None:
    with source(harbour).open("a") as stream:
        stream.write("2026-01-01,1,2,0\n")


def test_new_data_starts_one_training_once_it_has_come_to_rest(harbour: Harbour) -> None:
    watch(harbour, on="data")
    assert look(harbour, hours=3) == []
    add_row(harbour)
    assert look(harbour) == []  # seen
    add_row(harbour)
    assert look(harbour, minutes=2) == []  # still being written
    assert look(harbour, seconds=59) == []
    assert look(harbour, seconds=2) == ["job 1"]
    assert look(harbour, hours=3) == []
    (job,) = all_jobs(harbour)
    assert (job.created_by, job.reason) == ("daemon", "trigger fresh: new data under rows.csv")
    (line,) = triggers.list_triggers(harbour.services, harbour.actor("vera"))
    assert line.newest is not None
    assert (line.newest.status, line.newest.job) == ("started", 1)


def test_data_that_may_not_start_one_waits_and_says_why_until_it_may(harbour: Harbour) -> None:
    watch(harbour, on="data")

    def renew() -> list[str]:
        add_row(harbour)
        look(harbour)
        return look(harbour, minutes=2)

    assert renew() == ["job 1"]
    assert renew() == ["training job 1 of this model has not ended yet"]
    assert look(harbour) == []  # the same reason is no news
    end(harbour, 1)
    assert look(harbour) == ["the cool-down of 3600 s is not over"]
    assert renew() == ["the cool-down of 3600 s is not over"]  # newer data takes the older's place
    automation_switch.pause(harbour.services, harbour.actor("oscar"), "holidays")
    assert look(harbour, hours=2) == ["automation is paused: holidays"]
    automation_switch.resume(harbour.services, harbour.actor("oscar"))
    assert look(harbour) == ["job 2"]
    events = triggers.list_events(harbour.services, harbour.actor("vera"))
    assert [event.status for event in events] == ["started", "superseded", "started"]
    assert len(all_jobs(harbour)) == 2


def test_a_noisy_source_trains_no_more_than_the_days_budget(harbour: Harbour) -> None:
    watch(harbour, on="data", cooldown="0s", budget=3)
    for _ in range(30):
        add_row(harbour)
        look(harbour)
        look(harbour, minutes=20)
        for job in all_jobs(harbour):
            end(harbour, job.id)
    assert len(all_jobs(harbour)) == 3
    (line,) = triggers.list_triggers(harbour.services, harbour.actor("vera"))
    assert line.newest is not None
    assert line.newest.reason == "the budget of 3 trainings in 24 hours is used up"
    assert look(harbour, hours=24) == ["job 4"]


def test_a_version_that_reaches_a_state_starts_another_models_training(harbour: Harbour) -> None:
    harbour.apply("weather")
    harbour.add_version("weather")
    watch(harbour, on="version", model="weather", state="candidate")
    assert look(harbour) == []  # what was there before counts for nothing
    harbour.add_version("weather", passed=False)
    assert look(harbour) == []
    harbour.add_version("weather")
    job = look(harbour)[0]
    assert job.startswith("job ")
    reasons = {f"job {j.id}": j.reason for j in all_jobs(harbour)}
    assert reasons[job] == "trigger fresh: models:/weather/3 is candidate"
    assert look(harbour, hours=5) == []


def test_a_crash_between_start_and_record_starts_no_second(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(harbour, on="data")
    add_row(harbour)
    look(harbour)

    def crash(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pilothouse.store.triggers.started", crash)
        with pytest.raises(KeyboardInterrupt):
            look(harbour, minutes=2)
    assert look(harbour) == ["job 1"]
    assert len(all_jobs(harbour)) == 1


def test_a_source_that_is_away_sets_nothing_off(harbour: Harbour) -> None:
    watch(harbour, on="data")
    text = source(harbour).read_text()
    before = source(harbour).stat()
    source(harbour).rename(source(harbour).with_name("elsewhere"))
    assert look(harbour, hours=1) == []
    source(harbour).with_name("elsewhere").rename(source(harbour))
    assert source(harbour).read_text() == text
    assert source(harbour).stat().st_mtime_ns == before.st_mtime_ns


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


def test_clocks_that_go_back_do_not_stop_a_trigger(harbour: Harbour) -> None:
    watch(harbour, on="data")
    add_row(harbour)
    look(harbour)
    harbour.time -= timedelta(hours=2)
    assert look(harbour) == ["job 1"]
