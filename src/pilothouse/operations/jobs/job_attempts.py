"""Attempts that did not succeed: another one, now or later, or the end of the job. All of it is for the daemon.

Where another attempt follows, the job is queued again, its error is not recorded as the job's, and no row says that it ended:
a failure that may pass by itself alarms nobody.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.jobs.jobs import Cause, JobStatus, RetryOn, back_off_s, retry_reason
from pilothouse.domain.records import Job
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.authorisation import Change, changing
from pilothouse.operations.jobs.jobs import ClaimedJob, check_held, discard_files_of, finish_job, require_job
from pilothouse.operations.jobs.trainings import spec_of_job
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.work import job_queue, jobs

_MESSAGE_LIMIT = 400


def settle(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Job:
    """Commit an attempt that did not succeed: queue the job again where that may help, else end it.

    Raises StaleAttemptError where another attempt holds the job, or it has ended.
    """
    number = claim.job.id
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        job = require_job(change.connection, number)
        if outcome.status is JobStatus.LOST and jobs.cancel_requested(change.connection, number):
            # whoever ran it went away before it could say that it ended it
            outcome = replace(outcome, status=JobStatus.CANCELLED, error=f"cancelled; {outcome.error}")
        delay_s = _delay_s(change.connection, job, outcome.status, outcome.cause)
        if delay_s is None or jobs.cancel_requested(change.connection, number):
            return finish_job(change, claim, outcome)
        check_held(change.connection, claim)
        at = change.at + timedelta(seconds=delay_s)
        left = job.max_attempts - job.failures - 1
        attempts = f"{left} attempt{'' if left == 1 else 's'}"
        message = (
            f"{outcome.status}: {outcome.error}; {attempts} left, the next at {at:%Y-%m-%d %H:%M:%S} UTC"
        )
        job_queue.put_back(
            change.connection, number, claim.attempt, one_line(message, _MESSAGE_LIMIT), not_before=at
        )
        jobs.add_steps(change.connection, number, claim.attempt, outcome.exits, outcome.steps)
        change.record(
            "job.will_retry",
            f"job {number}",
            {
                "attempt": claim.attempt,
                "status": str(outcome.status),
                "error": one_line(outcome.error, _MESSAGE_LIMIT),
                "attempts_left": left,
                "not_before": at.isoformat(),
            },
        )
        return require_job(change.connection, number)


def park(services: Services, claim: ClaimedJob, others: Sequence[int], message: str) -> Job:
    """Put a job back until the other jobs have ended; results of its steps are kept. Raises StaleAttemptError."""
    return _wait(services, claim, others, message, "job.parked")


def hand_over(services: Services, claim: ClaimedJob) -> Job:
    """Leave a job to the next daemon, without counting the attempt as a failure. Raises StaleAttemptError."""
    return _wait(services, claim, (), "its daemon stopped; the next one goes on with it", "job.handed_over")


def _wait(services: Services, claim: ClaimedJob, others: Sequence[int], message: str, action: str) -> Job:
    number = claim.job.id
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        check_held(change.connection, claim)
        jobs.wait_for(change.connection, number, others, "ended")
        job_queue.put_back(change.connection, number, claim.attempt, message, failed=False)
        change.record(action, f"job {number}", {"attempt": claim.attempt, "after": list(others)})
        return require_job(change.connection, number)


def requeue_lost(services: Services, *, leader: str | None = None) -> list[Job]:
    """Queue lost jobs again, or end those without another attempt; returns them.

    Lost are running jobs whose lease has expired, and with ``leader`` (the only daemon there can be) all that another owner
    claimed.
    """
    with services.registry.read() as connection:
        if not _lost(services, connection, leader):
            return []
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        lost = [_put_back(change, job) for job in _lost(services, change.connection, leader)]
    _discard_ended(services, lost)
    return lost


def end_hopeless(services: Services) -> list[Job]:
    """End waiting jobs whose deadline has passed, or that wait for the success of a job that did not succeed."""
    with services.registry.read() as connection:
        if not _hopeless(services, connection):
            return []
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        ended = []
        for job, status, error in _hopeless(services, change.connection):
            if jobs.end_waiting(change.connection, job.id, status, error, at=change.at):
                change.record("job.ended", f"job {job.id}", {"status": str(status), "error": error})
                ended.append(require_job(change.connection, job.id))
    _discard_ended(services, ended)
    return ended


def _hopeless(services: Services, connection: Connection) -> list[tuple[Job, JobStatus, str]]:
    hopeless = {
        job.id: (
            job,
            JobStatus.TIMED_OUT,
            f"its deadline, {job.deadline:%Y-%m-%d %H:%M} UTC, passed while it waited",
        )
        for job in job_queue.overdue(connection, services.now())
        if job.status is JobStatus.QUEUED
    }
    for waiting, ended in job_queue.hopeless(connection):
        error = f"job {ended.id}, on whose success it waited, ended otherwise: {ended.status}"
        hopeless.setdefault(waiting.id, (waiting, JobStatus.CANCELLED, error))
    return list(hopeless.values())


def _delay_s(connection: Connection, job: Job, status: JobStatus, cause: Cause) -> int | None:
    """Seconds to the next attempt; None where none follows."""
    reason: RetryOn | None = retry_reason(status, cause)
    if reason is None or job.failures + 1 >= job.max_attempts:
        return None
    rules = spec_of_job(connection, job).training
    if reason not in rules.retry_on:
        return None
    # what was lost with its worker or launcher goes elsewhere at once the first time; then something may be wrong with it
    return 0 if reason == "lost" and not job.failures else back_off_s(rules.retry_after, job.failures + 1)


def _lost(services: Services, connection: Connection, leader: str | None) -> list[Job]:
    lost = {job.id: job for job in job_queue.expired(connection, services.now())}
    if leader is not None:
        lost |= {job.id: job for job in job_queue.running_of_others(connection, leader)}
    return [lost[number] for number in sorted(lost)]


def _put_back(change: Change, job: Job) -> Job:
    if jobs.cancel_requested(change.connection, job.id):
        status, error = (
            JobStatus.CANCELLED,
            "cancelled; the daemon went away before it could end the processes",
        )
    elif _delay_s(change.connection, job, JobStatus.LOST, "lost") is None:
        status = JobStatus.LOST
        error = f"the daemon went away during each of {job.failures + 1} attempts: pilothouse retry {job.id} tries again"
    else:  # its daemon is gone: waiting gains nothing
        left = job.max_attempts - job.failures - 1
        message = f"attempt {job.attempt} was lost with the daemon; waiting for the next one"
        job_queue.put_back(change.connection, job.id, job.attempt, message)
        change.record("job.requeued", f"job {job.id}", {"attempt": job.attempt, "attempts_left": left})
        return require_job(change.connection, job.id)
    job_queue.end_lost(change.connection, job.id, job.attempt, status, error, at=change.at)
    change.record(
        "job.ended", f"job {job.id}", {"status": str(status), "attempt": job.attempt, "error": error}
    )
    return require_job(change.connection, job.id)


def _discard_ended(services: Services, ended: Sequence[Job]) -> None:
    for job in ended:
        if job.status.ended:
            discard_files_of(services, job.id)
