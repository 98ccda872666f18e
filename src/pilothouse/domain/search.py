"""Successive halving over folds in time: which candidates are tried on which folds, and when to stop (no I/O).

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016: all
candidates get a little, the better half gets more, and so on. What is given here is folds: the newest first, for it has the
most training rows and is nearest to what the version will meet.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.model_spec import Scalar, SearchSpec

Scores = Mapping[tuple[int, int], float | None]
"""(candidate, fold) → score in the metric's units; None where the trial failed or the fold lacks a class."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A trial that is to be run: a candidate on some folds (0 is the oldest)."""

    candidate: int
    folds: tuple[int, ...]
    rung: int


@dataclass(frozen=True, slots=True)
class Step:
    """Next step of a search: run ``trials``, or, where there are none, take the first of ``ranked`` (best first)."""

    trials: tuple[Ask, ...]
    ranked: tuple[int, ...]


class TrialState(StrEnum):
    """State of a candidate of a search while nothing has gone wrong with it."""

    WAITING = "waiting"
    TRIED = "tried"
    BEST = "best"
    DROPPED = "dropped"
    """The better half went on without it."""


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One candidate of a search, over all the trials that it had."""

    candidate: int
    parameters: dict[str, Scalar]
    scores: dict[int, float | None]
    """Score by fold, 0 the oldest."""
    mean: float | None
    rung: int
    """Last rung that it reached; one trial a rung."""
    jobs: tuple[int, ...]
    state: TrialState | JobStatus
    """A job's state where the last trial runs, or ended otherwise than well."""
    seconds: float | None = None
    """Duration of its trials together, of those that run so far; None before the first has started."""
    error: str = ""
    """Error of its last trial, where that failed."""


def draw(spec: SearchSpec, seed: int) -> list[dict[str, Scalar]]:
    """The candidates: different combinations drawn by ``seed``, or all where there are no more than asked for."""
    names = sorted(spec.parameters)
    sizes = [len(spec.parameters[name]) for name in names]
    total = math.prod(sizes)
    count = min(spec.candidates, total)
    drawn = range(total) if count == total else random.Random(seed).sample(range(total), count)  # noqa: S311
    return [_combination(spec, names, sizes, number) for number in drawn]


def next_step(spec: SearchSpec, candidates: int, scores: Scores, higher_is_better: bool) -> Step:
    """Step after ``scores``. A rung is over when each of its candidates has an entry for each of its folds."""
    alive = list(range(candidates))
    rungs = _rungs(spec)
    seen: list[int] = []
    for number, folds in enumerate(rungs):
        missing = [
            Ask(candidate, tuple(fold for fold in folds if (candidate, fold) not in scores), number)
            for candidate in alive
            if any((candidate, fold) not in scores for fold in folds)
        ]
        if missing:
            return Step(tuple(missing), ())
        seen += folds
        alive = ranked(alive, seen, scores, higher_is_better)
        if number + 1 < len(rungs):
            alive = alive[: math.ceil(len(alive) / 2)]
    return Step((), tuple(alive))


def ranked(
    candidates: Sequence[int], folds: Sequence[int], scores: Scores, higher_is_better: bool
) -> list[int]:
    """Candidates with a score on any of the folds, best mean first; ties in the order in which they were drawn."""
    means = {candidate: mean(candidate, folds, scores) for candidate in candidates}
    known = [(value, candidate) for candidate, value in means.items() if value is not None]
    sign = -1.0 if higher_is_better else 1.0
    return [candidate for _, candidate in sorted(known, key=lambda item: (sign * item[0], item[1]))]


def mean(candidate: int, folds: Sequence[int], scores: Scores) -> float | None:
    """Mean over the folds that have a score; None where none has."""
    known = [score for fold in folds if (score := scores.get((candidate, fold))) is not None]
    return math.fsum(known) / len(known) if known else None


def _rungs(spec: SearchSpec) -> list[tuple[int, ...]]:
    newest_first = range(spec.folds - 1, -1, -1)
    return [(fold,) for fold in newest_first] if spec.early_stopping else [tuple(newest_first)]


def _combination(
    spec: SearchSpec, names: Sequence[str], sizes: Sequence[int], number: int
) -> dict[str, Scalar]:
    chosen: dict[str, Scalar] = {}
    for name, size in zip(names, sizes, strict=True):
        number, index = divmod(number, size)
        chosen[name] = spec.parameters[name][index]
    return chosen
