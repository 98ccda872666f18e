"""Supervisor between launcher and step: one small process a step that watches it and, at its end, ends all that it has
started.

Where there are namespaces it is the first process of the job's own: nothing outlives it, and it sees the job's processes
alone. Elsewhere it is its descendants' reaper (PR_SET_CHILD_SUBREAPER), so that nothing that a step starts can hide from it,
not even in a session of its own. Its channel to the launcher carries one byte to cancel; end of file means that the launcher
is gone.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pilothouse.confinement import confined
from pilothouse.domain.confinement import Offered
from pilothouse.domain.jobs.jobs import StepExit, StepRequest
from pilothouse.execution.step_memory import removed_bytes, resident_mb
from pilothouse.execution.step_process import (
    EXIT_DISK_FULL,
    EXIT_OUT_OF_MEMORY,
    MOST_PROCESSES,
    Turn,
    inputs_of,
    run_step_here,
)
from pilothouse.system.processes import close_all_but, die_with_parent, family_below, groups_below

CANCEL = b"c"
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY_S = 0.1
"""Seconds between two looks at the memory and processor time of a step."""
_LOOKS_A_FOLDER = 10
"""Looks after which the step's folder is measured again."""
_LEAST_BYTES = 1_024
"""Room that a file counts for at least: an empty one takes some too."""
_SEAL_BYTES = 16
_Reason = Literal[
    "timed out",
    "cancelled",
    "out of memory",
    "out of cpu time",
    "disk full",
    "folder full",
    "too many processes",
]


@dataclass(frozen=True, slots=True)
class Supervised:
    """How a step is run: the package that it comes from, the layers of its confinement, the seconds between SIGTERM and
    SIGKILL, the open file with its secret, where it has one, and its share of the processors."""

    package: str
    offered: Offered | None
    grace_s: float
    secret: int | None = None
    turn: Turn = field(default_factory=Turn)


def supervise(request: StepRequest, channel: socket.socket, how: Supervised) -> StepExit:
    """Fork the step, watch it to its end, and leave no process behind. Raises OSError where that cannot begin."""
    package, offered = how.package, how.offered
    close_all_but({0, 1, 2, channel.fileno(), *(() if how.secret is None else (how.secret,))})
    os.setsid()
    if is_first(offered):
        die_with_parent()  # with it everything of the job dies
        folder = Path(request.folder)
        confined.enter_job(inputs_of(request, package), folder, request.memory_mb)
    else:
        become_reaper()
    started = time.monotonic()
    # a SIGKILL during which the kernel's count of OOM kills rises was for want of memory
    kills_before = _kernel_kills()
    seal = os.urandom(_SEAL_BYTES)
    child = os.fork()
    if not child:
        os._exit(run_step_here(request, package, offered, seal, how.secret, how.turn))
    if how.secret is not None:
        os.close(how.secret)
    watch = _Watch(request, child, channel, has_own_memory=is_first(offered))
    try:
        reason = watch.until_over()
        if reason is not None:
            _ask_to_end(child, how.grace_s if reason != "out of memory" else 0.0)
    finally:
        status, peak = _end_family(child, is_first=is_first(offered))
    seconds = time.monotonic() - started
    code = os.waitstatus_to_exitcode(status)
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
        seal=seal.hex(),
    )


def is_first(offered: Offered | None) -> bool:
    """True where the supervisor is the first process of namespaces of its own."""
    return offered is not None and offered.namespaces


def become_reaper() -> None:
    """Make orphans below this process its children instead of init's."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class _Watch:
    """Watch for the first of: the step's end, its time, memory, room or processor time used up, a cancellation, the
    launcher's end."""

    def __init__(
        self, request: StepRequest, child: int, channel: socket.socket, *, has_own_memory: bool
    ) -> None:
        self.peak_mb = 0.0
        self._request = request
        self._deadline = time.monotonic() + request.timeout_s
        self._child = child
        self._channel = channel
        self._has_own_memory = has_own_memory
        self._looks = 0

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
        _reap_orphans(self._child)
        family = family_below(os.getpid())
        if len(family.pids) > MOST_PROCESSES:
            return "too many processes"
        memory_mb, cpu_s = self._request.memory_mb, self._request.cpu_s
        resident = resident_mb(family, memory_mb, has_own_memory=self._has_own_memory)
        self.peak_mb = max(self.peak_mb, resident)
        if resident > memory_mb:
            return "out of memory"
        of_orphans = resource.getrusage(resource.RUSAGE_CHILDREN)
        if cpu_s is not None and family.cpu_s + of_orphans.ru_utime + of_orphans.ru_stime > cpu_s:
            return "out of cpu time"
        self._looks += 1
        if self._looks % _LOOKS_A_FOLDER == 0:
            left = self._request.folder_mb * 2**20 - removed_bytes(family.pids)
            if _holds_more(Path(self._request.folder), left):
                return "folder full"
        return None


def _reap_orphans(child: int) -> None:
    """Reap what the step has left behind and has ended since, but not the step itself."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid == child:
                return
            os.waitpid(ended.si_pid, 0)


def _holds_more(folder: Path, left: int) -> bool:
    """True where the files below a folder take more bytes than that, or where one of its folders cannot be looked into.
    Links are not followed."""
    todo = [str(folder)]
    while todo and left >= 0:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    left -= max(entry.stat(follow_symlinks=False).st_blocks * 512, _LEAST_BYTES)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):  # it went meanwhile
            continue
        except OSError:  # the step has shut it, or nested it deeper than a path can name
            return True
    return left < 0


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


def _end_family(child: int, *, is_first: bool) -> tuple[int, float]:
    """Kill and reap until nothing is left. Returns the child's wait status and peak resident memory in MiB."""
    status, peak = 0, 0.0
    while True:
        # While the child is not reaped its pid, and so its group's number, belongs to nobody else.
        if is_first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # everything of the namespace but this process, at one stroke
        elif not _kill_children():
            kill_family(os.getpid())
        try:
            pid, ended_with, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return status, peak
        if pid == child:
            status, peak = ended_with, usage.ru_maxrss / 1024


def _kill_children() -> bool:
    """Kill the children of this process; False where the kernel does not list them.

    What they leave becomes this process's children at once, so that a few such strokes end a family that forks meanwhile: the
    list takes microseconds, and a chain of processes that each fork the next and end cannot outrun it for long.
    """
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()
    except OSError:
        return False
    for pid in listed:
        _signal(int(pid), signal.SIGKILL)
    return True


def kill_family(pid: int, spared: Iterable[int] = ()) -> list[int]:
    """Kill all that runs below a process but ``spared`` and what is below those. They may fork meanwhile: they are stopped
    first, until none appears that still runs. Returns the pids."""
    stopped: set[int] = set()
    own = os.getpgrp()
    while new := {other: group for other, group in _strays(pid, spared).items() if other not in stopped}:
        # a whole group is stopped at one stroke, those that it is forking just now too
        for group in set(new.values()) - {own}:
            _signal(-group, signal.SIGSTOP)
        for other in new:
            _signal(other, signal.SIGSTOP)
        stopped |= new.keys()
    ending = list(_strays(pid, spared))
    for other in ending:
        _signal(other, signal.SIGKILL)
    return ending


def _strays(pid: int, spared: Iterable[int]) -> dict[int, int]:
    kept = {below for other in spared for below in (other, *groups_below(other))}
    return {other: group for other, group in groups_below(pid).items() if other not in kept}


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _kernel_kills() -> int:
    """Number of processes that the kernel has killed for want of memory since boot."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text("ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
