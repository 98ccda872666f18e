"""Parent of a serving process that no daemon watches, as on another machine: it holds the port and has the libraries, forks the
process that answers, and where that dies forks the next one at once.

It reads no request and no model, and has one thread. Connections wait at the port for the next process, ``_HELD_S`` seconds;
after that, while processes die again and again, they are answered with 503. Where the parent dies the process dies with it.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from pilothouse.confinement import namespaces, root
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import DesiredState
from pilothouse.serving.assignment import KEPT_STATE, Assignment
from pilothouse.serving.libraries import LIBRARIES, SKOPS_LIBRARIES, prepare
from pilothouse.serving.web.listening import Listeners
from pilothouse.system.controlled_process import ending_text
from pilothouse.system.process_title import set_title
from pilothouse.system.processes import die_with_parent

log = logging.getLogger("pilothouse.serving")

_SETTLED_AFTER_S = 10.0
"""Seconds after which a process that dies is followed at once."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""Seconds before the next one where it died sooner; they double up to the longest."""
_HELD_S = 2.0
"""Seconds for which connections wait while there is no process."""
_LOOK_S = 0.1
_FAILED = 70
"""Exit code of a process that failed in a way nobody thought of (EX_SOFTWARE of sysexits.h)."""
_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_BUSY = b'{"error": "the serving process has died and is started again"}'
_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)

Serve = Callable[[Callable[[], None]], None]
"""What a process does until it is told to end; it calls its argument, once, when it has started."""


class Standby:
    """The parent. ``run`` returns the exit code once the process has ended by itself or was told to end."""

    def __init__(self, listeners: Listeners, assignment: Assignment, serve: Serve) -> None:
        self._listeners, self._target, self._serve = listeners, assignment.target, serve
        self._kept = assignment.folder / KEPT_STATE
        self._child, self._started, self._is_stopping = 0, -1, False
        self._pause_s = 0.0

    def run(self) -> int:
        namespaces.may_mount()  # looked up once for all processes, as are the places of the libraries
        root.look_up_runtime()
        prepare(LIBRARIES + SKOPS_LIBRARIES if _reads_skops(self._kept) else LIBRARIES)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
        try:
            has_started = False
            while True:
                began = time.monotonic()
                self._fork(mask)
                code, started = self._wait()
                has_started |= started
                if self._is_stopping or code == 0 or (code > 0 and not has_started):
                    return code if code >= 0 else 128 - code
                if not self._paused(code, time.monotonic() - began):
                    return 0
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _fork(self, mask: "set[signal.Signals] | set[int]") -> None:
        self._started, told = os.pipe()
        parent = os.getpid()
        self._child = os.fork()
        if self._child:
            os.close(told)
            return
        os.close(self._started)
        self._be_serving_process(parent, told, mask)

    def _be_serving_process(self, parent: int, told: int, mask: "set[signal.Signals] | set[int]") -> None:
        """Serve in the fork, and leave without the parent's clean-up."""
        code = _FAILED
        try:
            die_with_parent()
            for number in _OURS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            set_title([sys.executable, "-I", "-m", "pilothouse.serving.main", "--target", self._target])
            if os.getppid() == parent:
                self._serve(lambda: _tell(told))
            code = 0
        except PilothouseError as error:
            log.error("%s", error)
            code = error.exit_code
        except BaseException:  # noqa: BLE001 - whatever it is, the parent's own code must not go on in here
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(code)

    def _wait(self) -> tuple[int, bool]:
        """Exit code of the process once it has ended, negative for a signal, and whether it had started."""
        started = False
        while True:
            self._hear(_LOOK_S if not started else None)
            if not started and (said := self._said()):
                started = True
                if said == b"s":
                    prepare(SKOPS_LIBRARIES)  # for the next one
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                started = started or bool(self._said())
                os.close(self._started)
                return os.waitstatus_to_exitcode(status), started

    def _said(self) -> bytes:
        readable, _, _ = select.select([self._started], [], [], 0)
        return os.read(self._started, 1) if readable else b""

    def _hear(self, timeout_s: float | None) -> None:
        """Wait for a signal. One to end is passed on: then nobody connects any more."""
        heard = signal.sigwaitinfo(_OURS) if timeout_s is None else signal.sigtimedwait(_OURS, timeout_s)
        if heard is not None and heard.si_signo in (signal.SIGTERM, signal.SIGINT):
            self._is_stopping = True
            self._listeners.close()
            if self._child:
                os.kill(self._child, signal.SIGTERM)

    def _paused(self, code: int, lived_s: float) -> bool:
        """Wait before the next process where they die again and again; False where it was told to end meanwhile."""
        self._child = 0
        self._pause_s = (
            0.0 if lived_s > _SETTLED_AFTER_S else min(_LONGEST_PAUSE_S, self._pause_s * 2 or _FIRST_PAUSE_S)
        )
        again = f"in {self._pause_s:g} s" if self._pause_s else "at once"
        log.error("the serving process ended (%s): it is started again %s", ending_text(code), again)
        began = time.monotonic()
        while not self._is_stopping and (left := began + self._pause_s - time.monotonic()) > 0:
            if time.monotonic() - began >= _HELD_S:
                self._answer_away()
            self._hear(min(_LOOK_S, left))
        return not self._is_stopping

    def _answer_away(self) -> None:
        """Answer connections that wait, 503."""
        for _ in range(64):
            readable, _, _ = select.select([self._listeners.http], [], [], 0)
            if not readable:
                return
            with contextlib.suppress(OSError):
                connection, _ = self._listeners.http.accept()
                with connection:
                    connection.settimeout(_LOOK_S)
                    connection.recv(1 << 16)  # else the answer is lost with what was not read
                    connection.sendall(_AWAY)
                    connection.shutdown(socket.SHUT_WR)


def _reads_skops(kept: Path) -> bool:
    """True where a version that was served here last has no portable form."""
    try:
        state = msgspec.msgpack.decode(kept.read_bytes(), type=DesiredState)
    except (OSError, msgspec.DecodeError):
        return False
    versions = [*state.versions, *(trial.version for trial in state.trials)]
    return any(not version.portable_digest for version in versions)


def _tell(told: int) -> None:
    """Tell the parent that the process has started, and whether it reads skops files."""
    die_with_parent()  # again: the kernel forgets it where a process changes its rights
    os.write(told, b"s" if "skops.io" in sys.modules else b"p")
    os.close(told)
