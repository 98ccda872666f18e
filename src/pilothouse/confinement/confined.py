"""Confinement of a job's step and of a serving process, by every layer that the kernel gives."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pilothouse.confinement import landlock, namespaces, root, seccomp
from pilothouse.domain.confinement import Offered

_SHARED_MB = 64
"""MiB in a serving process's own ``/dev/shm`` and ``/tmp``: it uses neither."""
_SHARED = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108
NETWORK_FILES = tuple(
    Path(path)
    for path in (
        *(
            "/etc/resolv.conf",
            "/etc/hosts",
            "/etc/host.conf",
            "/etc/gai.conf",
            "/etc/services",
            "/etc/protocols",
        ),
        *("/etc/ssl", "/etc/pki", "/etc/ca-certificates"),
    )
)
"""Files by which a name becomes an address and a certificate is trusted."""
_SCOPES_SIGNALS = 6
"""First version of Landlock that holds signals back."""


def enter_job(inputs: Sequence[Path], folder: Path, memory_mb: int) -> None:
    """Give the first process of a job's namespaces, its supervisor, the root that the job is to see. Raises OSError.

    What the job writes into shared memory is bounded by ``memory_mb``. The job can then neither end its supervisor, which is
    the first process of its namespace, nor look into it.
    """
    namespaces.map_own_id()
    read, write = root.runtime_paths()
    root.enter(root.Root([*read, *inputs], [*write, folder], memory_mb, fresh_processes=True))
    namespaces.drop_capabilities()
    namespaces.set_inspectable(False)


def confine_step(offered: Offered, inputs: Sequence[Path], folder: Path, *, network: bool = False) -> None:
    """Give up, in the step's own process, everything but its inputs, its folder and its libraries, and with ``network`` the
    connections that it opens to others by TCP and UDP. Raises OSError or UnavailableError."""
    read, write = root.runtime_paths()
    if offered.landlock:
        shared = _SHARED if offered.namespaces else ()
        connect = None if network else ()
        landlock.restrict([*read, *inputs], [*write, folder, *shared], (), connect, offered.landlock)
    namespaces.drop_capabilities()
    if offered.seccomp:
        seccomp.install(replace(_rules(offered, own_processes=offered.namespaces), connections=network))


def needs_broker(offered: Offered) -> bool:
    """True where a serving process cannot connect to the hub itself: shown the hub's folder, nothing would keep the files in it
    shut (Landlock does), or nothing would keep it from the sockets of others (a root of its own does)."""
    return not (offered.landlock and offered.namespaces)


def confine_serving(
    offered: Offered, readable: Sequence[Path], hub: Path | None, folder: Path, listens_on: Sequence[int]
) -> None:
    """Give up, in a serving process, everything but its folder, its libraries, the hub and connections to its ports.

    ``hub`` None: it is on another machine, and a broker connects to it; then no socket is left to connect with.
    Its pid stays, by which others know it. Raises OSError or UnavailableError.
    """
    read, write = root.runtime_paths()
    by_path = hub is not None and not needs_broker(offered)
    if offered.namespaces:
        namespaces.may_mount()
        namespaces.leave()
        namespaces.map_own_id()
        # The hub's folder, for a daemon that starts makes the socket anew. Landlock keeps the files in it shut.
        seen = [*read, *readable, *((hub.parent,) if by_path and hub is not None else ())]
        root.enter(root.Root(seen, [*write, folder], _SHARED_MB, fresh_processes=False))
    if offered.landlock:
        # connecting to a unix socket by its path is left alone by Landlock as of version 7
        landlock.restrict([*read, *readable], [*write, folder], listens_on, (), offered.landlock)
    namespaces.drop_capabilities()
    if offered.seccomp:
        seccomp.install(_rules(offered, own_processes=False, unix_sockets=by_path))


def _rules(offered: Offered, *, own_processes: bool, unix_sockets: bool = False) -> seccomp.Rules:
    return seccomp.Rules(
        unix_sockets=unix_sockets,
        shares_files=not offered.namespaces,
        shares_processes=not own_processes and offered.landlock < _SCOPES_SIGNALS,
    )
