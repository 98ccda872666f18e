"""What the daemon says of itself in the registry: that it started, beats, stopped."""

from pilothouse.domain.jobs import ProcessName
from pilothouse.domain.roles import DAEMON, Permission
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services
from pilothouse.store import processes
from pilothouse.system.processes import own_name

NAME = "daemon"
BEAT_EVERY_S = 5.0


def announce(services: Services, isolation: str) -> ProcessName:
    """Record that this process is the daemon now."""
    name = own_name()
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        processes.put_process(
            change.connection,
            NAME,
            name,
            started_at=change.at,
            at=change.at,
            detail={"isolation": isolation},
        )
        change.record("daemon.started", NAME, {"pid": name.pid, "isolation": isolation})
    return name


def beat(services: Services, name: ProcessName) -> None:
    """Say that the daemon is there."""
    with services.registry.transaction() as connection:
        processes.beat(connection, NAME, name, at=services.now())


def take_leave(services: Services, reason: str) -> None:
    """Record that the daemon stopped in good order."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        processes.set_stopped(change.connection, NAME, at=change.at)
        change.record("daemon.stopped", NAME, {"reason": reason})
