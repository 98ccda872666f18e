"""Root of one's own: a file system in memory that shows a process the paths that it is given, and nothing else."""

import contextlib
import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.confinement import namespaces
from pilothouse.confinement.namespaces import NO_DEVICES, NO_EXECUTION, NO_SUID, READ_ONLY

_OLD = "/.old"
_PLACE = "/usr"
"""Folder that every system has; the new root is mounted there for a moment."""
_INODES = 200_000
"""Files that are made in it at most: each takes memory too."""
_FOLDERS = (("/dev", 0o755), ("/dev/shm", 0o1777), ("/tmp", 0o1777), ("/proc", 0o755))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Root:
    """Content of a root. Paths are absolute; one that does not exist is left out.

    ``read`` is shown read-only, ``write`` writable. ``/dev/shm`` and ``/tmp`` are empty folders; what is written there, or
    anywhere else in the root, lies in memory, ``shared_mb`` at most.
    """

    read: Sequence[Path]
    write: Sequence[Path]
    shared_mb: int
    fresh_processes: bool
    """``/proc`` shows the processes of the PID namespace; else what ``read`` names of it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Path as it is named, what it leads to, and whether that is a folder."""

    name: str
    real: str
    is_folder: bool


def enter(root: Root) -> None:
    """Make ``root`` the root of this process and of all that it starts. It needs a mount namespace of its own. Raises
    OSError."""
    before = os.getcwd()  # noqa: PTH109
    write = [place for path in root.write if (place := _place(path)) is not None]
    read = [*_places(tuple(root.read)), *write]
    if root.fresh_processes:
        read = [place for place in read if not place.real.startswith("/proc/")]
    namespaces.make_private()
    options = f"mode=0755,size={root.shared_mb}m,nr_inodes={_INODES}"
    namespaces.mount("tmpfs", _PLACE, "tmpfs", NO_SUID | NO_DEVICES, options)
    os.mkdir(f"{_PLACE}{_OLD}")  # noqa: PTH102
    namespaces.pivot_into(_PLACE, _OLD)
    for name, mode in _FOLDERS:
        os.mkdir(name)  # noqa: PTH102
        os.chmod(name, mode)  # noqa: PTH101
    if root.fresh_processes:
        namespaces.mount("proc", "/proc", "proc", NO_SUID | NO_DEVICES | NO_EXECUTION)
    shown: list[str] = []
    for place in sorted(read, key=lambda place: place.real):
        if not any(place.real == other or place.real.startswith(f"{other}/") for other in shown):
            _show(place)
            shown += [place.real] if place.is_folder else []
    namespaces.set_attributes("/", add=READ_ONLY | NO_SUID, below=True)
    namespaces.set_attributes("/", clear=READ_ONLY)
    for place in write:
        if place.is_folder:
            namespaces.bind(_OLD + place.real, place.real)
            namespaces.set_attributes(place.real, add=NO_SUID | NO_DEVICES, clear=READ_ONLY, below=True)
    for place in read:
        if place.name != place.real and not os.path.lexists(place.name):
            os.makedirs(os.path.dirname(place.name), exist_ok=True)  # noqa: PTH103, PTH120
            os.symlink(place.real, place.name)  # noqa: PTH211
    namespaces.let_go(_OLD)
    os.rmdir(_OLD)  # noqa: PTH106
    with contextlib.suppress(FileNotFoundError):
        os.chdir(before)


def look_up_runtime() -> None:
    """Look up the places of the libraries, before many processes are forked that need them."""
    _runtime_places()


def used_mb() -> float:
    """MiB that lie in this process's own root, which no process's memory shows."""
    facts = os.statvfs("/")
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize / 2**20


def _show(place: _Place) -> None:
    """Show a path of the old root at the same place."""
    if not os.path.lexists(place.real):
        if place.is_folder:
            os.makedirs(place.real)  # noqa: PTH103
        else:
            os.makedirs(os.path.dirname(place.real), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(place.real, os.O_CREAT | os.O_CLOEXEC))
    namespaces.bind(_OLD + place.real, place.real)


def _places(paths: tuple[Path, ...]) -> list[_Place]:
    known = _runtime_places()
    return [place for path in paths if (place := known.get(path) or _place(path)) is not None]


def _place(path: Path) -> _Place | None:
    """Where a path leads; None where it does not exist or cannot be seen."""
    name = os.path.abspath(path)  # noqa: PTH100
    real = os.path.realpath(name)
    try:
        return _Place(name, real, os.path.isdir(real)) if os.path.exists(real) else None  # noqa: PTH110, PTH112
    except OSError:
        return None


@functools.cache
def _runtime_places() -> dict[Path, _Place | None]:
    """Places of the paths that every process is given; they do not change while it runs."""
    read, _ = runtime_paths()
    return {path: _place(path) for path in read if not path.is_relative_to("/proc")}


@functools.cache
def runtime_paths() -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Paths that any Python process needs to read (its interpreter, libraries, clock), and the devices that it may write."""
    package = Path(__file__).resolve().parents[2]  # where an editable install lives
    python = [Path(p) for p in (sys.prefix, sys.base_prefix, *sys.path) if p]
    system = [Path(p) for p in ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime")]
    users = [Path(p) for p in ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types")]
    kernel = [
        Path(p)
        for p in (
            "/proc/self",
            "/proc/cpuinfo",
            "/proc/meminfo",
            "/proc/stat",
            "/proc/sys/vm/overcommit_memory",
            "/proc/sys/kernel/random/boot_id",
            "/sys/devices/system",
            "/sys/fs/cgroup",
            "/sys/kernel/mm/transparent_hugepage",
        )
    ]
    sources = [Path("/dev/random"), Path("/dev/urandom")]
    return (package, *python, *system, *users, *kernel, *sources), (Path("/dev/null"),)
