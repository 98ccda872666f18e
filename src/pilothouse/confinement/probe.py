"""Probe: the layers of confinement that this kernel gives to this user, found out by trying each in a process of its own.

Nothing is assumed: where a security module allows namespaces and then refuses mounts in them (Ubuntu 24.04), or a container
hides parts of ``/proc``, only the attempt shows it.
"""

import functools
import json
import os
import subprocess
import sys
from dataclasses import asdict

from pilothouse.confinement import landlock, namespaces, root, seccomp
from pilothouse.domain.confinement import Offered

ABSENT = "PILOTHOUSE_PRETEND_ABSENT"
"""Environment variable that names layers to do without, for tests: ``namespaces seccomp landlock:3``. A number is the newest
version of Landlock that is used. A layer can only be taken away, so that nothing is promised that is not held."""
_TIMEOUT_S = 20


@functools.cache
def offered() -> Offered:
    """Layers that this kernel gives, tried in a new interpreter: this process may have threads."""
    if sys.platform != "linux":
        return Offered()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "pilothouse.confinement.probe"],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=True,
            cwd="/",
        )
        return Offered(**json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return Offered()


def try_here() -> Offered:
    """Layers that this kernel gives, tried in children of this process, which must have one thread."""
    absent = dict(item.partition(":")[::2] for item in os.environ.get(ABSENT, "").split())
    version = landlock.abi()
    if "landlock" in absent:
        version = min(version, int(absent["landlock"] or 0))
    return Offered(
        landlock=version,
        seccomp="seccomp" not in absent and seccomp.is_possible(),
        namespaces="namespaces" not in absent and _gives_namespaces(),
    )


def _gives_namespaces() -> bool:
    """Try what a job's supervisor does."""
    namespaces.may_mount()  # as this process, before it has a user namespace
    try:
        pid = namespaces.fork_into()
    except OSError:
        return False
    if not pid:
        code = 1
        try:
            namespaces.map_own_id()
            read, write = root.runtime_paths()
            root.enter(root.Root(read, write, 1, fresh_processes=True))
            code = 0 if os.listdir("/proc/self/fd") else 1  # noqa: PTH208
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(try_here())))
