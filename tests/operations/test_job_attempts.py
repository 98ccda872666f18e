"""What becomes of attempts that fail: another one by the model's rules, none for what stays wrong, and no word between."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import Harbour, make_harbour
from pilothouse.domain.errors import InvalidInputError, NotFoundError, StaleAttemptError
from pilothouse.domain.jobs import Cause, JobStatus, back_off_s, retry_reason
from pilothouse.domain.records import Job
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.jobs import backfills, job_attempts, jobs, trainings
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.workspace import audits


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    return make_harbour(tmp_path / "w")


def rules(harbour: Harbour, **training: Any) -> None:
    harbour.apply(training={"estimator": "sklearn.linear_model.LogisticRegression", **training})


def queue(harbour: Harbour, **options: Any) -> Job:
    return trainings.start_training(harbour.services, harbour.actor("sam"), "delay", **options)


def claim(harbour: Harbour) -> ClaimedJob | None:
    return jobs.claim_job(harbour.services, "daemon", 30)


def claimed(harbour: Harbour) -> ClaimedJob:
    held = claim(harbour)
    assert held is not None
    return held


def settle(harbour: Harbour, held: ClaimedJob, status: JobStatus, cause: Cause = "") -> Job:
    return job_attempts.settle(harbour.services, held, JobOutcome(status, f"it {status}", cause=cause))


def test_a_passing_failure_is_tried_again_with_back_off_and_nobody_is_told_before_the_last(
    harbour: Harbour,
) -> None:
    queue(harbour)
    waits = []
    for failures in (1, 2):
        job = settle(harbour, claimed(harbour), JobStatus.FAILED, "source")
        assert (job.status, job.failures, job.error) == (JobStatus.QUEUED, failures, "")
        assert "it failed" in job.message
        assert job.not_before is not None
        waits.append((job.not_before - harbour.time).total_seconds())
        assert claim(harbour) is None
        harbour.time = job.not_before
    job = settle(harbour, claimed(harbour), JobStatus.FAILED, "source")
    assert (job.status, job.error, job.attempt) == (JobStatus.FAILED, "it failed", 3)
    assert waits == [30, 60]
    shown = audits.show(harbour.services, harbour.actor("aud"), limit=50)
    ends = [entry.action for entry in shown if entry.subject == f"job {job.id}" and "job.e" in entry.action]
    assert ends == ["job.ended"]


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
    harbour: Harbour, status: JobStatus, cause: Cause, again: bool
) -> None:
    queue(harbour)
    job = settle(harbour, claimed(harbour), status, cause)
    assert job.status is (JobStatus.QUEUED if again else status)


def test_the_model_file_says_which_and_how_often(harbour: Harbour) -> None:
    rules(harbour, retries=1, retry_after="5s", retry_on=["out of memory"])
    queue(harbour)
    job = settle(harbour, claimed(harbour), JobStatus.OUT_OF_MEMORY)
    assert job.not_before == harbour.time + timedelta(seconds=5)
    harbour.pass_time(seconds=5)
    assert settle(harbour, claimed(harbour), JobStatus.OUT_OF_MEMORY).status is JobStatus.OUT_OF_MEMORY
    queue(harbour)
    assert settle(harbour, claimed(harbour), JobStatus.LOST, "lost").status is JobStatus.LOST
    queue(harbour, overrides={"training.retries": 0})
    assert settle(harbour, claimed(harbour), JobStatus.OUT_OF_MEMORY).status is JobStatus.OUT_OF_MEMORY


def test_back_off_doubles_up_to_an_hour() -> None:
    assert [back_off_s(30, n) for n in (1, 2, 3, 8, 500)] == [30, 60, 120, 3_600, 3_600]
    assert retry_reason(JobStatus.SUCCEEDED, "lost") is None


def test_a_cancelled_job_is_not_tried_again_however_it_ends(harbour: Harbour) -> None:
    job = queue(harbour)
    held = claimed(harbour)
    jobs.cancel_job(harbour.services, harbour.actor("sam"), job.id)
    assert settle(harbour, held, JobStatus.CRASHED, "killed").status is JobStatus.CRASHED


def test_a_stale_attempt_can_neither_settle_nor_park_nor_hand_over(harbour: Harbour) -> None:
    queue(harbour)
    held = claimed(harbour)
    harbour.pass_time(seconds=31)
    (job,) = job_attempts.requeue_lost(harbour.services)
    assert job.failures == 1
    for late in (
        lambda: settle(harbour, held, JobStatus.FAILED, "source"),
        lambda: job_attempts.park(harbour.services, held, [], "waits"),
        lambda: job_attempts.hand_over(harbour.services, held),
    ):
        with pytest.raises(StaleAttemptError):
            late()


def test_handing_over_costs_no_attempt(harbour: Harbour) -> None:
    job = queue(harbour)
    for _ in range(10):
        assert job_attempts.hand_over(harbour.services, claimed(harbour)).failures == 0
    assert claimed(harbour).attempt == 11
    assert jobs.get_job(harbour.services, harbour.actor("sam"), job.id).status is JobStatus.RUNNING


def test_the_highest_priority_goes_first_then_the_oldest(harbour: Harbour) -> None:
    rules(harbour, concurrency=10)
    low, first, second, high = (queue(harbour, priority=p).id for p in (-5, 0, 0, 7))
    assert [claimed(harbour).job.id for _ in range(4)] == [high, first, second, low]
    with pytest.raises(InvalidInputError, match="priority: found 101"):
        queue(harbour, priority=101)


def test_a_model_runs_no_more_jobs_at_once_than_its_file_says(harbour: Harbour) -> None:
    rules(harbour, concurrency=2)
    harbour.apply("other")
    for _ in range(3):
        queue(harbour)
    trainings.start_training(harbour.services, harbour.actor("sam"), "other")
    held = [claimed(harbour) for _ in range(3)]
    assert [h.job.model for h in held] == ["delay", "delay", "other"]
    assert claim(harbour) is None
    settle(harbour, held[0], JobStatus.FAILED)
    assert claimed(harbour).job.id == 3


def test_a_job_waits_for_the_success_of_others_and_ends_where_it_cannot_come(harbour: Harbour) -> None:
    first = queue(harbour)
    second = queue(harbour, after=[first.id], priority=50)
    third = queue(harbour, after=[second.id])
    with pytest.raises(NotFoundError, match="no job 99"):
        queue(harbour, after=[99])
    held = claimed(harbour)
    assert (held.job.id, claim(harbour)) == (first.id, None)
    settle(harbour, held, JobStatus.FAILED, "data")
    assert claim(harbour) is None
    ended = [*job_attempts.end_hopeless(harbour.services), *job_attempts.end_hopeless(harbour.services)]
    assert [(job.id, job.status) for job in ended] == [
        (second.id, JobStatus.CANCELLED),
        (third.id, JobStatus.CANCELLED),
    ]
    assert ended[0].error == f"job {first.id}, on whose success it waited, ended otherwise: failed"


def test_a_deadline_ends_what_still_waits(harbour: Harbour) -> None:
    with pytest.raises(InvalidInputError, match="has passed"):
        queue(harbour, deadline=harbour.time)
    queue(harbour, deadline=harbour.time + timedelta(hours=1))
    assert job_attempts.end_hopeless(harbour.services) == []
    harbour.pass_time(hours=1)
    (job,) = job_attempts.end_hopeless(harbour.services)
    assert (job.status, "passed while it waited" in job.error) == (JobStatus.TIMED_OUT, True)


def test_a_back_fill_is_one_job_a_date_and_goes_on_where_it_was_interrupted(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = harbour.actor("sam")
    since, until = harbour.time - timedelta(days=28), harbour.time - timedelta(days=1)

    def ask() -> list[backfills.BackfilledDate]:
        return backfills.backfill(harbour.services, sam, "delay", since, until, timedelta(days=7))

    real = backfills.start_training
    asked = []

    def interrupted(*args: Any, **kwargs: Any) -> Job:
        asked.append(kwargs["as_of"])
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
        backfills.backfill(harbour.services, sam, "delay", since, until, timedelta(minutes=1))
    with pytest.raises(InvalidInputError, match="still to come"):
        backfills.backfill(
            harbour.services, sam, "delay", since, harbour.time + timedelta(days=1), timedelta(days=7)
        )
