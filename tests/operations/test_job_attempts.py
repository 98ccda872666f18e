"""What becomes of attempts that fail: another one by the model's rules, none for what stays wrong, and no word between."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import InvalidInputError, NotFoundError, StaleAttemptError
from pilothouse.domain.jobs.jobs import Cause, JobStatus, back_off_s, retry_reason
from pilothouse.domain.records import Job
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.jobs import backfills, job_attempts, jobs, trainings
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.workspace import audits


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return make_example(tmp_path / "w")


def rules(example: Example, **training: Any) -> None:
    example.apply(training={"estimator": "sklearn.linear_model.LogisticRegression", **training})


def queue(example: Example, **options: Any) -> Job:
    asked = trainings.TrainingOptions(**options)
    return trainings.start_training(example.services, example.actor("sam"), "delay", asked)


def claim(example: Example) -> ClaimedJob | None:
    return jobs.claim_job(example.services, "daemon", 30)


def claimed(example: Example) -> ClaimedJob:
    held = claim(example)
    assert held is not None
    return held


def settle(example: Example, held: ClaimedJob, status: JobStatus, cause: Cause = "") -> Job:
    return job_attempts.settle(example.services, held, JobOutcome(status, f"it {status}", cause=cause))


def test_a_passing_failure_is_tried_again_with_back_off_and_nobody_is_told_before_the_last(
    example: Example,
) -> None:
    queue(example)
    waits = []
    for failures in (1, 2):
        job = settle(example, claimed(example), JobStatus.FAILED, "source")
        assert (job.status, job.failures, job.error) == (JobStatus.QUEUED, failures, "")
        assert "it failed" in job.message
        assert job.not_before is not None
        waits.append((job.not_before - example.time).total_seconds())
        assert claim(example) is None
        example.time = job.not_before
    job = settle(example, claimed(example), JobStatus.FAILED, "source")
    assert (job.status, job.error, job.attempt) == (JobStatus.FAILED, "it failed", 3)
    assert waits == [30, 60]
    shown = audits.show(example.services, example.actor("aud"), limit=50)
    ends = [entry.action for entry in shown if entry.subject == f"job {job.id}" and "job.e" in entry.action]
    assert ends == ["job.ended"]


def test_the_attempts_before_are_told_with_their_reasons(example: Example) -> None:
    job = queue(example)
    vera = example.actor("vera")
    assert jobs.attempts_before(example.services, vera, job.id) == []
    put_back = settle(example, claimed(example), JobStatus.FAILED, "source")
    example.time = put_back.not_before or example.time
    job_attempts.hand_over(example.services, claimed(example))
    assert jobs.attempts_before(example.services, vera, job.id) == [
        "attempt 1 failed: it failed",
        "attempt 2 was handed over by a daemon that stopped",
    ]


@pytest.mark.parametrize(
    ("status", "cause", "again"),
    [
        (JobStatus.FAILED, "data", False),
        (JobStatus.FAILED, "source", True),
        (JobStatus.USER_EXCEPTION, "user", False),
        (JobStatus.CRASHED, "", False),
        (JobStatus.CRASHED, "killed", True),
        (JobStatus.OUT_OF_MEMORY, "", False),
        (JobStatus.DISK_FULL, "disk full", True),
        (JobStatus.TIMED_OUT, "", False),
        (JobStatus.LOST, "lost", True),
        (JobStatus.CANCELLED, "", False),
    ],
)
def test_which_failures_are_worth_another_attempt(
    example: Example, status: JobStatus, cause: Cause, again: bool
) -> None:
    queue(example)
    job = settle(example, claimed(example), status, cause)
    assert job.status is (JobStatus.QUEUED if again else status)


def test_the_model_file_says_which_and_how_often(example: Example) -> None:
    rules(example, retries=1, retry_after="5s", retry_on=["out of memory"])
    queue(example)
    job = settle(example, claimed(example), JobStatus.OUT_OF_MEMORY)
    assert job.not_before == example.time + timedelta(seconds=5)
    example.pass_time(seconds=5)
    assert settle(example, claimed(example), JobStatus.OUT_OF_MEMORY).status is JobStatus.OUT_OF_MEMORY
    queue(example)
    assert settle(example, claimed(example), JobStatus.LOST, "lost").status is JobStatus.LOST
    queue(example, overrides={"training.retries": 0})
    assert settle(example, claimed(example), JobStatus.OUT_OF_MEMORY).status is JobStatus.OUT_OF_MEMORY


def test_back_off_doubles_up_to_an_hour() -> None:
    assert [back_off_s(30, n) for n in (1, 2, 3, 8, 500)] == [30, 60, 120, 3_600, 3_600]
    assert retry_reason(JobStatus.SUCCEEDED, "lost") is None


def test_a_cancelled_job_is_not_tried_again_however_it_ends(example: Example) -> None:
    job = queue(example)
    held = claimed(example)
    jobs.cancel_job(example.services, example.actor("sam"), job.id)
    assert settle(example, held, JobStatus.CRASHED, "killed").status is JobStatus.CRASHED
    job = queue(example)
    held = claimed(example)
    jobs.cancel_job(example.services, example.actor("sam"), job.id)
    ended = settle(example, held, JobStatus.LOST, "lost")
    assert (ended.status, ended.error) == (JobStatus.CANCELLED, "cancelled; it lost")


def test_a_stale_attempt_can_neither_settle_nor_park_nor_hand_over(example: Example) -> None:
    queue(example)
    held = claimed(example)
    example.pass_time(seconds=31)
    (job,) = job_attempts.requeue_lost(example.services)
    assert job.failures == 1
    for late in (
        lambda: settle(example, held, JobStatus.FAILED, "source"),
        lambda: job_attempts.park(example.services, held, [], "waits"),
        lambda: job_attempts.hand_over(example.services, held),
    ):
        with pytest.raises(StaleAttemptError):
            late()


def test_handing_over_costs_no_attempt(example: Example) -> None:
    job = queue(example)
    for _ in range(10):
        assert job_attempts.hand_over(example.services, claimed(example)).failures == 0
    assert claimed(example).attempt == 11
    assert jobs.get_job(example.services, example.actor("sam"), job.id).status is JobStatus.RUNNING


def test_the_highest_priority_goes_first_then_the_oldest(example: Example) -> None:
    rules(example, concurrency=10)
    low, first, second, high = (queue(example, priority=p).id for p in (-5, 0, 0, 7))
    assert [claimed(example).job.id for _ in range(4)] == [high, first, second, low]
    with pytest.raises(InvalidInputError, match="priority: found 101"):
        queue(example, priority=101)


def test_a_model_runs_no_more_jobs_at_once_than_its_file_says(example: Example) -> None:
    rules(example, concurrency=2)
    example.apply("other")
    for _ in range(3):
        queue(example)
    trainings.start_training(example.services, example.actor("sam"), "other")
    held = [claimed(example) for _ in range(3)]
    assert [h.job.model for h in held] == ["delay", "delay", "other"]
    assert claim(example) is None
    settle(example, held[0], JobStatus.FAILED)
    assert claimed(example).job.id == 3


def test_a_job_waits_for_the_success_of_others_and_ends_where_it_cannot_come(example: Example) -> None:
    first = queue(example)
    second = queue(example, after=[first.id], priority=50)
    third = queue(example, after=[second.id])
    with pytest.raises(NotFoundError, match="no job 99"):
        queue(example, after=[99])
    held = claimed(example)
    assert (held.job.id, claim(example)) == (first.id, None)
    settle(example, held, JobStatus.FAILED, "data")
    assert claim(example) is None
    ended = [*job_attempts.end_hopeless(example.services), *job_attempts.end_hopeless(example.services)]
    assert [(job.id, job.status) for job in ended] == [
        (second.id, JobStatus.CANCELLED),
        (third.id, JobStatus.CANCELLED),
    ]
    assert ended[0].error == f"job {first.id}, on whose success it waited, ended otherwise: failed"


def test_a_deadline_ends_what_still_waits(example: Example) -> None:
    with pytest.raises(InvalidInputError, match="has passed"):
        queue(example, deadline=example.time)
    queue(example, deadline=example.time + timedelta(hours=1))
    assert job_attempts.end_hopeless(example.services) == []
    example.pass_time(hours=1)
    (job,) = job_attempts.end_hopeless(example.services)
    assert (job.status, "passed while it waited" in job.error) == (JobStatus.TIMED_OUT, True)


def test_a_back_fill_is_one_job_a_date_and_goes_on_where_it_was_interrupted(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = example.actor("sam")
    since, until = example.time - timedelta(days=28), example.time - timedelta(days=1)

    past = backfills.PastDates(since, until, timedelta(days=7))

    def ask() -> list[backfills.BackfilledDate]:
        return backfills.backfill(example.services, sam, "delay", past)

    real = backfills.start_training
    asked = []

    def interrupted(*args: Any, **kwargs: Any) -> Job:
        asked.append(args)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(backfills, "start_training", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask()
    dates = ask()
    assert [date.new for date in dates] == [False, False, True, True]
    assert [date.job.options["as_of"] for date in dates] == [
        (since + timedelta(days=7 * i)).isoformat() for i in range(4)
    ]
    assert {date.job.priority for date in dates} == {-10}
    assert [date.new for date in ask()] == [False] * 4
    with pytest.raises(InvalidInputError, match="1,000 at most"):
        backfills.backfill(example.services, sam, "delay", replace(past, every=timedelta(minutes=1)))
    later = replace(past, until=example.time + timedelta(days=1))
    with pytest.raises(InvalidInputError, match="still to come"):
        backfills.backfill(example.services, sam, "delay", later)
