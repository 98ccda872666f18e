"""Runs jobs: claims one, prepares its inputs, has the launcher run its steps, commits its result, once.

Each slot is a thread. Beside a running job a second thread keeps its lease and listens for a cancellation. When the daemon
stops, running jobs are let go without a result: the next daemon finds them and runs them again.
"""

import logging
import threading
import time
from dataclasses import replace

from pilothouse.domain.errors import PilothouseError, StaleAttemptError
from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.execution.launcher_client import Launcher
from pilothouse.execution.pipeline import JobOutcome, run_pipeline
from pilothouse.execution.step_files import discard_files
from pilothouse.operations import job_inputs, jobs, multivariate, results
from pilothouse.operations.jobs import ClaimedJob
from pilothouse.operations.services import Services
from pilothouse.store import jobs as stored_jobs

from .logs import say
from .parts import Bell, repeat

log = logging.getLogger(__name__)

LEASE_S = 30.0
_BEAT_EVERY_S = 0.25
_LEASE_EVERY_S = 5.0
_REPORT_EVERY_S = 0.2
_LOOK_AT_LEAST_EVERY_S = 5.0

_INTERNAL = "internal error: state/daemon.log has the traceback; please report it"

_RECORD = {
    "train": results.record_training,
    "reproduce": results.record_reproduction,
    "backtest": results.record_backtest,
    "domain_classifier": multivariate.record,
}


def run_slot(services: Services, launcher: Launcher, owner: str, bell: Bell) -> None:
    """Run one job after the other until the daemon stops."""

    def empty_queue() -> None:
        while not bell.stop.is_set() and _something_waits(services):
            claim = jobs.claim_job(services, owner, LEASE_S)
            if claim is None:
                return
            _run(services, launcher, claim, bell.stop)

    repeat(bell, empty_queue, at_least_every_s=_LOOK_AT_LEAST_EVERY_S)


def _something_waits(services: Services) -> bool:
    """A look without the write lock, for most changes of the registry queue nothing."""
    with services.registry.read() as connection:
        return bool(stored_jobs.listed(connection, status=JobStatus.QUEUED, limit=1))


def _run(services: Services, launcher: Launcher, claim: ClaimedJob, stop: threading.Event) -> None:
    job = claim.job
    facts = {"job": job.id, "attempt": job.attempt, "model": job.model, "kind": job.kind}
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
        outcome = _outcome(services, launcher, claim, cancel)
        if stop.is_set() and outcome.status is not JobStatus.SUCCEEDED:
            say(log, logging.INFO, f"job {job.id} is left to the next daemon", **facts)
            return
        _commit(services, claim, outcome)
    except StaleAttemptError as error:
        say(log, logging.WARNING, f"job {job.id}: {error}", **facts)
    finally:
        over.set()
        keeper.join()
        _tidy(services, job)


def _tidy(services: Services, job: Job) -> None:
    """However it ended: the artifacts have what is kept, and rows of a failed attempt would stay for ever."""
    for attempt in range(1, job.attempt + 1):
        folder = services.paths.job_folder(job.id) / str(attempt)
        for step in folder.glob("[0-9][0-9]-*"):
            discard_files(step)
        (folder / "rows.parquet").unlink(missing_ok=True)


def _outcome(
    services: Services, launcher: Launcher, claim: ClaimedJob, cancel: threading.Event
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

    try:
        prepared = job_inputs.prepare(services, claim)
        return run_pipeline(
            launcher, prepared.kind, prepared.requests, cancel=cancel, on_progress=on_progress
        )
    except StaleAttemptError:
        raise
    except PilothouseError as error:
        return JobOutcome(JobStatus.FAILED, str(error))
    except Exception:  # a mistake of ours in one job is no reason to stop all others; the log has it whole
        log.exception("job %d could not be run", claim.job.id)
        return JobOutcome(JobStatus.FAILED, _INTERNAL)


def _commit(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> None:
    """Record what came of it."""
    job = claim.job
    if outcome.status is JobStatus.SUCCEEDED:
        try:
            _RECORD[job.kind](services, claim, outcome)
        except StaleAttemptError:
            raise
        except PilothouseError as error:
            outcome = replace(outcome, status=JobStatus.FAILED, error=str(error))
        except Exception:  # as above
            log.exception("job %d could not be recorded", job.id)
            outcome = replace(outcome, status=JobStatus.FAILED, error=_INTERNAL)
    if outcome.status is not JobStatus.SUCCEEDED:
        jobs.finish_job(services, claim, outcome)
    say(
        log,
        logging.INFO if outcome.status is JobStatus.SUCCEEDED else logging.WARNING,
        f"job {job.id} {outcome.status}" + (f": {outcome.error}" if outcome.error else ""),
        job=job.id,
        status=str(outcome.status),
        seconds=round(outcome.seconds, 3),
        peak_memory_mb=outcome.peak_memory_mb,
    )


def _keep_lease(
    services: Services,
    claim: ClaimedJob,
    cancel: threading.Event,
    over: threading.Event,
    stop: threading.Event,
) -> None:
    """Prolong the lease; pass on a cancellation, the loss of the lease and the daemon's stop as ``cancel``."""
    beaten = time.monotonic()
    while not over.wait(_BEAT_EVERY_S):
        if stop.is_set():
            cancel.set()
            continue
        try:
            if jobs.cancel_wanted(services, claim):
                cancel.set()
            if time.monotonic() - beaten >= _LEASE_EVERY_S:
                jobs.heartbeat(services, claim, LEASE_S)
                beaten = time.monotonic()
        except StaleAttemptError:
            cancel.set()
        except PilothouseError as error:  # the lease outlasts a short trouble; the commit is fenced anyway
            log.error("lease of job %d: %s", claim.job.id, error)
