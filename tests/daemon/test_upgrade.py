"""A workspace of an earlier release beside that release's daemon: nothing changes the schema under it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError
from pilothouse.operations.services import Services
from pilothouse.sqlite import driver

LEAD = """
import sys
from pathlib import Path
from pilothouse.system.leader import leadership

with leadership(Path(sys.argv[1])):
    print("leads", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_daemon(services: Services) -> Iterator[int]:
    """Another process that leads the workspace; its pid."""
    command = [sys.executable, "-c", LEAD, str(services.paths.daemon_lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "leads\n"
        yield process.pid
        process.stdin.close()


def set_older(path: Path) -> int:
    """Mark a database as of the schema before; the number of that."""
    connection = driver.connect(str(path))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version - 1}")
    connection.close()
    return int(version) - 1


def version_of(path: Path) -> int:
    connection = driver.connect(str(path))
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_the_registry_is_brought_up_to_date_once_the_daemon_has_ended(tmp_path: Path) -> None:
    services = open_workspace(tmp_path, create=True)
    services.close()
    older = set_older(services.paths.registry)
    with another_daemon(services) as pid:
        with pytest.raises(ConflictError, match=f"as pid {pid}: stop that daemon first"):
            open_workspace(tmp_path)
        assert version_of(services.paths.registry) == older
    open_workspace(tmp_path).close()
    assert version_of(services.paths.registry) == older + 1


def test_telemetry_is_left_as_it_is_while_the_daemon_runs(tmp_path: Path) -> None:
    services = open_workspace(tmp_path, create=True)
    services.telemetry.check()
    services.close()
    older = set_older(services.paths.telemetry)
    with another_daemon(services):
        opened = open_workspace(tmp_path)
        with pytest.raises(ConflictError, match="daemon runs as pid"):
            _ = opened.telemetry
        opened.close()
    assert version_of(services.paths.telemetry) == older
