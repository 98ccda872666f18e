"""A training's search: its candidates as jobs of their own, its best one handed to the fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.jobs import JobStatus, StepExit, StepRequest, StepResult
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import METRICS, Scalar
from pilothouse.domain.records import Job
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.domain.search import Ask, draw, mean, next_step
from pilothouse.execution.pipeline import ParkedError
from pilothouse.store import jobs

from .authorisation import changing, reading
from .job_inputs import model_copy, read_prepared
from .jobs import ClaimedJob, require_job
from .services import Services


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One candidate of a search, over all the trials that it had."""

    candidate: int
    parameters: dict[str, Scalar]
    scores: dict[int, float | None]
    """By fold, 0 the oldest."""
    mean: float | None
    rung: int
    """How far it came; one trial a rung."""
    jobs: tuple[int, ...]
    state: str
    """``best``, ``dropped``, ``tried``, ``waiting`` or what became of its last trial."""


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
        trials = jobs.children(connection, number)
    if not trials:
        raise ConflictError(
            f"job {number} has no trials: they come with [training.search], once the rows are laid out"
        )
    key = trials[-1].options["search"]
    trials = [job for job in trials if job.options["search"] == key]
    higher = bool(trials[-1].options["higher"])
    scores = _scores(trials)
    lines = [
        _line(candidate, [job for job in trials if job.options["candidate"] == candidate], scores)
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
        if state == "tried" and over and i == 0 and line.mean is not None:
            state = "best"
        elif state == "tried" and line.rung < top:
            state = "dropped"
        found.append(
            TrialLine(line.candidate, line.parameters, line.scores, line.mean, line.rung, line.jobs, state)
        )
    return found


def _line(candidate: int, trials: Sequence[Job], scores: dict[tuple[int, int], float | None]) -> TrialLine:
    own = {fold: score for (other, fold), score in scores.items() if other == candidate}
    last = trials[-1]
    state = {JobStatus.SUCCEEDED: "tried", JobStatus.QUEUED: "waiting"}.get(last.status, str(last.status))
    return TrialLine(
        candidate,
        last.options["parameters"],
        dict(sorted(own.items())),
        mean(candidate, sorted(own), scores),
        max(int(job.options["rung"]) for job in trials),
        tuple(job.id for job in trials),
        state,
    )


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
            number = jobs.add(
                change.connection,
                kind="trial",
                model_id=origin.model_id,
                spec_id=origin.spec_id,
                created_by=DAEMON.name,
                reason=f"candidate {ask.candidate + 1} of job {parent.id}",
                at=change.at,
                options=options,
                priority=parent.priority,
                deadline=parent.deadline,
                max_attempts=parent.max_attempts,
                parent=parent.id,
            )
            numbers.append(number)
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
