"""Search of a training: its candidates are jobs of their own; the fit takes the best one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.jobs.jobs import JobStatus, StepExit, StepRequest, StepResult
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import METRICS, Scalar, SearchSpec
from pilothouse.domain.records import Job
from pilothouse.domain.search import Ask, TrialLine, TrialState, draw, mean, next_step
from pilothouse.execution.pipeline import ParkedError
from pilothouse.operations.authorisation import changing, reading
from pilothouse.operations.jobs.job_inputs import model_copy, read_prepared
from pilothouse.operations.jobs.jobs import ClaimedJob, require_job
from pilothouse.operations.jobs.trainings import spec_of_job
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.work import jobs

_NO_PROCESS = StepExit(0, None, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SearchNow:
    """Search of a training, ``job``, at present: ``search`` is its specification (None without one), and ``trials`` are its
    candidates so far, the best first."""

    job: Job
    metric: str
    search: SearchSpec | None
    trials: tuple[TrialLine, ...]


def advance(services: Services, claim: ClaimedJob, request: StepRequest) -> tuple[StepExit, StepResult]:
    """Run the search as a step: the best parameters once all trials have ended. Raises ParkedError while trials wait or run."""
    spec = spec_from_plain(request.spec)
    search = spec.training.search
    assert search is not None
    higher = METRICS[spec.primary_metric][0] == "higher"
    candidates = draw(search, spec.training.seed)
    key = _key(services, claim, request)
    with services.registry.read() as connection:
        trials = [job for job in jobs.children(connection, claim.job.id) if job.options["search"] == key]
    waiting = [job for job in trials if not job.status.ended]
    if waiting:
        raise ParkedError([job.id for job in waiting], _waiting_text(len(waiting), len(trials)))
    scores = _scores(trials)
    step = next_step(search, len(candidates), scores, higher)
    if step.trials:
        numbers = _queue(services, claim, request, key, higher, candidates, step.trials)
        raise ParkedError(numbers, _waiting_text(len(numbers), len(trials) + len(numbers)))
    if not step.ranked:
        errors = [job.error for job in trials if job.error] or ["no fold in time holds every class"]
        error = f"search: none of {len(candidates)} candidates got a score: {errors[0]}"
        return _NO_PROCESS, StepResult(ok=False, error=error, cause="data")
    folds = range(search.folds)
    unranked = {candidate for candidate, _ in scores} - set(step.ranked)
    order = [*step.ranked, *sorted(unranked)]
    record = {
        "parameters": candidates[step.ranked[0]],
        "trials": [
            {
                "parameters": candidates[candidate],
                "scores": [scores.get((candidate, fold)) for fold in folds],
                "mean": mean(candidate, folds, scores),
            }
            for candidate in order
        ],
    }
    return _NO_PROCESS, StepResult(ok=True, record=record)


def list_trials(services: Services, actor: Actor, number: int) -> list[TrialLine]:
    """Candidates of a training's newest search, those of the highest rung first, each rung by score.

    Raises NotFoundError; ConflictError where the job has no search.
    """
    with reading(services, actor) as connection:
        parent = require_job(connection, number)
        lines = _lines(connection, parent, services.now())
    if not lines:
        raise ConflictError(
            f"job {number} has no trials: they come with [training.search], once the rows are laid out"
        )
    return lines


def search_of(services: Services, actor: Actor, number: int | None = None) -> SearchNow:
    """Search of a training, by its number or that of one of its trials; where None, of the newest training with trials.

    Raises NotFoundError.
    """
    with reading(services, actor) as connection:
        number = jobs.newest_with_trials(connection) if number is None else number
        if number is None:
            raise NotFoundError(
                "no training has searched yet: add [training.search] to a model.toml, apply it and train"
            )
        job = require_job(connection, number)
        if job.parent is not None:
            job = require_job(connection, job.parent)
        spec = spec_of_job(connection, job)
        lines = _lines(connection, job, services.now())
    search = spec.training.search if job.kind == "train" else None
    return SearchNow(job, spec.primary_metric, search, tuple(lines))


def _lines(connection: Connection, parent: Job, now: datetime) -> list[TrialLine]:
    """Candidates of the newest search of a training, in the order of ``list_trials``; empty before its first trial."""
    trials = jobs.children(connection, parent.id)
    if not trials:
        return []
    key = trials[-1].options["search"]
    trials = [job for job in trials if job.options["search"] == key]
    higher = bool(trials[-1].options["higher"])
    scores = _scores(trials)
    lines = [
        _line(candidate, [job for job in trials if job.options["candidate"] == candidate], scores, now)
        for candidate in sorted({int(job.options["candidate"]) for job in trials})
    ]
    sign = -1.0 if higher else 1.0
    lines.sort(key=lambda line: (-line.rung, line.mean is None, sign * (line.mean or 0.0), line.candidate))
    return _with_results(lines, parent)


def _with_results(lines: list[TrialLine], parent: Job) -> list[TrialLine]:
    ended = parent.status.ended or parent.step not in ("", "snapshot", "search")
    top = max(line.rung for line in lines)
    results = []
    for i, line in enumerate(lines):
        state = line.state
        if state is TrialState.TRIED and ended and i == 0 and line.mean is not None:
            state = TrialState.BEST
        elif state is TrialState.TRIED and line.rung < top:
            state = TrialState.DROPPED
        results.append(replace(line, state=state))
    return results


def _line(
    candidate: int, trials: Sequence[Job], scores: dict[tuple[int, int], float | None], now: datetime
) -> TrialLine:
    by_fold = {fold: score for (other, fold), score in scores.items() if other == candidate}
    last = trials[-1]
    states = {JobStatus.SUCCEEDED: TrialState.TRIED, JobStatus.QUEUED: TrialState.WAITING}
    return TrialLine(
        candidate,
        last.options["parameters"],
        dict(sorted(by_fold.items())),
        mean(candidate, sorted(by_fold), scores),
        max(int(job.options["rung"]) for job in trials),
        tuple(job.id for job in trials),
        states.get(last.status, last.status),
        math.fsum(durations)
        if (durations := [_seconds(job, now) for job in trials if job.started_at])
        else None,
        last.error,
    )


def _seconds(job: Job, now: datetime) -> float:
    assert job.started_at is not None
    return ((job.ended_at or now) - job.started_at).total_seconds()


def _scores(trials: Sequence[Job]) -> dict[tuple[int, int], float | None]:
    """Scores of ended trials by candidate and fold; None for each fold of a failed trial."""
    scores: dict[tuple[int, int], float | None] = {}
    for job in trials:
        if job.status.ended:
            by_fold = job.result.get("scores", {})
            for fold in job.options["folds"]:
                scores[int(job.options["candidate"]), int(fold)] = by_fold.get(str(fold))
    return scores


def _queue(
    services: Services,
    claim: ClaimedJob,
    request: StepRequest,
    key: str,
    higher: bool,
    candidates: Sequence[dict[str, Scalar]],
    asks: Sequence[Ask],
) -> list[int]:
    state = services.paths.state.resolve()
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        parent = require_job(change.connection, claim.job.id)
        origin = jobs.origin_of(change.connection, parent.id)
        numbers = []
        for ask in asks:
            options: dict[str, Any] = {
                "search": key,
                "candidate": ask.candidate,
                "parameters": candidates[ask.candidate],
                "folds": list(ask.folds),
                "rung": ask.rung,
                "higher": higher,
                "overrides": parent.options.get("overrides", {}),
                "train": Path(request.inputs["train"]).resolve().relative_to(state).as_posix(),
                "model_folder": model_copy(services, claim).resolve().relative_to(state).as_posix(),
            }
            new = jobs.NewJob(
                kind="trial",
                model_id=origin.model_id,
                spec_id=origin.spec_id,
                created_by=DAEMON.name,
                reason=f"candidate {ask.candidate + 1} of job {parent.id}",
                options=options,
                priority=parent.priority,
                deadline=parent.deadline,
                max_attempts=parent.max_attempts,
                parent=parent.id,
            )
            numbers.append(jobs.add(change.connection, new, at=change.at))
        change.record("job.trials_queued", f"job {parent.id}", {"trials": numbers, "rung": asks[0].rung})
        return numbers


def _key(services: Services, claim: ClaimedJob, request: StepRequest) -> str:
    """Key of a search: its trials share rows, code, data settings and training settings."""
    code = read_prepared(services, claim).code.get("folder_digest")
    return canonical_digest(
        {
            "train": request.options.get("train_digest"),
            "code": code,
            "training": request.spec["training"],
            "data": request.spec["data"],
        }
    )


def _waiting_text(unfinished: int, total: int) -> str:
    return f"waits for {unfinished} trial{'' if unfinished == 1 else 's'} ({total} so far)"
