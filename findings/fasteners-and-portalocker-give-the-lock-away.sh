#!/usr/bin/env bash
# fasteners' lock is lost by reading the lock file, and portalocker's by a forked child's release; filelock keeps its own
#
# What:     fasteners 0.20, portalocker 4.4.2, filelock 4.3.1: three libraries for "one leader at a time" by a lock
#           file, on Linux.
# Guess:    a lock that says acquired is held until its owner releases it; a second lock object on the same file is
#           refused, also within the process; a forked child has no say in it.
# Seen:     fasteners.InterProcessLock uses POSIX record locks, which belong to the process: a second object on the
#           same path in the same process is *granted*, its release() frees the lock for the world while the first
#           still says acquired=True, and merely reading the lock file (to show the leader's pid) frees it too.
#           portalocker and filelock use flock(), which belongs to the open file, and refuse the second object; but
#           portalocker lets a forked child that inherited the lock object release() it for the parent, who still
#           holds its handle. filelock notices the fork: the child's release() does nothing to the parent's lock.
# Why:      a daemon is leader by such a lock, forks jobs, and prints "leader: pid" by reading the file: two leaders,
#           no error. Test a lock by asking from another process *after* what your program does, not right after
#           acquire().
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check fasteners==0.20 portalocker==4.4.2 filelock==4.3.1
cat > "$work/locks.py" <<'PY'
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import fasteners
import filelock
import portalocker

warnings.simplefilter("ignore", DeprecationWarning)  # "this process uses fork()"
folder = Path(tempfile.mkdtemp(dir=Path(__file__).parent))
CALL = {"fasteners": "lockf", "portalocker": "flock", "filelock": "flock"}


def asked_from_another_process(library: str, path: Path) -> str:
    code = f"import fcntl, sys; fcntl.{CALL[library]}(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    return "free" if done.returncode == 0 else "held"


def make(library: str, path: Path):
    if library == "fasteners":
        return fasteners.InterProcessLock(path)
    if library == "portalocker":
        return portalocker.Lock(path, mode="a", timeout=0)
    return filelock.FileLock(path)


def take(library: str, lock) -> bool:
    try:
        if library == "fasteners":
            return lock.acquire(blocking=False)
        if library == "portalocker":
            return lock.acquire() is not None
        return lock.acquire(timeout=0) is not None
    except (portalocker.LockException, filelock.Timeout):
        return False


def second_object(library: str) -> str:
    path = folder / f"{library}.second"
    first, second = make(library, path), make(library, path)
    assert take(library, first)
    granted = take(library, second)
    if granted:
        second.release()
    return f"{'granted' if granted else 'refused'}, then {asked_from_another_process(library, path)}"


def reading(library: str) -> str:
    path = folder / f"{library}.read"
    lock = make(library, path)
    assert take(library, lock) and asked_from_another_process(library, path) == "held"
    path.read_text()
    return asked_from_another_process(library, path)


def child_releases(library: str) -> str:
    path = folder / f"{library}.fork"
    lock = make(library, path)
    assert take(library, lock) and asked_from_another_process(library, path) == "held"
    child = os.fork()
    if child == 0:
        try:
            lock.release()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return asked_from_another_process(library, path)


expected = {
    "fasteners": ("granted, then free", "free", "held"),
    "portalocker": ("refused, then held", "held", "free"),
    "filelock": ("refused, then held", "held", "held"),
}
wrong = []
for library, answer in expected.items():
    seen = (second_object(library), reading(library), child_releases(library))
    print(f"{library:12} second object: {seen[0]:20} after reading the file: {seen[1]:6} after a child's release(): {seen[2]}")
    if seen != answer:
        wrong.append(f"{library}: expected {answer}, saw {seen}")
if wrong:
    sys.exit("CHANGED: " + "; ".join(wrong))
print("as described: 'acquired' is not 'held'")
PY
"$work/venv/bin/python" "$work/locks.py"
