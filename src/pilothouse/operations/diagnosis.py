"""Is this workspace sound: databases, chain, artifacts, disk, rights, isolation, processes. Changes nothing."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pilothouse.domain.diagnosis import Finding
from pilothouse.domain.errors import IntegrityError, PilothouseError, UnavailableError
from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.roles import Actor
from pilothouse.sqlite import driver
from pilothouse.store import agreement, deployments, jobs, versions
from pilothouse.system import landlock

from . import audits, health, processes
from .authorisation import reading
from .services import Services

_LOW_DISK = 1 << 30


def diagnose(services: Services, actor: Actor) -> list[Finding]:
    """Every check, each by itself: one that fails does not keep the others from being made."""
    with reading(services, actor):
        pass
    checks: dict[str, Callable[[], str]] = {
        "sqlite": lambda: f"version {driver.sqlite_version}",
        "registry": lambda: _registry(services),
        "telemetry": lambda: _telemetry(services),
        "audit chain": lambda: _chain(services, actor),
        "records": lambda: _records(services),
        "artifacts": lambda: _artifacts(services),
    }
    findings = [_run(name, check) for name, check in checks.items()]
    return [
        *findings,
        *_surroundings(services),
        _daemon(services),
        _run("serving", lambda: _serving(services, actor)),
    ]


def _run(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except PilothouseError as error:
        return Finding(name, False, str(error))


def _registry(services: Services) -> str:
    services.registry.check()
    return f"{services.paths.registry.stat().st_size:,} bytes, sound"


def _telemetry(services: Services) -> str:
    if not services.paths.telemetry.exists():
        return "nothing has arrived yet"
    services.telemetry.check()
    return f"{services.paths.telemetry.stat().st_size:,} bytes, sound"


def _chain(services: Services, actor: Actor) -> str:
    head = audits.verify(services, actor)
    return f"{head.count} entries, head {head.count}:{head.hash}"


def _records(services: Services) -> str:
    with services.registry.read() as connection:
        try:
            differing = list(agreement.disagreements(connection))
        except (LookupError, TypeError, AttributeError, ValueError) as error:  # entries that we never wrote
            raise IntegrityError(f"cannot be compared with the audit log: {error!r}") from error
    if differing:
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        raise IntegrityError(
            f"not what the audit log says: {differing[0]}{more}; somebody changed the database past Pilothouse"
        )
    return "grants, versions, requests, decisions and deployments are what the audit log says"


def _artifacts(services: Services) -> str:
    with services.registry.read() as connection:
        for digest in versions.artifact_digests(connection):
            services.artifacts.path(digest)  # raises where a version's file is gone
    count = size = 0
    for digest in services.artifacts.digests():
        size += len(services.artifacts.read(digest))
        count += 1
    return f"{count} files, {size:,} bytes, each with the bytes of its digest"


def _surroundings(services: Services) -> Iterator[Finding]:
    free = shutil.disk_usage(services.paths.state).free
    yield Finding(
        "disk",
        free >= _LOW_DISK,
        f"{free / 2**30:.1f} GiB free" + ("" if free >= _LOW_DISK else ": make room"),
    )
    open_to = [path for path in _private(services) if path.exists() and path.stat().st_mode & 0o077]
    words = ", ".join(f"chmod go-rwx {path}" for path in open_to)
    yield Finding(
        "rights", not open_to, f"open to other users: run {words}" if open_to else "only for their owner"
    )
    enough = landlock.confines()
    advice = (
        "" if enough else ": jobs need Linux 6.7 or later with Landlock, or the daemon's --isolation warn"
    )
    yield Finding("isolation", enough, landlock.describe() + advice)


def _daemon(services: Services) -> Finding:
    """A daemon that is away is a fault where something waits for it."""
    state = processes.daemon_state(services)
    if state.running:
        return Finding("daemon", True, f"runs, pid {state.pid}, isolation {state.isolation}")
    with services.registry.read() as connection:
        live = len(deployments.live(connection))
        waiting = len(jobs.listed(connection, status=JobStatus.QUEUED))
    words = f"does not run: {live} deployments and {waiting} queued jobs wait for it"
    return Finding("daemon", not (live or waiting), words + "; start it with pilothouse daemon start")


def _serving(services: Services, actor: Actor) -> str:
    """Raises UnavailableError that names what does not answer as it should."""
    states = [state for state in health.target_states(services, actor) if state.deployment is not None]
    wrong = [
        f"{state.model} on {state.target} is {state.serving}"
        for state in states
        if state.serving == "down" or state.serving.startswith("failed")
    ]
    if wrong:
        raise UnavailableError(f"{'; '.join(wrong)}: see state/serving/TARGET/serving.log")
    counts = Counter(state.serving for state in states)
    return ", ".join(f"{count} {how}" for how, count in counts.items()) or "nothing is deployed"


def _private(services: Services) -> tuple[Path, ...]:
    paths = services.paths
    return (paths.state, paths.registry, paths.telemetry, paths.jobs, paths.serving, paths.artifacts)
