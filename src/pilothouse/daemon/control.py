"""Control of the daemon from outside: is it running, start it, stop it."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pilothouse.daemon.main import DRAIN
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.errors import ConflictError, NotFoundError, UnavailableError
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.execution.launcher_client import Isolation
from pilothouse.serving.delivery.hub_address import HubConnection
from pilothouse.system.leader import leader
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.processes import is_alive, kill_group, name_of

_POLL_S = 0.02


def start_in_background(
    root: Path,
    *,
    isolation: Isolation = "require",
    slots: int = 1,
    serve_targets: bool = True,
    standby: bool = False,
    timeout_s: float = 30.0,
) -> ProcessName:
    """Start a daemon that is independent of this terminal, and wait until its hub answers. Returns its full name.

    With ``standby`` one that waits for the end of the daemon that runs; where none runs it leads at once. Raises
    NotFoundError (no workspace), ConflictError (one runs already) or UnavailableError, which says why it ended, or that it is
    still starting: then it is left to do so.
    """
    paths = WorkspacePaths(root.resolve())
    if not paths.registry.exists():
        raise NotFoundError(
            f"{root} is not a workspace: it has no state/registry.db; make one with pilothouse init"
        )
    if (running := leader(paths.daemon_lock)) is not None and not standby:
        raise ConflictError(f"the daemon of {root} runs already, pid {running.pid}")
    command = [sys.executable, "-I", "-m", "pilothouse.daemon.main", "--root", str(paths.root)]
    command += ["--isolation", isolation, "--slots", str(slots)] + ([] if serve_targets else ["--no-serving"])
    command += ["--standby"] if standby else []
    output = paths.state / ("daemon.standby.out" if standby else "daemon.out")
    with output.open("wb") as stream:
        output.chmod(0o600)
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd="/", start_new_session=True
        )
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        name = leader(paths.daemon_lock)
        if (
            standby
            and running is not None
            and child.poll() is None
            and (own := name_of(child.pid)) is not None
        ):
            return own
        if name is not None and name.pid == child.pid and hub_answers(paths.hub_socket):
            return name
        if child.poll() is not None:
            raise UnavailableError(_why(output, child.returncode))
        time.sleep(_POLL_S)
    raise UnavailableError(
        f"the daemon, pid {child.pid}, is still starting after {timeout_s:g} s and goes on: pilothouse daemon status says "
        f"when it runs; what it does stands in {paths.daemon_log} and {output}"
    )


def stop(root: Path, *, drain: bool = False, timeout_s: float = 30.0) -> bool:
    """Ask the daemon to stop and wait for its end; False where none ran. Serving processes go on.

    Running jobs are left to the next daemon, which runs them again; with ``drain`` they first go on to their end, and no
    job is started any more. Raises UnavailableError where the daemon is still running after ``timeout_s``.
    """
    name = leader(WorkspacePaths(root.resolve()).daemon_lock)
    if name is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(name.pid, DRAIN if drain else signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while is_alive(name):
        if time.monotonic() > deadline:
            waits = "; jobs still run: pilothouse jobs --status running" if drain else ""
            raise UnavailableError(
                f"the daemon, pid {name.pid}, has not stopped after {timeout_s:g} s{waits}"
            )
        time.sleep(_POLL_S)
    return True


def stop_serving(root: Path, *, grace_s: float = 10.0) -> list[str]:
    """Stop the workspace's serving processes; returns the targets' names. Stop the daemon first, else it starts them
    again."""
    servers = running_servers(WorkspacePaths(root.resolve()))
    for server in servers.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.process.pid, signal.SIGTERM)
    for server in servers.values():
        kill_group(server.process, grace_s)
    return sorted(servers)


def hub_answers(path: Path, timeout_s: float = 1.0) -> bool:
    """True if the hub's socket answers, with whatever status: the request carries no token."""
    connection = HubConnection(path, timeout_s)
    try:
        connection.request("GET", "/v1/desired")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _why(output: Path, code: int) -> str:
    lines = output.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"the daemon ended at once with code {code}"
