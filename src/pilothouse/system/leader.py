"""Leader of a workspace: the one daemon that holds a lock on a file that names it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.system.processes import is_alive, own_name, read_name

_ENDS_WITHIN_S, _POLL_S = 5.0, 0.02
"""Seconds within which a killed daemon's lock goes. It is dead before the last of its threads is, and until then the
kernel keeps its lock."""

_FILE = "inode"
"""Name, in the file, of the file's own inode."""


@contextlib.contextmanager
def leadership(path: Path, wait: Callable[[], bool] | None = None) -> Iterator[bool]:
    """Context in which this daemon leads the workspace. Raises ConflictError where another one does.

    With ``wait`` it stands by instead: ``wait`` is called between two tries, lets some time pass and says whether to go
    on; the block gets False where it was told not to. The kernel releases the lock when the process ends, however it
    ends; no child process inherits it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _ENDS_WITHIN_S
    try:
        while not _locked(descriptor):
            if wait is None:
                other = leader(path)
                if other is None and time.monotonic() < until:
                    time.sleep(_POLL_S)
                    continue
                raise ConflictError(
                    f"another daemon runs for this workspace{f', pid {other.pid}' if other else ''}: stop it first"
                )
            if not wait():
                yield False
                return
        # only the holder of the lock writes, so the file names the leader, or one that has ended
        os.ftruncate(descriptor, 0)
        named = asdict(own_name()) | {_FILE: os.fstat(descriptor).st_ino}
        os.pwrite(descriptor, json.dumps(named).encode(), 0)
        yield True
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_not_led(path: Path) -> None:
    """Raise ConflictError where another process leads: before an upgrade, under which a daemon of the release before would
    fail."""
    other = leader(path)
    if other is not None and other != own_name():
        raise ConflictError(
            f"the workspace's daemon runs as pid {other.pid}: stop that daemon first (kill {other.pid}, or its service), "
            "then this release brings the workspace up to date"
        )


def leader(path: Path) -> ProcessName | None:
    """Name of the daemon that leads, or None. In a copy of the folder the file names the leader of what was copied."""
    try:
        named = parse_json(path.read_bytes())
        if isinstance(named, dict) and named.pop(_FILE, inode := path.stat().st_ino) != inode:
            return None
        name = read_name(named)
    except (OSError, ValueError, TypeError):
        return None
    return name if is_alive(name) else None
