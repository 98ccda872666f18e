"""Supervisor of serving processes, one for each target that has a deployment: found again, started, restarted when it
died.

They outlive the daemon. Each leaves ``process.json`` with its full name (boot, pid, start time), by which the next daemon
knows it.
"""

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.confinement import probe
from pilothouse.daemon.logs import say
from pilothouse.domain.bounded_json import parse_json
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.jobs import ProcessName
from pilothouse.domain.roles import DAEMON
from pilothouse.domain.safe_text import safe
from pilothouse.execution.launcher_client import Isolation
from pilothouse.operations.fleet import targets as tokens
from pilothouse.operations.fleet.processes import note_serving_end
from pilothouse.operations.services import Services
from pilothouse.store import deployment_states, requests, targets
from pilothouse.system.files import read_plain_file
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.processes import is_alive, read_name

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
"""Seconds before the first restart; the pause doubles up to the longest."""
_SETTLED_AFTER_S = 30.0
"""Seconds of running after which the pause begins anew."""
_LARGEST_LOG = 5 << 20
"""Bytes at which the log of a serving process is rotated."""
_LOG = "serving.log"
_READ_OF_LOG = 4_096
"""Bytes at the end of a log in which the cause of an end is looked for."""
_LARGEST_FILE = 1 << 16
"""Bytes of a process file or a token file at most."""


@dataclass(slots=True)
class _Care:
    """State of one target's process. Times are of the monotonic clock."""

    child: subprocess.Popen[bytes] | None = None
    known: ProcessName | None = None
    port: int = 0
    started: float = 0.0
    not_before: float = 0.0
    pause_s: float = 0.0
    log_from: int = 0
    """Bytes that the log held when the process was started."""


@dataclass(frozen=True, slots=True)
class ServingProcess:
    """Content of ``process.json``: the process that serves a target, and its port."""

    process: ProcessName
    port: int


def read_process_file(folder: Path) -> ServingProcess | None:
    """Process file that the target's last serving process wrote; None where there is none that is valid."""
    try:
        plain = parse_json(read_plain_file(folder / "process.json", _LARGEST_FILE))
        port = plain["port"]
        return ServingProcess(read_name(plain["process"]), port) if type(port) is int else None
    except (PilothouseError, ValueError, TypeError, KeyError):
        return None


def running_servers(paths: WorkspacePaths) -> dict[str, ServingProcess]:
    """Serving processes of a workspace that are alive, by target."""
    if not paths.serving.is_dir():
        return {}
    servers = {folder.name: read_process_file(folder) for folder in sorted(paths.serving.iterdir())}
    return {target: server for target, server in servers.items() if server and is_alive(server.process)}


class ServingSupervisor:
    """Supervisor whose ``look`` is called often: it costs one ``/proc`` file a target, and a few queries after a change."""

    def __init__(
        self,
        services: Services,
        isolation: Isolation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._isolation = isolation
        self._clock = clock
        self._cared: dict[str, _Care] = {}
        self._ports: dict[str, int] = {}
        """Ports of the targets that have one of their own, as at the last look."""
        self._wanted: list[str] = []
        """Targets that are to have a process, as at the last change of the registry."""
        self._seen: int | None = None
        """Data version of the registry at that change."""

    def look(self) -> float:
        """Start missing processes. Returns the seconds until the next look at the latest."""
        version = self._services.registry.data_version()
        if version != self._seen:
            self._read_wanted()
            self._seen = version
        waits = [self._look_at(target, self._cared.setdefault(target, _Care())) for target in self._wanted]
        return min([1.0, *waits])

    def _read_wanted(self) -> None:
        with self._services.registry.read() as connection:
            # Targets of open requests too: their process is running by the time of the approval.
            self._wanted = sorted(
                deployment_states.targets_in_use(connection) | requests.open_targets(connection)
            )
            self._ports = targets.ports(connection)

    def _look_at(self, target: str, care: _Care) -> float:
        folder = self._services.paths.serving_folder(target)
        server = read_process_file(folder)
        if server is not None and is_alive(server.process):
            if care.known != server.process:
                state = "started" if care.child is not None else "found running"
                say(
                    log,
                    logging.INFO,
                    f"serving of {target} {state}",
                    pid=server.process.pid,
                    port=server.port,
                )
            care.known, care.port = server.process, server.port
            if self._clock() - care.started > _SETTLED_AFTER_S:
                care.pause_s = 0.0
            return 1.0
        if care.child is not None:
            code = care.child.poll()
            if code is None:
                return 0.1
            self._note_end(target, care, code)
        elif care.known is not None:
            self._note_end(target, care, None)
        if server is not None and not care.port:
            care.port = server.port  # clients of a server that was killed find the next one at the same port
        if self._clock() >= care.not_before:
            self._start(target, folder, care)
        return max(0.05, care.not_before - self._clock())

    def _note_end(self, target: str, care: _Care, code: int | None) -> None:
        cause = ""
        if care.known is None:
            care.port = 0  # it never came up: perhaps its port was taken
            cause = _last_line(self._services.paths.serving_folder(target) / _LOG, care.log_from)
        care.child, care.known = None, None
        care.pause_s = min(_LONGEST_PAUSE_S, care.pause_s * 2 or _FIRST_PAUSE_S)
        care.not_before = self._clock() + care.pause_s
        note_serving_end(self._services, target, cause)
        say(
            log,
            logging.WARNING,
            f"serving of {target} ended: it is started again in {care.pause_s:g} s",
            target=target,
            exit_code=code,
            cause=cause,
        )

    def _start(self, target: str, folder: Path, care: _Care) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = self._token_file(target, folder)
        paths = self._services.paths
        command = [sys.executable, "-I", "-m", "pilothouse.serving.main", "--target", target]
        command += ["--hub", f"unix:{paths.hub_socket}", "--folder", str(folder), "--token-file", str(token)]
        port = self._ports.get(target, care.port)
        command += ["--port", str(port), "--isolation", self._isolation]
        output = folder / _LOG
        if output.exists() and output.stat().st_size > _LARGEST_LOG:
            output.replace(folder / "serving.log.1")
        with output.open("ab") as stream:
            care.log_from = stream.tell()
            care.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd="/",
                start_new_session=True,  # it outlives the daemon
                env={
                    "PATH": "/usr/bin:/bin",
                    "LANG": "C.UTF-8",
                    "TZ": "UTC",
                    "GOMP_SPINCOUNT": "1000",
                    **{name: os.environ[name] for name in (probe.ABSENT,) if name in os.environ},
                },
            )
        care.started = self._clock()

    def _token_file(self, target: str, folder: Path) -> Path:
        path = folder / tokens.TOKEN_FILE
        try:
            known = read_plain_file(path, _LARGEST_FILE).decode("ascii").strip()
        except (PilothouseError, UnicodeDecodeError):
            known = ""
        if not known or tokens.check_token(self._services, known) != target:
            tokens.issue_token(self._services, DAEMON, target)
        return path


def _last_line(log_file: Path, log_from: int) -> str:
    """Message of the last line that a process has written to its log since that byte, safe to print; empty where it wrote
    none."""
    try:
        with log_file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(log_from, size - _READ_OF_LOG))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return safe(_LOGGED.sub("", lines[-1]), limit=_LONGEST_CAUSE) if lines else ""


_LOGGED = re.compile(r"\S+ \S+ (INFO|WARNING|ERROR|CRITICAL) \S+ ")
"""Time, level and logger before a message."""
_LONGEST_CAUSE = 200
