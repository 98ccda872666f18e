"""Supervisor of serving processes, one for each target that has a deployment: found again, started, restarted when it
died.

The serving host forks them (``serving/host.py``), and they outlive it and the daemon. Each leaves ``process.json`` with its
full name (boot, pid, start time), by which the next daemon knows it.
"""

import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.daemon.logs import say
from pilothouse.daemon.serving_host import End, ServingHost
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.monitoring.deployment_state import LONGEST_PAUSE_S
from pilothouse.execution.launcher_client import Isolation
from pilothouse.operations.fleet import targets as tokens
from pilothouse.operations.fleet.processes import note_serving_end
from pilothouse.operations.services import Services
from pilothouse.serving.host import Order
from pilothouse.serving.web import access
from pilothouse.store.deployed import deployment_states
from pilothouse.store.models import portable_models, remote_targets, targets
from pilothouse.store.promotion import requests
from pilothouse.system import serving_files
from pilothouse.system.files import read_plain_file
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.process_ends import EndWatch
from pilothouse.system.processes import is_alive, read_name

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.2
"""Seconds before the second restart; the pause doubles up to ``LONGEST_PAUSE_S``. The first restart is at once."""
_SETTLED_AFTER_S = 30.0
"""Seconds of running after which the next restart counts as the first."""
_LARGEST_LOG = 5 << 20
"""Bytes at which the log of a serving process is rotated."""
_LOG = "serving.log"
_PROCESS_FILE = "process.json"
_READ_OF_LOG = 4_096
"""Bytes at the end of a log in which the cause of an end is looked for."""
_LARGEST_FILE = 1 << 16
"""Bytes of a process file or a token file at most."""


@dataclass(slots=True)
class _Care:
    """State of one target's process. Times are of the monotonic clock."""

    ordered: bool = False
    """The host was asked for a process, and has not said that it ended."""
    known: ProcessName | None = None
    before: ProcessName | None = None
    """Process that the process file named when one was ordered."""
    port: int = 0
    port_lost_by: ProcessName | None = None
    """Process whose port could not be had again."""
    started: float = 0.0
    not_before: float = 0.0
    pause_s: float | None = None
    """Pause before the last restart; None while it has run for long."""
    log_from: int = 0
    """Bytes that the log held when the process was started."""
    tried_with: object = None
    """Marks of the files that say who may ask, as they were when the process was started."""
    brought: object = None
    """Marks of the files that the target names, as they were when they were brought to it last."""


@dataclass(frozen=True, slots=True)
class ServingProcess:
    """Content of ``process.json``: the process that serves a target, and its port."""

    process: ProcessName
    port: int


def read_process_file(folder: Path) -> ServingProcess | None:
    """Process file that the target's last serving process wrote; None where there is none that is valid."""
    try:
        plain = parse_json(read_plain_file(folder / _PROCESS_FILE, _LARGEST_FILE))
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
    """Supervisor whose ``look`` is called often: it costs one ``/proc`` file a target, and a few queries after a change.

    ``wake`` may be set to what is to be called, from another thread, when a process has ended: then it is time to look;
    ``forget`` to what is to be called with its target before the end goes on record.
    """

    def __init__(
        self,
        services: Services,
        isolation: Isolation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._isolation = isolation
        self._clock = clock
        self.wake: Callable[[], None] = lambda: None
        self.forget: Callable[[str], None] = lambda target: None
        self._host = ServingHost(services.paths.root, lambda: self.wake())
        self._watch: EndWatch | None = None
        self._cared: dict[str, _Care] = {}
        self._described: dict[str, targets.Described] = {}
        """How the targets are served that say something of it, as at the last look."""
        self._tied: frozenset[str] = frozenset()
        """Targets with a version that has no portable form."""
        self._wanted: list[str] = []
        """Targets that are to have a process, as at the last change of the registry."""
        self._seen: int | None = None
        """Data version of the registry at that change."""
        self._unnoted: dict[str, tuple[str, str]] = {}
        """Targets whose process has ended, with the cause and the way it ended, until that is on record."""
        self._is_refused = False
        """The registry has refused the last of them, and that was said."""

    def look(self) -> float:
        """Start missing processes. Returns the seconds until the next look at the latest."""
        version = self._services.registry.data_version()
        if version != self._seen:
            self._read_wanted()
            self._seen = version
        if self._wanted:
            self._host.keep_warm(skops=not self._tied.isdisjoint(self._wanted))
        waits = [self._look_at(target, self._cared.setdefault(target, _Care())) for target in self._wanted]
        self._note_ends()  # only now: the next process is on its way, whoever writes the registry meanwhile
        return min([1.0, *waits])

    def close(self) -> None:
        """Supervise no more. The serving processes live on."""
        self._host.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _read_wanted(self) -> None:
        with self._services.registry.read() as connection:
            # Targets of open requests too: their process is running by the time of the approval.
            elsewhere = remote_targets.not_served_here(connection)
            wanted = deployment_states.targets_in_use(connection) | requests.open_targets(connection)
            self._wanted = sorted(wanted - elsewhere)
            self._described = targets.described(connection)
            self._tied = portable_models.targets_without(connection)
        for target in elsewhere if self._seen is None else elsewhere & self._cared.keys():
            self._let_go(target)

    def _let_go(self, target: str) -> None:
        """End the process of a target that is served elsewhere from now on: its answers would be a second version there."""
        server = read_process_file(self._services.paths.serving_folder(target))
        if server is not None and is_alive(server.process):
            say(
                log,
                logging.INFO,
                f"{target} is served elsewhere now: its process here is ended",
                target=target,
            )
            with contextlib.suppress(ProcessLookupError):
                os.kill(server.process.pid, signal.SIGTERM)
        self._cared.pop(target, None)

    def _look_at(self, target: str, care: _Care) -> float:
        folder = self._services.paths.serving_folder(target)
        end = self._host.take_end(target)
        server = read_process_file(folder)
        is_running = server is not None and is_alive(server.process)
        state = "started" if care.ordered else "found running"
        if end is not None:
            care.ordered = False
        if server is not None and is_running:
            if care.known != server.process:
                say(
                    log,
                    logging.INFO,
                    f"serving of {target} {state}",
                    pid=server.process.pid,
                    port=server.port,
                )
                self._hear_of_the_end(server.process)
            care.known, care.port = server.process, server.port
            self._bring_changed(target, folder, care)
            if self._clock() - care.started > _SETTLED_AFTER_S:
                care.pause_s = None
            return 1.0
        if care.ordered:
            return 1.0  # it is on its way: the host tells its end
        if end is not None or care.known is not None:
            came_up = care.known is not None or (server is not None and server.process != care.before)
            self._note_end(target, care, end, came_up=came_up)
            if end is not None and end.port_taken:  # the next one is not bound to it
                care.port, care.port_lost_by = 0, server.process if server is not None else None
        if server is not None and not care.port and server.process != care.port_lost_by:
            care.port = server.port  # clients of a server that was killed find the next one at the same port
        is_mended = care.not_before and self._marks(target, folder) != care.tried_with
        if is_mended or self._clock() >= care.not_before:
            care.before = server.process if server is not None else None
            self._start(target, folder, care)
            return 1.0
        return max(0.05, care.not_before - self._clock())

    def _hear_of_the_end(self, process: ProcessName) -> None:
        """Have the end of a process wake the daemon, also of one that another host has started."""
        if self._watch is None:
            self._watch = EndWatch(lambda: self.wake())
        self._watch.add(process)

    def _note_ends(self) -> None:
        """Put the ends on record. What the registry does not take now (a full disk) waits, and holds no start up."""
        for target, (cause, how) in list(self._unnoted.items()):
            self.forget(target)
            try:
                note_serving_end(self._services, target, cause, how)
            except PilothouseError as error:
                if not self._is_refused:
                    log.error("the end of a serving process is not on record yet: %s", error)
                self._is_refused = True
                return
            self._is_refused = False
            del self._unnoted[target]

    def _note_end(self, target: str, care: _Care, end: End | None, *, came_up: bool) -> None:
        log_file = self._services.paths.serving_folder(target) / _LOG
        cause = "" if came_up else _last_line(log_file, care.log_from)
        care.known = None
        care.pause_s = _next_pause(care)
        care.not_before = self._clock() + care.pause_s
        how = end.how if end is not None else ""
        self._unnoted[target] = (cause, how if came_up else "")
        again = f"in {care.pause_s:g} s" if care.pause_s else "at once"
        say(
            log,
            logging.WARNING,
            f"serving of {target} ended{f' ({how})' if how else ''}: it is started again {again}",
            target=target,
            exit_code=end.code if end is not None else None,
            cause=cause,
        )

    def _start(self, target: str, folder: Path, care: _Care) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = self._token_file(target, folder)
        output = folder / _LOG
        care.log_from = output.stat().st_size if output.exists() else 0
        if care.log_from > _LARGEST_LOG:
            output.replace(folder / "serving.log.1")
            care.log_from = 0
        care.tried_with = self._marks(target, folder)
        described = self._described.get(target, targets.Described())
        try:
            serving_files.bring(self._services.paths.root, folder, _files(described))
        except PilothouseError as error:
            self._refuse(target, care, str(error))
            return
        self._host.start(
            Order(
                target=target,
                hub=str(self._services.paths.hub_socket.absolute()),
                folder=str(folder.absolute()),
                token_file=str(token.absolute()),
                isolation=self._isolation,
                port=care.port if described.port is None else described.port,
                log=str(output.absolute()),
                grpc_port=described.grpc_port,
                skops=target in self._tied,
            )
        )
        care.ordered = True
        care.started = self._clock()

    def _refuse(self, target: str, care: _Care, cause: str) -> None:
        """Put on record that no process can be started, and when it is tried again."""
        care.pause_s = _next_pause(care)
        care.not_before = self._clock() + max(care.pause_s, _FIRST_PAUSE_S)
        self._unnoted[target] = (safe(cause, limit=_LONGEST_CAUSE), "")
        say(log, logging.WARNING, f"serving of {target} is not started: {cause}", target=target)

    def _marks(self, target: str, folder: Path) -> object:
        """Marks of the files that say who may ask: those in the folder, and those that the target names."""
        files = _files(self._described.get(target, targets.Described()))
        return access.marks(folder), serving_files.marks(self._services.paths.root, files)

    def _bring_changed(self, target: str, folder: Path, care: _Care) -> None:
        """Bring files that have changed to a process that runs, which reads them again. One that cannot be read leaves the one
        before in force."""
        described = self._described.get(target)
        files = _files(described) if described is not None else None
        if files is None or files == serving_files.ServingFiles():
            return
        marks = serving_files.marks(self._services.paths.root, files)
        if marks == care.brought:
            return
        care.brought = marks
        try:
            serving_files.bring(self._services.paths.root, folder, files)
        except PilothouseError as error:
            say(
                log,
                logging.WARNING,
                f"serving of {target}: {error}; the one before stays in force",
                target=target,
            )

    def _token_file(self, target: str, folder: Path) -> Path:
        path = folder / tokens.TOKEN_FILE
        try:
            known = read_plain_file(path, _LARGEST_FILE).decode("ascii").strip()
        except (PilothouseError, UnicodeDecodeError):
            known = ""
        if not known or tokens.check_token(self._services, known) != target:
            tokens.issue_token(self._services, DAEMON, target)
        return path


def _next_pause(care: _Care) -> float:
    return 0.0 if care.pause_s is None else min(LONGEST_PAUSE_S, care.pause_s * 2 or _FIRST_PAUSE_S)


def _files(described: targets.Described) -> serving_files.ServingFiles:
    return serving_files.ServingFiles(described.tls_certificate, described.tls_key, described.client_tokens)


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
