"""The queue: leases, fencing, cancelling, retrying, logs."""

import os
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError, NotAllowedError, NotFoundError, StaleAttemptError
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations.jobs import job_attempts, jobs, results
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, audits
from support.job_workspace import (
    APPROVER,
    MODEL,
    SCIENTIST,
    actor,
    applied,
    claim,
    failed,
    finish,
    outcome_of,
    queue,
    trained,
    write_model,
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return applied(tmp_path)


def later(services: Services, seconds: float) -> Services:
    """The same workspace, with a clock that has moved on."""
    now = services.now
    return replace(services, now=lambda: now() + timedelta(seconds=seconds))


def test_jobs_are_claimed_in_order_each_by_one(services: Services) -> None:
    first, second = queue(services), queue(services)

    assert claim(services, "a").job.id == first.id
    assert claim(services, "b").job.id == second.id
    assert jobs.claim_job(services, "c", 30) is None


def test_many_claiming_at_once_get_each_job_once(services: Services) -> None:
    write_model(services.paths.root, MODEL.replace("seed = 7", "seed = 7\nconcurrency = 8"))
    apply_models.apply(services, actor(services, SCIENTIST))
    for _ in range(8):
        queue(services)
    found: list[int] = []

    def work(name: str) -> None:
        own = open_workspace(services.paths.root)
        while (held := jobs.claim_job(own, name, 30)) is not None:
            found.append(held.job.id)
        own.close()

    threads = [threading.Thread(target=work, args=(f"worker-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == list(range(1, 9))


def test_progress_and_heartbeat_are_of_the_attempt_that_holds_the_job(services: Services) -> None:
    queue(services)
    held = claim(services)

    jobs.report_progress(services, held, "fit", 0.4, "tree 40\nof 100")
    assert not jobs.heartbeat(services, held)

    job = jobs.get_job(services, actor(services, SCIENTIST), held.job.id)
    assert (job.step, job.progress, job.message) == ("fit", 0.4, "tree 40 of 100")
    with pytest.raises(StaleAttemptError):
        jobs.heartbeat(services, replace(held, owner="somebody else"))


def test_a_lost_attempt_is_queued_again_and_can_commit_nothing(services: Services) -> None:
    queue(services)
    old = claim(services, "a", lease_s=30)
    outcome = outcome_of(services, old)

    assert job_attempts.requeue_lost(services) == []
    (job,) = job_attempts.requeue_lost(later(services, 31))
    assert job.status is JobStatus.QUEUED
    new = claim(services, "b")

    assert new.attempt == old.attempt + 1
    for late in (
        lambda: jobs.heartbeat(services, old),
        lambda: jobs.report_progress(services, old, "fit", 0.9, ""),
        lambda: finish(services, old, failed(outcome, JobStatus.FAILED, "no")),
        lambda: results.record_training(services, old, outcome),
    ):
        with pytest.raises(StaleAttemptError, match="attempt 1 of job 1 holds it no more"):
            late()
    assert jobs.get_job(services, actor(services, SCIENTIST), 1).status is JobStatus.RUNNING
    assert not jobs.heartbeat(services, new)


def test_a_new_leader_takes_over_at_once_what_another_daemon_held(services: Services) -> None:
    queue(services)
    claim(services, "dead daemon", lease_s=3600)

    (job,) = job_attempts.requeue_lost(services, leader="new daemon")

    assert job.status is JobStatus.QUEUED
    claim(services, "new daemon")
    assert job_attempts.requeue_lost(services, leader="new daemon") == []


def test_a_job_whose_attempts_are_used_up_is_lost(services: Services) -> None:
    queue(services)
    for _ in range(3):
        claim(services, "daemon", lease_s=30)
        (job,) = job_attempts.requeue_lost(services, leader="other")

    assert job.status is JobStatus.LOST
    assert "during each of 3 attempts" in job.error
    assert jobs.claim_job(services, "daemon", 30) is None


def test_each_way_to_end_is_told_by_name(services: Services) -> None:
    for status in (JobStatus.FAILED, JobStatus.CRASHED, JobStatus.OUT_OF_MEMORY, JobStatus.TIMED_OUT):
        queue(services)
        held = claim(services)
        outcome = failed(outcome_of(services, held), status, f"it {status}\nbadly")
        job = finish(services, held, outcome)
        assert (job.status, job.error) == (status, f"it {status} badly")
        assert job.result == {"seconds": 2.5, "peak_memory_mb": 120.0}
        assert job.ended_at is not None
        with pytest.raises(StaleAttemptError):
            finish(services, held, outcome)


def test_a_waiting_job_is_cancelled_at_once(services: Services) -> None:
    queue(services)

    job = jobs.cancel_job(services, actor(services, SCIENTIST), 1, reason="wrong month")

    assert (job.status, job.error) == (JobStatus.CANCELLED, "cancelled by ann: wrong month")
    assert jobs.claim_job(services, "daemon", 30) is None
    with pytest.raises(ConflictError, match="ended already: cancelled"):
        jobs.cancel_job(services, actor(services, SCIENTIST), 1)


def test_the_cancelling_of_a_running_job_is_seen_by_its_supervisor(services: Services) -> None:
    queue(services)
    held = claim(services)
    assert not jobs.cancel_wanted(services, held)

    assert jobs.cancel_job(services, actor(services, SCIENTIST), 1).status is JobStatus.RUNNING

    assert jobs.cancel_wanted(services, held)
    assert jobs.heartbeat(services, held)
    (job,) = job_attempts.requeue_lost(services, leader="another daemon")
    assert job.status is JobStatus.CANCELLED


def test_an_ended_job_is_retried_as_a_job_of_its_own_with_the_same_inputs(services: Services) -> None:
    job = queue(services, overrides={"training.seed": 9}, reason="why not", trigger_key="key")
    with pytest.raises(ConflictError, match="can be retried when it has ended"):
        jobs.retry_job(services, actor(services, SCIENTIST), job.id)
    jobs.cancel_job(services, actor(services, SCIENTIST), job.id)

    again = jobs.retry_job(services, actor(services, SCIENTIST), job.id)

    assert again.id != job.id
    assert (again.status, again.options, again.trigger_key) == (JobStatus.QUEUED, job.options, "")
    assert again.reason == f"retry of job {job.id}: why not"


def test_who_may_not_cancel_cannot(services: Services) -> None:
    queue(services)

    with pytest.raises(NotAllowedError, match="may not cancel job 1"):
        jobs.cancel_job(services, actor(services, APPROVER), 1)
    with pytest.raises(NotFoundError, match="no job 99"):
        jobs.cancel_job(services, actor(services, SCIENTIST), 99)


def test_lists_are_filtered_and_paged_newest_first(services: Services) -> None:
    for _ in range(5):
        queue(services)
    claim(services)
    scientist = actor(services, SCIENTIST)

    assert [job.id for job in jobs.list_jobs(services, scientist, limit=2)] == [5, 4]
    assert [job.id for job in jobs.list_jobs(services, scientist, limit=2, before=4)] == [3, 2]
    assert [job.id for job in jobs.list_jobs(services, scientist, status=JobStatus.RUNNING)] == [1]
    assert jobs.list_jobs(services, scientist, model="other") == []


def test_every_change_of_a_job_is_in_the_verified_log(services: Services) -> None:
    trained(services)

    shown = audits.show(services, actor(services, SCIENTIST), limit=50)

    actions = [entry.action for entry in shown if entry.subject == "job 1"]
    assert actions == ["job.ended", "job.started", "job.queued"]
    audits.verify(services, actor(services, SCIENTIST))


class TestLog:
    @pytest.fixture
    def held(self, services: Services) -> jobs.ClaimedJob:
        queue(services)
        held = claim(services)
        outcome_of(services, held)
        return held

    def read(self, services: Services, **options: int) -> tuple[str, int]:
        return jobs.read_log(services, actor(services, SCIENTIST), 1, **options)

    def test_the_steps_follow_each_other_under_headings(
        self, services: Services, held: jobs.ClaimedJob
    ) -> None:
        text, _ = self.read(services)

        assert text.startswith("── snapshot ──\nsnapshot says hello\n\n── fit ──\nfit says hello\n")

    def test_reading_on_from_any_offset_gives_the_same_text(
        self, services: Services, held: jobs.ClaimedJob
    ) -> None:
        whole, end = self.read(services)
        pieces, offset = "", 0
        while offset < end:
            text, offset = self.read(services, offset=offset, limit=7)
            pieces += text

        assert pieces == whole
        assert self.read(services, offset=end) == ("", end)

    def test_what_is_appended_is_read_from_where_the_reader_was(
        self, services: Services, held: jobs.ClaimedJob
    ) -> None:
        _, end = self.read(services)
        log = services.paths.step_folder(1, 1, 3, "verify") / "log.txt"
        with log.open("ab") as stream:
            stream.write("more ü".encode()[:-1])

        text, offset = self.read(services, offset=end)
        assert text == "more "
        with log.open("ab") as stream:
            stream.write("ü".encode()[1:])
        assert self.read(services, offset=offset) == ("ü", offset + 2)

    def test_what_a_process_put_in_place_of_its_log_is_not_followed(
        self, services: Services, held: jobs.ClaimedJob
    ) -> None:
        log = services.paths.step_folder(1, 1, 1, "fit") / "log.txt"
        log.unlink()
        log.symlink_to(services.paths.registry)
        pipe = services.paths.step_folder(1, 1, 2, "evaluate") / "log.txt"
        pipe.unlink()
        os.mkfifo(pipe)

        text, _ = self.read(services)

        assert "SQLite" not in text
        assert text.endswith("── verify ──\nverify says hello\n")

    def test_a_long_log_comes_in_pieces(self, services: Services, held: jobs.ClaimedJob) -> None:
        log = services.paths.step_folder(1, 1, 1, "fit") / "log.txt"
        log.write_bytes(b"x" * 1_000_000)

        text, offset = self.read(services)

        assert len(text.encode()) == offset == jobs.LOG_LIMIT
