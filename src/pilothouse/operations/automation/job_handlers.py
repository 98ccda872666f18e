"""Handlers of each kind of job: its preparation, the record of its result (kinds: ``domain/jobs/job_kinds.py``)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.jobs import job_inputs, replay_jobs, results
from pilothouse.operations.jobs.job_inputs import PreparedJob
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.monitoring import multivariate
from pilothouse.operations.services import Services


@dataclass(frozen=True, slots=True)
class JobHandlers:
    """The functions of a kind: ``prepare`` takes the new folder of the attempt, ``record`` the outcome of the steps."""

    prepare: Callable[[Services, ClaimedJob, Path], PreparedJob]
    record: Callable[[Services, ClaimedJob, JobOutcome], object]


HANDLERS: dict[str, JobHandlers] = {
    "train": JobHandlers(job_inputs.prepare_training, results.record_training),
    "reproduce": JobHandlers(job_inputs.prepare_reproduction, results.record_reproduction),
    "backtest": JobHandlers(job_inputs.prepare_backtest, results.record_backtest),
    "replay": JobHandlers(replay_jobs.prepare, replay_jobs.record),
    "trial": JobHandlers(job_inputs.prepare_trial, results.record_trial),
    "domain_classifier": JobHandlers(multivariate.prepare, multivariate.record),
}
"""By the names of ``domain.job_kinds.KINDS``."""


def prepare(services: Services, claim: ClaimedJob) -> PreparedJob:
    """Prepare a claimed job. Raises InvalidInputError, NotFoundError, ConflictError or IntegrityError: it cannot run."""
    return HANDLERS[claim.job.kind].prepare(services, claim, job_inputs.make_attempt_folder(services, claim))


def record(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> None:
    """Record the result of a job. Raises StaleAttemptError (nothing is recorded then), IntegrityError or NotFoundError."""
    HANDLERS[claim.job.kind].record(services, claim, outcome)
