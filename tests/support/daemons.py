"""A process of the tests that stands for the daemon of a workspace."""

import json
from dataclasses import asdict

from pilothouse.operations.services import Services
from pilothouse.store.deployed import processes
from pilothouse.system.processes import own_name


def stand_for_daemon(services: Services) -> None:
    """Let this process stand for the daemon, which has started now: it lives as long as the test."""
    now = services.now()
    with services.registry.transaction() as connection:
        detail = {"isolation": "landlock ABI 7"}
        processes.put_process(connection, "daemon", own_name(), started_at=now, at=now, detail=detail)
    services.paths.daemon_lock.write_text(json.dumps(asdict(own_name())))


def end_daemon(services: Services) -> None:
    """The daemon is gone, in whatever way."""
    services.paths.daemon_lock.unlink()
