"""``[execution]`` of ``integrations.toml``: the engine that runs the steps of jobs, and the address of a cluster."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

AT_HOME = frozenset({"read", "snapshot", "verify"})
"""Steps that read a source: they run where the rows are and where its credentials stay. What ``snapshot`` has made of it is
carried to the cluster by digest."""
_MOST_JOBS = 1_000
_MOST_STORE_MB = 16 << 20


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """``[execution]``: read when the daemon starts."""

    engine: Literal["local", "dask"] = "local"
    scheduler: str = ""
    """Address of the cluster's scheduler: ``tls://10.0.0.5:8786``; ``tcp://127.0.0.1:8786`` on this machine alone."""
    tls_ca: str = ""
    """Certificates of the cluster's own authority, relative to the workspace's folder."""
    tls_certificate: str = ""
    tls_key: str = ""
    """Certificate and key that this workspace shows the cluster."""
    scheduler_name: str = ""
    """Name that the scheduler's certificate has to have; empty: any certificate of the authority will do."""
    worker_store_mb: int = 20_480
    """MiB of carried files that a worker keeps for later steps; those that a step has just now are kept beyond it."""
    jobs: int = 8
    """Jobs that run at once while the engine is a cluster; those of their steps that stay at home take turns in the daemon's
    slots."""


def scheduler_parts(address: str) -> tuple[str, str, int]:
    """Scheme, host and port of ``tls://10.0.0.5:8786``. Raises ValueError."""
    parts = urlsplit(address)
    bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("tls", "tcp") or not parts.hostname or not parts.port or not bare:
        raise ValueError(address)
    return parts.scheme, parts.hostname, parts.port


def is_this_machine(host: str) -> bool:
    """True for an address of loopback; a name is none, for somebody else says where it leads."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def execution_faults(settings: ExecutionSettings) -> Iterator[str]:
    """Lines that say what is wrong. A cluster beyond this machine takes mutual TLS: without it, whoever reaches the port of its
    scheduler runs code there, and can read the rows and code that are sent."""
    if not 1 <= settings.jobs <= _MOST_JOBS:
        yield f"execution.jobs: found {settings.jobs}; expected 1 to {_MOST_JOBS:,}"
    if not 1 <= settings.worker_store_mb <= _MOST_STORE_MB:
        yield f"execution.worker_store_mb: found {settings.worker_store_mb}; expected 1 to {_MOST_STORE_MB:,}"
    files = (settings.tls_ca, settings.tls_certificate, settings.tls_key)
    if settings.engine == "local":
        if settings.scheduler or settings.scheduler_name or any(files):
            yield 'execution.scheduler: has no use without a cluster; expected engine = "dask", or no address and no files'
        return
    try:
        scheme, host, _ = scheduler_parts(settings.scheduler)
    except ValueError:
        yield (
            f"execution.scheduler: found {settings.scheduler[:120]!r}; expected tls://HOST:PORT, "
            "or tcp://127.0.0.1:PORT on this machine"
        )
        return
    if settings.scheduler_name and scheme == "tcp":
        yield "execution.scheduler_name: expected tls:// with a name of its certificate; over tcp:// there is none"
    if scheme == "tls" and not all(files):
        yield "execution.tls_ca: expected tls_ca, tls_certificate and tls_key with an address of tls://"
    if scheme == "tcp" and any(files):
        yield "execution.scheduler: expected tls:// with certificates; over tcp:// they have no use"
    if scheme == "tcp" and not is_this_machine(host):
        yield (
            f"execution.scheduler: {settings.scheduler[:120]} can be reached from other machines without TLS, and whoever "
            "reaches a scheduler runs code on its cluster and reads what is sent: expected tls:// with tls_ca, "
            "tls_certificate and tls_key, or an address of loopback such as tcp://127.0.0.1:8786"
        )
