"""Kinds of jobs: the steps of each, the inputs of a step from those before it, and the lines that tell the result.

This table and the one in ``operations/automation/job_handlers.py`` (how a kind is laid out and recorded) are all that a new
kind has to be entered in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pilothouse.domain.jobs.replays import replay_lines


@dataclass(frozen=True, slots=True)
class Wire:
    """Output of an earlier step that a later one takes.

    ``output``: a file of it as input ``name``; ``record``: a value of its record as option ``name`` (the whole record
    where ``key`` is empty); ``record file``: a value of its record, written as JSON, as input ``name``.
    """

    name: str
    step: str
    key: str
    kind: Literal["output", "record", "record file"] = "output"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a kind of job. What it does not take from earlier steps is in its request from the start."""

    name: str
    weight: float = 1.0
    """Its share of the job's progress, relative to the other steps."""
    takes: tuple[Wire, ...] = ()


ResultLines = Callable[[Mapping[str, Any], int | None], list[str]]
"""Lines that tell a job's result to people, from the result and the version that the job made or was about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """Properties of a kind of job. Steps run in order, each a process; one that a job does not need is left out."""

    steps: tuple[Step, ...]
    result_lines: ResultLines | None = None
    """None: the result is told value by value."""
    about_version: bool = False
    """The version is an input of the job: a retry is about the same one."""
    reuses_steps: bool = False
    """A step is not run again where nothing that it depends on has changed. Not of a reproduction, which is there to run."""


def _training_lines(result: Mapping[str, Any], version: int | None) -> list[str]:
    if version is None:
        return []
    reused = ", ".join(f"{step} ({where})" for step, where in result.get("reused", {}).items())
    return [
        f"made version {version}",
        *([f"nothing had changed, used again: {reused}"] if reused else []),
        *(str(note) for note in result.get("notes", ())),
    ]


def _reproduction_lines(result: Mapping[str, Any], _: int | None) -> list[str]:
    if "identical" not in result:
        return []
    gone = [f"not compared: {line}" for line in result.get("not_compared", ())]
    if result["identical"]:
        return [
            "identical: same rows, code and parameters; predictions on the hold-out equal bit for bit",
            *gone,
        ]
    return ["not identical:", *(f"  {line}" for line in result.get("differences", ())), *gone]


def is_significant(result: Mapping[str, Any]) -> bool:
    """True where a job found the features to drift. Results of earlier releases have the key ``speaks`` for it."""
    return bool(result.get("significant", result.get("speaks", False)))


def _separation_lines(result: Mapping[str, Any], _: int | None) -> list[str]:
    """``AUROC 0.71 (0.66 to 0.75), threshold 0.64: drifts, given away by temp, dewp``."""
    if "auc" not in result:
        return []
    threshold = result.get("threshold")
    if threshold is None:
        verdict = "not judged: the reference has too few days for windows of its own"
    elif result.get("lack"):
        verdict = f"not judged: {result['lack']}"
    else:
        verdict = (
            f"threshold {threshold:.3f}: {'drifts' if is_significant(result) else 'within its reference'}"
        )
    named = ", ".join(map(str, result.get("features", [])[:3]))
    return [
        f"AUROC {result['auc']:.3f} ({result['low']:.3f} to {result['high']:.3f}), {verdict}, most telling {named}"
    ]


_READ = Wire("source", "read", "source")
_TRAIN = Wire("train", "snapshot", "train")
_HOLDOUT = Wire("holdout", "snapshot", "holdout")
_FITTED = (Wire("model", "fit", "model"), Wire("schema", "fit", "schema"))

KINDS: dict[str, JobKind] = {
    "train": JobKind(
        steps=(
            # Reads a source by URL, with a network where it takes one; opens no other file, runs no user code.
            Step("read", 2.0),
            # Reads the source, or what ``read`` has written of it; runs no user code.
            Step("snapshot", 3.0, (_READ,)),
            # No process: queues trials and waits for them, where the model file asks for a search.
            Step("search", takes=(_TRAIN, Wire("train_digest", "snapshot", "train_digest", "record"))),
            # Runs the user's training code and never sees the hold-out.
            Step(
                "fit",
                5.0,
                (
                    _TRAIN,
                    Wire("searched", "search", "", "record"),
                    Wire("changed_us", "snapshot", "changed_us", "record"),
                ),
            ),
            # Scores and runs our gates.
            Step(
                "evaluate",
                6.0,
                (*_FITTED, _TRAIN, _HOLDOUT, Wire("data_gates", "snapshot", "gates", "record")),
            ),
            # Runs the user's gate function, where there is one.
            Step(
                "gate",
                takes=(
                    _HOLDOUT,
                    Wire("predictions", "evaluate", "predictions"),
                    Wire("metrics", "evaluate", "metrics", "record file"),
                ),
            ),
            # Hashes the source again.
            Step("verify", takes=(_READ, Wire("source_digest", "snapshot", "source_digest", "record"))),
        ),
        result_lines=_training_lines,
        reuses_steps=True,
    ),
    # Trains a version again from its record, and holds the model against the recorded one.
    "reproduce": JobKind(
        steps=(
            Step("fit", 5.0),
            Step("compare", 2.0, (*_FITTED, Wire("retrained", "fit", "", "record"))),
        ),
        result_lines=_reproduction_lines,
        about_version=True,
    ),
    # Scores several versions on the same labelled rows.
    "backtest": JobKind(steps=(Step("backtest"),)),
    # Has a version answer recorded production traffic, beside the one that answered it.
    "replay": JobKind(
        steps=(Step("replay"),), result_lines=lambda result, _: replay_lines(result), about_version=True
    ),
    # One candidate of a training's search, queued by the training itself.
    "trial": JobKind(steps=(Step("trial"),), result_lines=lambda _, __: []),
    # Tells a window's rows from the training rows.
    "domain_classifier": JobKind(steps=(Step("domain_classifier"),), result_lines=_separation_lines),
}
"""Every kind of job by its name, which jobs carry in the registry."""
