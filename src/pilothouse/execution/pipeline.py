"""Pipeline of a job: its steps in order, each one's outputs inputs of later ones. Knows nothing of the database."""

import json
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from pilothouse.domain.jobs.job_kinds import KINDS, Wire
from pilothouse.domain.jobs.jobs import (
    Cause,
    JobStatus,
    ProgressLine,
    StepExit,
    StepRequest,
    StepResult,
)
from pilothouse.execution.log_tail import last_message
from pilothouse.execution.step_process import LOG_FILE, MOST_PROCESSES
from pilothouse.system.files import write_atomically

OnProgress = Callable[[str, float, str], None]
"""Callback ``on_progress(step, fraction of the whole job, message)``, called from the thread that runs the pipeline."""


class StepRunner(Protocol):
    """Runner of steps: the launcher's client, or a cluster."""

    def run_step(
        self, request: StepRequest, cancel: threading.Event, on_progress: Callable[[ProgressLine], None]
    ) -> tuple[StepExit, StepResult | None]:
        """Run a step to its end."""


class Memory(Protocol):
    """Memory of steps that have run before."""

    def recall(self, request: StepRequest) -> tuple[StepResult, str] | None:
        """Result of the step on the very same inputs, and the job that made it; None where it has to run."""

    def keep(self, request: StepRequest, result: StepResult, exit_: StepExit) -> None:
        """Remember the result of a step, by where it ran."""


class ParkedError(Exception):
    """Step that can go on only when other jobs have ended: the job gives its slot back and waits for them."""

    def __init__(self, jobs: Sequence[int], message: str) -> None:
        super().__init__(message)
        self.jobs = tuple(jobs)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """End of a job. ``steps`` holds the result of each finished step, also of the failed one if it left any."""

    status: JobStatus
    error: str
    """Empty on success, else one line for the user."""
    steps: dict[str, StepResult] = field(default_factory=dict)
    exits: dict[str, StepExit] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    cause: Cause = ""
    reused: dict[str, str] = field(default_factory=dict)
    """Steps that did not run, and where their outputs came from."""


def run_pipeline(
    runner: StepRunner,
    kind: str,
    requests: Sequence[StepRequest],
    *,
    cancel: threading.Event,
    on_progress: OnProgress,
    memory: Memory | None = None,
) -> JobOutcome:
    """Run the steps in order and stop at the first that does not succeed. Steps that ``memory`` knows are not run again.

    ``requests`` are complete but for what a step of the kind takes from earlier ones; a step that the job does not need
    has none. Raises ParkedError where a step waits for other jobs.
    """
    started = time.monotonic()
    described = {step.name: step for step in KINDS[kind].steps}
    total = sum(described[request.step].weight for request in requests)
    done = 0.0
    steps: dict[str, StepResult] = {}
    exits: dict[str, StepExit] = {}
    reused: dict[str, str] = {}
    status, error, cause = JobStatus.SUCCEEDED, "", _NO_CAUSE
    for request in requests:
        if cancel.is_set():
            status, error = JobStatus.CANCELLED, f"cancelled before {request.step}"
            break
        weight = described[request.step].weight
        on_progress(request.step, done / total, "starting")
        report = _reporter(request.step, done / total, weight / total, on_progress)
        wired = wire(request, described[request.step].takes, steps)
        known = memory.recall(wired) if memory is not None else None
        if known is not None:
            steps[request.step], reused[request.step] = known
            exits[request.step] = StepExit(0, None, 0.0, 0.0, "reused")
            _log_reuse(request, reused[request.step])
        else:
            exit_, result = runner.run_step(wired, cancel, report)
            exits[request.step] = exit_
            if result is not None:
                steps[request.step] = result
            status, error, cause = judge(request, exit_, result)
            if status is not JobStatus.SUCCEEDED or result is None:
                break
            if memory is not None:
                memory.keep(wired, result, exit_)
        done += weight
        on_progress(request.step, done / total, "done")
    peak = max((exit_.peak_memory_mb for exit_ in exits.values()), default=0.0)
    return JobOutcome(status, error, steps, exits, time.monotonic() - started, peak, cause, reused)


def wire(request: StepRequest, wires: Sequence[Wire], steps: Mapping[str, StepResult]) -> StepRequest:
    """Request with what it takes from the steps before it."""
    inputs, options = dict(request.inputs), dict(request.options)
    for item in wires:
        if item.step not in steps:  # a step that this job does not need
            continue
        before = steps[item.step]
        if item.kind == "output":
            if item.key in before.outputs:
                inputs[item.name] = before.outputs[item.key]
        elif item.kind == "record":
            value = before.record.get(item.key) if item.key else before.record
            if value is not None:  # an option that nobody gave is none, so that a step's key stays as it was
                options[item.name] = value
        else:
            folder = Path(request.folder)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / f"{item.name}.json"
            write_atomically(path, json.dumps(before.record.get(item.key)).encode())
            inputs[item.name] = str(path)
    return replace(request, inputs=inputs, options=options)


def judge(request: StepRequest, exit_: StepExit, result: StepResult | None) -> tuple[JobStatus, str, Cause]:
    """Job status that the end of a step's process means, a message in one line, and the cause, by which a retry is
    decided."""
    step = request.step
    if exit_.reason == "cancelled":
        return JobStatus.CANCELLED, f"cancelled during {step}", ""
    if exit_.reason == "timed out":
        message = (
            f"{step} ran longer than training.timeout, {request.timeout_s} s: give it more or less to do"
        )
        return JobStatus.TIMED_OUT, message, ""
    if exit_.reason == "out of memory":
        message = (
            f"{step} needed more than training.memory_mb, {request.memory_mb} MiB (peak {exit_.peak_memory_mb:.0f}): "
            "raise it or use fewer rows"
        )
        return JobStatus.OUT_OF_MEMORY, message, ""
    if exit_.reason == "too many processes":
        return (
            JobStatus.FAILED,
            f"{step} ran more than {MOST_PROCESSES:,} processes at once: start fewer, or wait for those that have ended",
            "",
        )
    if exit_.reason == "out of cpu time":
        message = f"{step} used more processor time than training.cpu_time, {request.cpu_s} s: raise it or give it less to do"
        return JobStatus.OUT_OF_CPU_TIME, message, ""
    if exit_.reason == "disk full":
        where = f"worker {exit_.worker} on {exit_.host}" if exit_.worker else request.folder
        return (
            JobStatus.DISK_FULL,
            f"{step} found no room on the disk of {where}: make some",
            "disk full",
        )
    if exit_.reason == "folder full":
        message = f"{step} wrote more than {request.folder_mb} MiB into its folder, {request.folder}: give it less to keep"
        return JobStatus.FAILED, message, ""
    if exit_.reason == "worker lost":
        return JobStatus.LOST, f"{step} was lost: {exit_.message or 'its worker went away'}", "lost"
    if exit_.reason == "exited" and exit_.message:
        return JobStatus.FAILED, f"{step} could not be run: {exit_.message}", ""
    last_line = last_message(Path(request.folder))
    if exit_.reason == "signalled" and exit_.signal is None:
        return JobStatus.LOST, f"{step} was lost: the process that ran it for the daemon died", "lost"
    if exit_.reason == "signalled":
        killed = exit_.signal in _STRANGERS_SIGNALS
        message = f"{step} died of {signal_name(exit_.signal)}" + (
            ", which Pilothouse did not send"
            if killed
            else f": {last_line}"
            if last_line
            else ": its log says nothing of why"
        )
        return JobStatus.CRASHED, message, "killed" if killed else ""
    if result is None:
        message = f"{step} ended with code {exit_.exit_code} and left no valid result" + (
            f": {last_line}" if last_line else ""
        )
        return JobStatus.FAILED, message, ""
    if not result.ok:
        status = _BY_CAUSE.get(result.cause, JobStatus.FAILED)
        return (
            status,
            result.error or last_line or f"{step} failed and did not say why: see its log",
            result.cause,
        )
    return JobStatus.SUCCEEDED, "", ""


_NO_CAUSE: Cause = ""
_BY_CAUSE: dict[Cause, JobStatus] = {"user": JobStatus.USER_EXCEPTION, "disk full": JobStatus.DISK_FULL}
_STRANGERS_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals of which a process does not die by its own fault."""


def signal_name(number: int | None) -> str:
    """Name of a signal: ``SIGSEGV`` for 11."""
    if number is None:
        return "an unknown cause"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _reporter(
    step: str, base: float, share: float, on_progress: OnProgress
) -> Callable[[ProgressLine], None]:
    return lambda line: on_progress(step, base + share * line.fraction, line.message)


def _log_reuse(request: StepRequest, where: str) -> None:
    folder = Path(request.folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    message = (
        f"nothing that {request.step} depends on has changed since {where}: what it made then is used again\n"
    )
    write_atomically(folder / LOG_FILE, message.encode())
