"""Jobs: listed, cancelled, retried; and, for the daemon, the queue with its leases.

A job runs at least once and its result is committed exactly once: each claim is a new attempt, the attempt's number is the
fencing token, and a write of an attempt that has lost its lease is refused with StaleAttemptError. Attempts that fail, wait,
or belong to a daemon that stops are handled in ``job_attempts``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pilothouse.domain.errors import ConflictError, NotFoundError, StaleAttemptError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.jobs.job_kinds import KINDS
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.execution.step_files import discard_files
from pilothouse.operations.authorisation import Change, changing, clean_text, reading
from pilothouse.operations.catalogue import require_in_use
from pilothouse.operations.jobs.job_logs import LOG_LIMIT, read_steps
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts
from pilothouse.store.log import audit
from pilothouse.store.work import job_queue, jobs

if TYPE_CHECKING:
    from pilothouse.execution.pipeline import JobOutcome

_MESSAGE_LIMIT = 300
_ERROR_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that ``owner`` holds until its lease expires; ``heartbeat`` extends the lease."""

    job: Job
    owner: str
    lease_s: float

    @property
    def attempt(self) -> int:
        """The fencing token."""
        return self.job.attempt


def list_jobs(
    services: Services,
    actor: Actor,
    *,
    status: JobStatus | None = None,
    model: str | None = None,
    before: int | None = None,
    limit: int = 50,
    trials: bool = False,
) -> list[Job]:
    """Jobs, newest first; ``before`` pages backwards by number. ``trials``: those of searches too."""
    with reading(services, actor) as connection:
        return jobs.listed(connection, status=status, model=model, before=before, limit=limit, trials=trials)


def get_job(services: Services, actor: Actor, number: int) -> Job:
    """Job of that number. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return require_job(connection, number)


def attempts_before(services: Services, actor: Actor, number: int) -> list[str]:
    """Why each attempt of a job did not end it, oldest first, from the audit log. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        entries = audit.about(connection, f"job {number}", tuple(_PUT_BACK))
    return [f"attempt {e.detail.get('attempt')} {_PUT_BACK[e.action](e.detail)}" for e in entries]


def places_of(services: Services, actor: Actor, number: int) -> list[tuple[int, str, str, str]]:
    """(attempt, step, host, worker) of each step of a job that ran on a cluster, in order. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return jobs.places_of(connection, number)


_PUT_BACK: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "job.will_retry": lambda detail: f"{detail.get('status')}: {detail.get('error')}",
    "job.requeued": lambda _: "was lost with its daemon",
    "job.parked": lambda detail: f"waited for job {', '.join(map(str, detail.get('after', ())))}",
    "job.handed_over": lambda _: "was handed over by a daemon that stopped",
}
"""The end of an attempt after which the job waits again, by the action that the audit log has of it."""


def read_log(
    services: Services, actor: Actor, number: int, *, offset: int = 0, limit: int = LOG_LIMIT
) -> tuple[str, int]:
    """Log of a job from byte ``offset`` on, at most ``limit`` bytes, and the offset after it.

    The text is as the processes wrote it: the caller has to clean it before showing it. Raises NotFoundError.
    """
    job = get_job(services, actor, number)
    return read_steps(services.paths.job_folder(number), offset=offset, limit=limit, ended=job.status.ended)


def cancel_job(services: Services, actor: Actor, number: int, *, reason: str = "") -> Job:
    """Cancel a job and the trials that it waits for. A queued one ends at once; of a running one the daemon ends the processes.

    Raises NotFoundError, NotAllowedError or ConflictError (it has ended).
    """
    reason = clean_text(reason, "the reason")
    model = get_job(services, actor, number).model
    with changing(services, actor, Permission.CANCEL_JOB, model, act=f"cancel job {number}") as change:
        job = require_job(change.connection, number)
        if job.status.ended:
            raise ConflictError(f"job {number} has ended already: {job.status}")
        trials = [trial for trial in jobs.children(change.connection, number) if not trial.status.ended]
        for cancelled in (job, *trials):
            _cancel(change, cancelled, reason)
        ended = require_job(change.connection, number)
    if ended.status.ended:
        discard_files_of(services, number)
    return ended


def _cancel(change: Change, job: Job, reason: str) -> None:
    if job.status is JobStatus.QUEUED:
        error = f"cancelled by {change.actor.name}" + (f": {reason}" if reason else "")
        jobs.end_waiting(change.connection, job.id, JobStatus.CANCELLED, error, at=change.at)
        change.record("job.cancelled", f"job {job.id}", {"reason": reason})
    else:
        jobs.request_cancel(change.connection, job.id, by=change.actor.name, at=change.at)
        change.record("job.cancel_requested", f"job {job.id}", {"reason": reason, "attempt": job.attempt})


def retry_job(services: Services, actor: Actor, number: int) -> Job:
    """Queue an ended job once more as a job of its own, with the same model file, options and data cut.

    Raises NotFoundError, NotAllowedError or ConflictError (it has not ended, its model is retired).
    """
    model = get_job(services, actor, number).model
    with changing(services, actor, Permission.CANCEL_JOB, model, act=f"retry job {number}") as change:
        job = require_job(change.connection, number)
        if not job.status.ended:
            raise ConflictError(f"job {number} is {job.status}: it can be retried when it has ended")
        if job.parent is not None:
            raise ConflictError(f"job {number} is a trial of job {job.parent}: retry that one")
        if job.kind == "train":
            require_in_use(change.connection, job.model)
        origin = jobs.origin_of(change.connection, number)
        new = jobs.NewJob(
            kind=job.kind,
            model_id=origin.model_id,
            spec_id=origin.spec_id,
            created_by=actor.name,
            reason=f"retry of job {number}" + (f": {job.reason}" if job.reason else ""),
            options=job.options,
            alert_id=origin.alert_id,
            retry_of=number,
            version_id=origin.version_id if KINDS[job.kind].about_version else None,
            priority=job.priority,
            max_attempts=job.max_attempts,
        )
        new_number = jobs.add(change.connection, new, at=change.at)
        if origin.alert_id is not None:
            alerts.set_retrain_job(change.connection, origin.alert_id, new_number)
        change.record(
            "job.retried", f"job {new_number}", {"retry_of": number, "kind": job.kind, "model": job.model}
        )
        return require_job(change.connection, new_number)


def claim_job(services: Services, owner: str, lease_s: float) -> ClaimedJob | None:
    """Give the first job of the queue to ``owner`` for ``lease_s`` seconds; None where none waits. For the daemon."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        job = job_queue.claim_next(
            change.connection, owner=owner, at=change.at, lease_until=change.at + timedelta(seconds=lease_s)
        )
        if job is None:
            return None
        change.record(
            "job.started", f"job {job.id}", {"attempt": job.attempt, "model": job.model, "kind": job.kind}
        )
        return ClaimedJob(job, owner, lease_s)


def heartbeat(services: Services, claim: ClaimedJob, lease_s: float | None = None) -> bool:
    """Extend the lease; True once the job is to be cancelled. Raises StaleAttemptError."""
    with services.registry.transaction() as connection:
        until = services.now() + timedelta(seconds=lease_s or claim.lease_s)
        if not job_queue.extend_lease(connection, claim.job.id, claim.attempt, claim.owner, until):
            raise _stale(claim)
        return jobs.cancel_requested(connection, claim.job.id)


def cancel_wanted(services: Services, claim: ClaimedJob) -> bool:
    """True once the job is to be cancelled; cheap enough to call several times a second."""
    with services.registry.read() as connection:
        return jobs.cancel_requested(connection, claim.job.id)


def report_progress(services: Services, claim: ClaimedJob, step: str, fraction: float, message: str) -> None:
    """Record the progress of the job, 0 to 1. Raises StaleAttemptError."""
    text = one_line(message, _MESSAGE_LIMIT)
    with services.registry.transaction() as connection:
        is_held = job_queue.set_progress(
            connection, claim.job.id, claim.attempt, claim.owner, step, min(1.0, max(0.0, fraction)), text
        )
        if not is_held:
            raise _stale(claim)


def finish_job(
    change: Change,
    claim: ClaimedJob,
    outcome: "JobOutcome",
    result: dict[str, Any] | None = None,
    version_id: int | None = None,
) -> Job:
    """Commit the end of an attempt. Raises StaleAttemptError where another attempt holds the job, or it has ended."""
    facts = {
        "seconds": round(outcome.seconds, 3),
        "peak_memory_mb": round(outcome.peak_memory_mb, 1),
        **({"reused": outcome.reused} if outcome.reused else {}),
        **(result or {}),
    }
    error = one_line(outcome.error, _ERROR_LIMIT)
    number = claim.job.id
    end = job_queue.JobEnd(status=outcome.status, error=error, result=facts, version_id=version_id)
    if not job_queue.finish(change.connection, number, claim.attempt, claim.owner, end, at=change.at):
        raise _stale(claim)
    jobs.add_steps(change.connection, number, claim.attempt, outcome.exits, outcome.steps)
    change.record(
        "job.ended",
        f"job {number}",
        {"status": str(outcome.status), "attempt": claim.attempt, "error": error, "model": claim.job.model},
    )
    return require_job(change.connection, number)


def require_job(connection: Connection, number: int) -> Job:
    """Job of that number, in the caller's transaction. Raises NotFoundError."""
    job = jobs.find(connection, number)
    if job is None:
        raise NotFoundError(f"there is no job {number}: list them with pilothouse jobs")
    return job


def check_held(connection: Connection, claim: ClaimedJob) -> None:
    """Raise StaleAttemptError unless the attempt holds its job."""
    if not job_queue.is_held(connection, claim.job.id, claim.attempt, claim.owner):
        raise _stale(claim)


def _stale(claim: ClaimedJob) -> StaleAttemptError:
    return StaleAttemptError(
        f"attempt {claim.attempt} of job {claim.job.id} holds it no more: its lease passed on or the job has ended; "
        "what it did is dropped"
    )


def discard_files_of(services: Services, number: int) -> None:
    """Delete the files of a job's steps once it has ended: what is kept is among the artifacts.

    Logs, requests, results and the copy of the code stay.
    """
    folder = services.paths.job_folder(number)
    for attempt in folder.glob("[0-9]*"):
        for step in attempt.glob("[0-9][0-9]-*"):
            discard_files(step)
        for rows in attempt.glob("rows*"):  # of production, which retention may delete next
            rows.unlink(missing_ok=True)
