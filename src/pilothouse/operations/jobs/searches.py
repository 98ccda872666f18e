"""A training's search: its candidates as jobs of their own, its best one handed to the fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.jobs import JobStatus, StepExit, StepRequest, StepResult
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import METRICS, Scalar, SearchSpec
from pilothouse.domain.records import Job
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.domain.search import Ask, TrialLine, TrialState, draw, mean, next_step
from pilothouse.execution.pipeline import ParkedError
from pilothouse.operations.authorisation import changing, reading
from pilothouse.operations.jobs.job_inputs import model_copy, read_prepared
from pilothouse.operations.jobs.jobs import ClaimedJob, require_job
from pilothouse.operations.jobs.trainings import merge_overrides
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import jobs, models


@dataclass(frozen=True, slots=True)
class SearchNow:
    """A training's search as it stands: ``job`` is the training, ``asked`` what its model file asks to be tried (None where
    it asks for no search), ``trials`` what was tried of it, the best first."""

    job: Job
    metric: str
    asked: SearchSpec | None
    trials: tuple[TrialLine, ...]


def advance(services: Services, claim: ClaimedJob, request: StepRequest) -> tuple[StepExit, StepResult]:
    """The search as a step: the best parameters once all trials are over. Raises ParkedError while there are more to run."""
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
        raise ParkedError([job.id for job in waiting], _waits(len(waiting), len(trials)))
    scores = _scores(trials)
    step = next_step(search, len(candidates), scores, higher)
    if step.trials:
        numbers = _queue(services, claim, request, key, candidates, step.trials)
        raise ParkedError(numbers, _waits(len(numbers), len(trials) + len(numbers)))
    if not step.ranked:
        errors = [job.error for job in trials if job.error] or ["no fold in time holds every class"]
        return _exit(), StepResult(
            ok=False,
            error=f"search: none of {len(candidates)} candidates got a score: {errors[0]}",
            cause="data",
        )
    folds = range(search.folds)
    tried = sorted({candidate for candidate, _ in scores})
    order = [*step.ranked, *(candidate for candidate in tried if candidate not in step.ranked)]
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
    return _exit(), StepResult(ok=True, record=record)


def list_trials(services: Services, actor: Actor, number: int) -> list[TrialLine]:
    """The candidates of a training's newest search: the best first, then those that came furthest.

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
    """The search of a training, found by the number of one of its trials too; of the newest that has one where None.

    Raises NotFoundError.
    """
    with reading(services, actor) as connection:
        found = jobs.newest_with_trials(connection) if number is None else number
        if found is None:
            raise NotFoundError(
                "no training has searched yet: add [training.search] to a model.toml, apply it and train"
            )
        job = require_job(connection, found)
        if job.parent is not None:
            job = require_job(connection, job.parent)
        stored = models.spec_by_id(connection, jobs.origin_of(connection, job.id).spec_id)
        assert stored is not None
        lines = _lines(connection, job, services.now())
    spec = spec_from_plain(stored.spec)
    if job.kind == "train":
        spec = merge_overrides(spec, job.options.get("overrides", {}))
    asked = spec.training.search if job.kind == "train" else None
    return SearchNow(job, spec.primary_metric, asked, tuple(lines))


def _lines(connection: Connection, parent: Job, now: datetime) -> list[TrialLine]:
    """The candidates of the newest search of a training, in the order of ``list_trials``; none before it has any."""
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
    return _judged(lines, parent)


def _judged(lines: list[TrialLine], parent: Job) -> list[TrialLine]:
    over = parent.status.ended or parent.step not in ("", "snapshot", "search")
    top = max(line.rung for line in lines)
    found = []
    for i, line in enumerate(lines):
        state = line.state
        if state is TrialState.TRIED and over and i == 0 and line.mean is not None:
            state = TrialState.BEST
        elif state is TrialState.TRIED and line.rung < top:
            state = TrialState.DROPPED
        found.append(replace(line, state=state))
    return found


def _line(
    candidate: int, trials: Sequence[Job], scores: dict[tuple[int, int], float | None], now: datetime
) -> TrialLine:
    own = {fold: score for (other, fold), score in scores.items() if other == candidate}
    last = trials[-1]
    well = {JobStatus.SUCCEEDED: TrialState.TRIED, JobStatus.QUEUED: TrialState.WAITING}
    return TrialLine(
        candidate,
        last.options["parameters"],
        dict(sorted(own.items())),
        mean(candidate, sorted(own), scores),
        max(int(job.options["rung"]) for job in trials),
        tuple(job.id for job in trials),
        well.get(last.status, last.status),
        math.fsum(took) if (took := [_seconds(job, now) for job in trials if job.started_at]) else None,
        last.error,
    )


def _seconds(job: Job, now: datetime) -> float:
    assert job.started_at is not None
    return ((job.ended_at or now) - job.started_at).total_seconds()


def _scores(trials: Sequence[Job]) -> dict[tuple[int, int], float | None]:
    """What ended trials found; a trial that failed has None for each of its folds."""
    found: dict[tuple[int, int], float | None] = {}
    for job in trials:
        if job.status.ended:
            got = job.result.get("scores", {})
            for fold in job.options["folds"]:
                found[int(job.options["candidate"]), int(fold)] = got.get(str(fold))
    return found


def _queue(
    services: Services,
    claim: ClaimedJob,
    request: StepRequest,
    key: str,
    candidates: Sequence[dict[str, Scalar]],
    asked: Sequence[Ask],
) -> list[int]:
    state = services.paths.state.resolve()
    higher = METRICS[spec_from_plain(request.spec).primary_metric][0] == "higher"
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        parent = require_job(change.connection, claim.job.id)
        origin = jobs.origin_of(change.connection, parent.id)
        numbers = []
        for ask in asked:
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
        change.record("job.trials_queued", f"job {parent.id}", {"trials": numbers, "rung": asked[0].rung})
        return numbers


def _key(services: Services, claim: ClaimedJob, request: StepRequest) -> str:
    """Trials count for this search alone: the same rows, code and values to try."""
    code = read_prepared(services, claim).code.get("folder_digest")
    return canonical_digest(
        {
            "train": request.options.get("train_digest"),
            "code": code,
            "training": request.spec["training"],
            "data": request.spec["data"],
        }
    )


def _waits(open_: int, all_: int) -> str:
    return f"waits for {open_} trial{'' if open_ == 1 else 's'} ({all_} so far)"


def _exit() -> StepExit:
    return StepExit(0, None, 0.0, 0.0)
