"""Jobs, their steps, and the contract between the supervisor and a step's process.

A job is rows in the registry; a step is one process. The supervisor writes ``request.json`` (a StepRequest) into the
step's own folder; the process appends ProgressLine objects to ``progress.jsonl`` and what user code prints goes to
``log.txt``; at its end it writes ``result.json`` (a StepResult). Nothing else passes between them.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

JobKind = Literal["train", "reproduce", "backtest", "domain_classifier"]


class JobStatus(StrEnum):
    """Each way a job can be, and each way it can end, by name."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The step said what was wrong: user exception, bad data, a source that changed."""
    CRASHED = "crashed"
    """The process died of a signal that nobody here sent."""
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The daemon went away and the job has used up its attempts."""

    @property
    def ended(self) -> bool:
        """True once nothing more will happen."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


STEPS: dict[JobKind, tuple[str, ...]] = {
    "train": ("snapshot", "fit", "evaluate", "gate", "verify"),
    "reproduce": ("fit", "compare"),
    "backtest": ("backtest",),
    "domain_classifier": ("domain_classifier",),
}
"""The processes of each kind of job, in order. ``snapshot`` and ``verify`` read the source and run no user code; ``fit``
runs the user's training code and never sees the hold-out; ``evaluate`` scores and runs our gates; ``gate`` runs the
user's gate function (skipped where there is none); ``verify`` hashes the source again; ``compare`` holds a retrained
model against the recorded one; ``backtest`` scores several versions on the same labelled rows; ``domain_classifier``
tells a window's rows from the training rows."""


@dataclass(frozen=True, slots=True)
class StepRequest:
    """``request.json``. Paths are absolute; the process can reach those and its own libraries, and nothing else.

    ``inputs`` names files or folders that it may read; ``folder`` is its own, which it may write. ``options`` is what
    the kind of step needs (documented at the step's module).
    """

    job: int
    attempt: int
    step: str
    folder: str
    spec: dict[str, Any]
    """The ModelSpec as plain data; ``model_file.spec_from_plain`` reads it back."""
    inputs: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 2
    memory_mb: int = 4_096
    timeout_s: int = 3_600


@dataclass(frozen=True, slots=True)
class ProgressLine:
    """One line of ``progress.jsonl``. ``fraction`` is of this step, 0 to 1."""

    at: float
    fraction: float
    message: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepResult:
    """``result.json``. ``outputs`` maps a name to a file in the step's folder; ``record`` is plain data to keep.

    ``error`` is empty on success, else one line for the user: what was wrong, where, what to do.
    """

    ok: bool
    outputs: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class ProcessName:
    """A process that cannot be mistaken for another after its pid is used again."""

    boot_id: str
    pid: int
    started: int
    """Field 22 of /proc/PID/stat: clock ticks since boot."""


@dataclass(frozen=True, slots=True)
class StepExit:
    """How a step's process ended, as the launcher saw it."""

    exit_code: int | None
    signal: int | None
    peak_memory_mb: float
    seconds: float
    reason: Literal["exited", "signalled", "timed out", "cancelled", "out of memory"] = "exited"
