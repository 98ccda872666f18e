"""Jobs, their steps, and the contract between the supervisor and a step's process.

A job is rows in the registry; a step is one process. The supervisor writes ``request.json`` (a StepRequest) into the
step's own folder; the process appends ProgressLine objects to ``progress.jsonl`` and what user code prints goes to
``log.txt``; at its end it writes ``result.json`` (a StepResult). Nothing else passes between them.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, cast, get_args

Cause = Literal["", "data", "source", "user", "disk full", "killed", "lost"]
"""Cause of a failure, where its status alone does not say whether another attempt may help. ``source``:
the data could not be read, or changed, just now; ``killed``: a stranger's signal; ``lost``: launcher or daemon went away."""


class JobStatus(StrEnum):
    """Status of a job that has not ended, or the way in which it ended."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The step said what was wrong: bad data, a parameter that is not valid, a source that changed."""
    USER_EXCEPTION = "user exception"
    """The model's own code raised; the error names its line."""
    CRASHED = "crashed"
    """The process died of a signal that nobody here sent."""
    OUT_OF_MEMORY = "out of memory"
    OUT_OF_CPU_TIME = "out of cpu time"
    """A step's processes used more processor time than they may, whatever the wall clock says."""
    DISK_FULL = "disk full"
    TIMED_OUT = "timed out"
    """A step ran longer than it may, or the job's deadline passed."""
    CANCELLED = "cancelled"
    LOST = "lost"
    """Daemon or launcher went away under it and the job has used up its attempts."""

    @property
    def ended(self) -> bool:
        """True once nothing more will happen."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


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
    cpu_s: int | None = None
    """Processor time of all its processes together; None: as much as they like until ``timeout_s``."""
    folder_mb: int = 65_536
    """MiB that may lie in its folder."""
    network: bool = False
    """It may open connections: of a step that reads a source, and runs no code of a user and opens no model file."""
    credentials: str = ""
    """Where the secret for that is, ``env:NAME`` or ``file:PATH``: read by the daemon when the step starts."""
    secret: str = field(default="", repr=False)
    """The secret itself, in the step's own process alone: it is never in ``request.json``."""


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
    cause: Cause = ""


@dataclass(frozen=True, slots=True)
class ProcessName:
    """A process that cannot be mistaken for another after its pid is used again."""

    boot_id: str
    pid: int
    started: int
    """Field 22 of /proc/PID/stat: clock ticks since boot."""


@dataclass(frozen=True, slots=True)
class StepExit:
    """End of a step's process, as the launcher saw it."""

    exit_code: int | None
    signal: int | None
    peak_memory_mb: float
    seconds: float
    reason: Literal[
        "exited",
        "signalled",
        "timed out",
        "cancelled",
        "out of memory",
        "out of cpu time",
        "too many processes",
        "disk full",
        "folder full",
        "reused",
        "worker lost",
    ] = "exited"
    """``reused``: no process ran, for nothing that the step depends on had changed. ``worker lost``: the worker of a cluster,
    or the way to it, went away."""
    message: str = ""
    """Reason why the step could not be started or supervised; empty where it was."""
    seal: str = field(default="", repr=False)
    """Key, in hex, by which the result is known to be that of a process that came to its end."""
    host: str = ""
    """Name of the machine, where it was a worker of a cluster; empty: this one."""
    worker: str = ""
    """Address of that worker."""
    environment: str = ""
    """Digest of the worker's environment."""


RetryOn = Literal[
    "lost", "killed", "disk full", "source", "crashed", "out of memory", "out of cpu time", "timed out"
]
"""Failures after which another attempt may go better. What the user's code raised and what is wrong with the data stays so."""

_LONGEST_BACK_OFF_S = 3_600


def retry_reason(status: JobStatus, cause: Cause) -> RetryOn | None:
    """The kind of failure as retry policies name it; None where another attempt would end the same way."""
    if status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED, JobStatus.USER_EXCEPTION):
        return None
    # causes and statuses after which another attempt may help are the policies' own words
    reason = next((name for name in (cause, str(status)) if name in get_args(RetryOn)), None)
    return cast(RetryOn | None, reason)


def back_off_s(first_s: int, failures: int) -> int:
    """Seconds before the next attempt after ``failures`` (1 or more) of them: doubled each time, an hour at most."""
    return int(min(_LONGEST_BACK_OFF_S, first_s * 2 ** min(failures - 1, 30)))
