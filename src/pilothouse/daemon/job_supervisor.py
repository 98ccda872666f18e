"""Supervisor of jobs: claims one, prepares its inputs, has the engine run its steps, commits its result, once.

Each slot is a thread. Beside a running job a second thread keeps its lease and listens for a cancellation. When the
daemon stops, running jobs are handed over: they are queued again, and the next daemon continues after the last complete
step.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import PilothouseError, StaleAttemptError, UnavailableError
from pilothouse.domain.jobs.failures import cause_of
from pilothouse.domain.jobs.job_kinds import KINDS
from pilothouse.domain.jobs.jobs import JobStatus, ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.domain.records import Job
from pilothouse.execution.pipeline import JobOutcome, ParkedError, StepRunner, run_pipeline
from pilothouse.execution.step_files import discard_files
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.integrations.traces import job_trace
from pilothouse.operations.jobs import job_attempts, job_inputs, jobs, searches
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.jobs.step_cache import StepMemory
from pilothouse.operations.services import Services
from pilothouse.store.work import job_queue

log = logging.getLogger(__name__)

LEASE_S = 30.0
"""Seconds for which a lease holds without being extended."""
_BEAT_EVERY_S = 0.25
"""Seconds between two looks at cancellation, deadline and stop."""
_LEASE_EVERY_S = 5.0
"""Seconds between two extensions of the lease."""
_REPORT_EVERY_S = 0.2
"""Seconds between two stored reports of progress."""
_LOOK_AT_LEAST_EVERY_S = 5.0
"""Seconds after which a slot looks at the queue without being woken."""
_AGAIN_AFTER_S = 2.0
"""Seconds after which a result that could not be recorded is tried again."""

_INTERNAL = "internal error: state/daemon.log has the traceback; please report it"


def run_slot(
    services: Services,
    runner: StepRunner,
    owner: str,
    wakeup: Wakeup,
    draining: threading.Event | None = None,
) -> None:
    """Run one job after the other until the daemon stops; none is started once ``draining`` is set."""

    def empty_queue() -> float | None:
        while not wakeup.stop.is_set() and _something_waits(services):
            if draining is not None and draining.is_set():
                return None
            claim = jobs.claim_job(services, owner, LEASE_S)
            if claim is None:
                return _until_next_start(services)
            _run(services, runner, claim, wakeup.stop)
        return None

    repeat(wakeup, empty_queue, at_least_every_s=_LOOK_AT_LEAST_EVERY_S)


def _something_waits(services: Services) -> bool:
    """True if any job is queued. Read without the write lock, for most changes of the registry queue nothing."""
    with services.registry.read() as connection:
        return job_queue.something_waits(connection)


def _until_next_start(services: Services) -> float | None:
    """Seconds until the first back-off is over; None where there is none."""
    now = services.now()
    with services.registry.read() as connection:
        at = job_queue.next_start(connection, now)
    return max(0.05, (at - now).total_seconds()) if at is not None else None


@dataclass(frozen=True)
class _Steps:
    """Runner of steps: processes by the engine, the search by jobs of its own."""

    services: Services
    runner: StepRunner
    claim: ClaimedJob

    def run_step(
        self, request: StepRequest, cancel: threading.Event, on_progress: Callable[[ProgressLine], None]
    ) -> tuple[StepExit, StepResult | None]:
        if request.step == "search":
            return searches.advance(self.services, self.claim, request)
        return self.runner.run_step(request, cancel, on_progress)


def _run(services: Services, runner: StepRunner, claim: ClaimedJob, stop: threading.Event) -> None:
    """Run a claimed job to its end, beside a thread that keeps its lease."""
    job = claim.job
    facts = {"job": job.id, "attempt": job.attempt, "model": job.model, "kind": job.kind}
    facts["trace_id"] = job_trace(job, job.attempt)
    say(log, logging.INFO, f"job {job.id} ({job.kind} {job.model}) starts", **facts)
    cancel, over = threading.Event(), threading.Event()
    keeper = threading.Thread(
        target=_keep_lease,
        args=(services, claim, cancel, over, stop),
        name=f"lease of job {job.id}",
        daemon=True,
    )
    keeper.start()
    try:
        outcome = _outcome(services, runner, claim, cancel)
        # the daemon's stop has ended the step: that is no failure of the job
        if stop.is_set() and outcome.status is not JobStatus.SUCCEEDED:
            job_attempts.hand_over(services, claim)
            say(log, logging.INFO, f"job {job.id} is left to the next daemon", **facts)
            return
        _commit(services, claim, _by_deadline(services, claim, outcome), stop)
    except ParkedError as parked:
        job_attempts.park(services, claim, parked.jobs, str(parked))
        say(log, logging.INFO, f"job {job.id} {parked}", **facts)
    except StaleAttemptError as error:
        say(log, logging.WARNING, f"job {job.id}: {error}", **facts)
    finally:
        over.set()
        keeper.join()


def _by_deadline(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> JobOutcome:
    """Outcome of a job, as timed out where it was ended because its deadline had come."""
    deadline = claim.job.deadline
    if outcome.status is not JobStatus.CANCELLED or deadline is None or services.now() < deadline:
        return outcome
    if jobs.cancel_wanted(services, claim):
        return outcome
    message = (
        f"its deadline, {deadline:%Y-%m-%d %H:%M} UTC, passed {outcome.error.removeprefix('cancelled ')}"
    )
    return replace(outcome, status=JobStatus.TIMED_OUT, error=message)


def _outcome(
    services: Services, runner: StepRunner, claim: ClaimedJob, cancel: threading.Event
) -> JobOutcome:
    reported = 0.0

    def on_progress(step: str, fraction: float, message: str) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= _REPORT_EVERY_S or message in ("starting", "done"):
            reported = now
            try:
                jobs.report_progress(services, claim, step, fraction, message)
            except StaleAttemptError:
                cancel.set()
            except UnavailableError as error:  # progress is a courtesy
                # an exception here would leave the step's process running
                log.error("progress of job %d: %s", claim.job.id, error)

    try:
        prepared = job_handlers.prepare(services, claim)
        return run_pipeline(
            _Steps(services, runner, claim),
            prepared.kind,
            prepared.requests,
            cancel=cancel,
            on_progress=on_progress,
            memory=StepMemory(services, claim) if KINDS[prepared.kind].reuses_steps else None,
        )
    except (StaleAttemptError, ParkedError):
        raise
    except (PilothouseError, OSError) as error:
        return _failed(error)
    except Exception:
        # an error of the program in one job must not stop the others; the log has the traceback
        log.exception("job %d could not be run", claim.job.id)
        return JobOutcome(JobStatus.FAILED, _INTERNAL)


def _commit(services: Services, claim: ClaimedJob, outcome: JobOutcome, stop: threading.Event) -> None:
    job = claim.job
    if outcome.status is JobStatus.SUCCEEDED:
        try:
            job_handlers.record(services, claim, outcome)
        except StaleAttemptError:
            raise
        except (PilothouseError, OSError) as error:
            failed = _failed(error)
            outcome = replace(outcome, status=failed.status, error=failed.error, cause=failed.cause)
        except Exception:  # as above
            log.exception("job %d could not be recorded", job.id)
            outcome = replace(outcome, status=JobStatus.FAILED, error=_INTERNAL)
    if outcome.status is not JobStatus.SUCCEEDED:
        _discard_failed_step(services, claim, outcome)
        settled = _settle(services, claim, outcome, stop)
        if not settled.status.ended:
            say(log, logging.WARNING, f"job {job.id} {settled.message}", job=job.id, attempt=job.attempt)
            return
    jobs.discard_files_of(services, job.id)
    say(
        log,
        logging.INFO if outcome.status is JobStatus.SUCCEEDED else logging.WARNING,
        f"job {job.id} {outcome.status}" + (f": {outcome.error}" if outcome.error else ""),
        job=job.id,
        trace_id=job_trace(job, job.attempt),
        status=str(outcome.status),
        seconds=round(outcome.seconds, 3),
        peak_memory_mb=outcome.peak_memory_mb,
    )


def _discard_failed_step(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> None:
    """Remove what a failed step has written; where it filled the disk, the record needs the room."""
    folder = job_inputs.attempt_folder(services, claim)
    for step in outcome.exits:
        if step not in outcome.steps or not outcome.steps[step].ok:
            for step_folder in folder.glob(f"[0-9][0-9]-{step}"):
                discard_files(step_folder)


def _settle(services: Services, claim: ClaimedJob, outcome: JobOutcome, stop: threading.Event) -> Job:
    """Settle a failed job, also when the registry cannot be written for a while: a full disk must not turn one kind of
    failure into another."""
    while True:
        try:
            return job_attempts.settle(services, claim, outcome)
        except UnavailableError as error:
            log.error("job %d cannot be settled: %s", claim.job.id, error)
            if stop.wait(_AGAIN_AFTER_S):
                raise


def _failed(error: Exception) -> JobOutcome:
    """Outcome of a job for an error before or after its steps."""
    cause = cause_of(error)
    if cause == "disk full":
        return JobOutcome(JobStatus.DISK_FULL, str(error), cause=cause)
    return JobOutcome(JobStatus.FAILED, str(error), cause=cause)


def _keep_lease(
    services: Services,
    claim: ClaimedJob,
    cancel: threading.Event,
    over: threading.Event,
    stop: threading.Event,
) -> None:
    """Extend the lease; pass on a cancellation, the loss of the lease and the daemon's stop as ``cancel``."""
    beaten = time.monotonic()
    while not over.wait(_BEAT_EVERY_S):
        if stop.is_set():
            cancel.set()
            continue
        try:
            if jobs.cancel_wanted(services, claim) or _is_overdue(services, claim):
                cancel.set()
            if time.monotonic() - beaten >= _LEASE_EVERY_S:
                jobs.heartbeat(services, claim, LEASE_S)
                beaten = time.monotonic()
        except StaleAttemptError:
            cancel.set()
        except PilothouseError as error:  # the lease outlasts a short trouble; the commit is fenced anyway
            log.error("lease of job %d: %s", claim.job.id, error)
            beaten = time.monotonic() - _LEASE_EVERY_S + 1.0  # again in a second, not at every beat


def _is_overdue(services: Services, claim: ClaimedJob) -> bool:
    return claim.job.deadline is not None and services.now() >= claim.job.deadline
