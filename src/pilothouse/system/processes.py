"""Processes by names that are never used again, and the end of whole process groups.

Facts come from ``/proc`` (proc(5)): a pid is used again, the pair of pid and start time within one boot is not.
"""

import contextlib
import ctypes
import functools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.domain.jobs.jobs import ProcessName

_PROC = Path("/proc")
_POLL_S = 0.01
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class _Stat:
    """Fields of ``/proc/PID/stat`` that are used here."""

    state: str
    parent: int
    group: int
    started: int
    resident_pages: int
    cpu_ticks: int
    """Clock ticks in user and system mode, of itself and of its children that it has waited for."""


@dataclass(frozen=True, slots=True)
class Family:
    """All processes that one has started, directly or through others, and what they use together."""

    pids: list[int]
    """Pids of those that run."""
    resident_mb: float
    """Resident memory in MiB; a page that several share counts once for each."""
    cpu_s: float
    """Processor time in seconds, also of those that have ended."""
    resident_by_pid: dict[int, float] = field(default_factory=dict)
    """Resident memory in MiB of each that runs."""


@functools.cache
def boot_id() -> str:
    """Random id of this boot, from the kernel."""
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def name_of(pid: int) -> ProcessName | None:
    """Full name of a running process; None if there is none, or only its zombie."""
    stat = _stat(pid)
    return ProcessName(boot_id(), pid, stat.started) if stat and stat.state not in "ZX" else None


def own_name() -> ProcessName:
    """Full name of this process."""
    stat = _stat(os.getpid())
    assert stat is not None
    return ProcessName(boot_id(), os.getpid(), stat.started)


def read_name(plain: Any) -> ProcessName:
    """Name of a process as a file has it. Raises ValueError where it is none: what it says may become a path, and a signal."""
    if not isinstance(plain, dict) or plain.keys() != {"boot_id", "pid", "started"}:
        raise ValueError("no name of a process")
    boot, pid, started = plain["boot_id"], plain["pid"], plain["started"]
    if type(boot) is not str or type(pid) is not int or type(started) is not int or not 0 < pid < 2**31:
        raise ValueError("no name of a process")
    return ProcessName(boot, pid, started)


def is_alive(name: ProcessName) -> bool:
    """True while that very process runs; False for a zombie or another process with its pid."""
    return name_of(name.pid) == name


def descendants(pid: int) -> list[int]:
    """Pids of children, their children and so on, without zombies. A process whose parent died hangs below its reaper."""
    return family_below(pid).pids


def family_below(pid: int) -> Family:
    """Processes that run below one, and what they use. A process whose parent died hangs below its reaper."""
    family = _below(pid)
    resident = {child: _mb(stat) for child, stat in family if stat.state not in "ZX"}
    return Family(
        list(resident),
        sum(_mb(stat) for _, stat in family),
        sum(stat.cpu_ticks for _, stat in family) / os.sysconf("SC_CLK_TCK"),
        resident,
    )


def groups_below(pid: int) -> dict[int, int]:
    """Pids of the processes that run below one, each with its process group."""
    return {child: stat.group for child, stat in _below(pid) if stat.state not in "ZX"}


def _below(pid: int) -> list[tuple[int, _Stat]]:
    children: dict[int, list[tuple[int, _Stat]]] = {}
    for other, stat in _processes():
        children.setdefault(stat.parent, []).append((other, stat))
    family: list[tuple[int, _Stat]] = []
    todo = [pid]
    while todo:
        below = children.pop(todo.pop(), [])
        family += below
        todo += [child for child, _ in below]
    return family


def _mb(stat: _Stat) -> float:
    return stat.resident_pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def kill_group(name: ProcessName, grace_s: float) -> bool:
    """End the process group that ``name`` leads: SIGTERM, after ``grace_s`` seconds SIGKILL. True if all its members are
    gone.

    Does nothing where the leader's pid belongs to another process by now.
    """
    current = name_of(name.pid)
    if name.boot_id != boot_id() or (current is not None and current != name):
        return True
    for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if not _members(name.pid):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(name.pid, number)
        deadline = time.monotonic() + patience
        while _members(name.pid) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    return not _members(name.pid)


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor of this process but those."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # the listing's own descriptor is closed already
                continue


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _members(group: int) -> list[int]:
    return [pid for pid, stat in _processes() if stat.group == group and stat.state not in "ZX"]


def _processes() -> Iterator[tuple[int, _Stat]]:
    for entry in os.listdir(_PROC):  # noqa: PTH208 - names are all that is needed, on a folder of hundreds
        if entry.isdecimal() and (stat := _stat(int(entry))) is not None:
            yield int(entry), stat


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the command's name may hold blanks and brackets
    ticks = sum(int(field) for field in fields[11:15])
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[19]), int(fields[21]), ticks)


def usable_processors() -> int:
    """Number of processors that this process may run on."""
    return len(os.sched_getaffinity(0))
