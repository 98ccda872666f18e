"""Memory of a job: what its processes hold, and what lies in the shared memory that is its own; files without a name."""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from pilothouse.confinement.root import used_mb
from pilothouse.system.processes import Family


def resident_mb(family: Family, limit_mb: float, *, has_own_memory: bool) -> float:
    """MiB that a job holds. As long as they may be within the limit pages that several processes share count once for each,
    which costs nothing to know.

    ``has_own_memory``: this process has the job's own root, and what lies in it counts, mapped or not.
    """
    lying = (used_mb() if has_own_memory else 0.0) + sum(map(_apart_mb, family.pids))
    resident = family.resident_mb + lying
    if resident <= limit_mb:
        return resident
    device = _device("/dev/shm") if has_own_memory else ""  # noqa: S108
    return lying + sum(_proportional_mb(pid, device, family.resident_by_pid[pid]) for pid in family.pids)


def removed_bytes(pids: Iterable[int]) -> int:
    """Room of files that processes hold open and that have no name any more, so that no folder shows them."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it ended, or hides itself
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                with contextlib.suppress(OSError):
                    facts = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
                    if stat.S_ISREG(facts.st_mode) and not facts.st_nlink:
                        found[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(found.values())


def _proportional_mb(pid: int, device: str, resident: float) -> float:
    """Memory in MiB of a process with each shared page divided among those that share it (``Pss`` of proc(5)), without what it
    maps of a device, which is counted there. A process that hides it counts in full."""
    total = 0
    counts = True
    try:
        if not device:
            return _rollup_mb(pid)
        for line in Path(f"/proc/{pid}/smaps").read_text("utf-8", "replace").splitlines():
            word, _, rest = line.partition(" ")
            if not word.endswith(":"):  # the head of a mapping: addresses, rights, offset, device
                counts = rest.split()[2] != device
            elif word == "Pss:" and counts:
                total += int(rest.split()[0])
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0.0
    except (OSError, ValueError, IndexError):
        return resident
    return total / 1024


def _apart_mb(pid: int) -> float:
    """Memory in MiB of a process that is not resident: its page tables, which a map of much that is empty fills, and what was
    swapped out."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith(("VmPTE:", "VmSwap:")):
                total += int(line.split()[1])
    except (OSError, ValueError, IndexError):  # it ended meanwhile
        return 0.0
    return total / 1024


def _rollup_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _device(path: str) -> str:
    """Device of a path as mappings name it: ``00:4f``."""
    number = os.stat(path).st_dev  # noqa: PTH116
    return f"{os.major(number):02x}:{os.minor(number):02x}"
