"""Supervisor between launcher and step: one small process a step that watches it and, at its end, all that it has
started.

It is its descendants' reaper (PR_SET_CHILD_SUBREAPER), so nothing that a step starts can hide from it, not even in a
session of its own. Its channel to the launcher carries one byte to cancel; end of file means that the launcher is gone.
"""

import ctypes
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import Literal

from pilothouse.domain.jobs import StepExit, StepRequest
from pilothouse.execution.step_process import (
    EXIT_DISK_FULL,
    EXIT_OUT_OF_MEMORY,
    close_all_but,
    run_step_here,
)
from pilothouse.system.processes import descendants, family_below

CANCEL = b"c"
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY_S = 0.1
"""Seconds between two looks at the memory and processor time of a step."""
_Reason = Literal["timed out", "cancelled", "out of memory", "out of cpu time", "disk full"]


def supervise(
    request: StepRequest, channel: socket.socket, package: str, *, isolated: bool, grace_s: float
) -> StepExit:
    """Fork the step, watch it to its end, and leave no process behind."""
    close_all_but({0, 1, 2, channel.fileno()})
    os.setsid()
    become_reaper()
    started = time.monotonic()
    # a SIGKILL during which the kernel's count of OOM kills rises was for want of memory
    kills_before = _kernel_kills()
    child = os.fork()
    if not child:
        os._exit(run_step_here(request, package, isolated=isolated))
    watch = _Watch(request, child, channel)
    reason = watch.until_over()
    if reason is not None:
        _ask_to_end(child, grace_s if reason != "out of memory" else 0.0)
    status, peak = _end_family(child)
    seconds = time.monotonic() - started
    code = os.waitstatus_to_exitcode(status)
    _remove_semaphores(child)
    killed_by_kernel = code == -signal.SIGKILL and _kernel_kills() > kills_before
    if reason is None and (code == EXIT_OUT_OF_MEMORY or killed_by_kernel):
        reason = "out of memory"
    if reason is None and code == EXIT_DISK_FULL:
        reason = "disk full"
    return StepExit(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        peak_memory_mb=round(max(peak, watch.peak_mb), 1),
        seconds=round(seconds, 3),
        reason=reason or ("signalled" if code < 0 else "exited"),
    )


def become_reaper() -> None:
    """Make orphans below this process its children instead of init's."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class _Watch:
    """Watch for the first of: the step's end, its time, memory or processor time used up, a cancellation, the launcher's
    end."""

    def __init__(self, request: StepRequest, child: int, channel: socket.socket) -> None:
        self.peak_mb = 0.0
        self._memory_mb = request.memory_mb
        self._cpu_s = request.cpu_s
        self._deadline = time.monotonic() + request.timeout_s
        self._child = child
        self._channel = channel

    def until_over(self) -> _Reason | None:
        """Reason why the step has to end; None where it ended by itself."""
        ended = os.pidfd_open(self._child)
        cancelled = self._channel.fileno()
        try:
            while True:
                readable, _, _ = select.select([ended, cancelled], [], [], _LOOK_EVERY_S)
                if ended in readable:
                    return None
                if cancelled in readable:
                    return "cancelled"  # by a byte, or by the launcher's end
                if time.monotonic() > self._deadline:
                    return "timed out"
                if (reason := self._used_up()) is not None:
                    return reason
        finally:
            os.close(ended)

    def _used_up(self) -> _Reason | None:
        """Limit that the step, with all that it has started and left as orphans, has exceeded; None where there is none."""
        family = family_below(os.getpid())
        resident = family.resident_mb
        if resident > self._memory_mb:  # pages that the family shares are counted once before it is judged
            resident = sum(_proportional_mb(pid) for pid in family.pids)
        self.peak_mb = max(self.peak_mb, resident)
        if resident > self._memory_mb:
            return "out of memory"
        return "out of cpu time" if self._cpu_s is not None and family.cpu_s > self._cpu_s else None


def _ask_to_end(child: int, grace_s: float) -> None:
    """Send SIGTERM to the step's group, and give it time to heed it."""
    try:
        os.killpg(child, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):  # it has not become a leader yet, or is gone
        return
    ended = os.pidfd_open(child)
    try:
        select.select([ended], [], [], grace_s)
    finally:
        os.close(ended)


def _end_family(child: int) -> tuple[int, float]:
    """Kill and reap until nothing is left. Returns the child's wait status and peak resident memory in MiB."""
    status, peak = 0, 0.0
    while True:
        # While the child is not reaped its pid, and so its group's number, belongs to nobody else.
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            pid, ended_with, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return status, peak
        if pid == child:
            status, peak = ended_with, usage.ru_maxrss / 1024


def _proportional_mb(pid: int) -> float:
    """Memory in MiB of a process with each shared page divided among those that share it (``Pss`` of proc(5))."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):  # it ended meanwhile
        return 0.0
    return 0.0


def _kernel_kills() -> int:
    """Number of processes that the kernel has killed for want of memory since boot."""
    for line in Path("/proc/vmstat").read_text("ascii").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def _remove_semaphores(child: int) -> None:
    """Remove named semaphores of joblib's workers, which outlive them when all are killed at once."""
    for path in Path("/dev/shm").glob(f"sem.loky-{child}-*"):  # noqa: S108
        path.unlink(missing_ok=True)
