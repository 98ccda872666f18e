"""Connection of a program to its desk: the process that holds the workspace's database for it.

A program runs code of its user, and may load a model's file. Neither runs where the database is open, so the database is opened
in a process of its own, which takes the calls of this one and ends with it. One call at a time goes through a connection,
whichever thread makes it. After a fork the child has no connection, and starts a desk of its own with its first call.
"""

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, Any

from pilothouse.api.messages import LEAVE, Answer, Call, error_of, receive_answer, send
from pilothouse.domain.errors import ConflictError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.system.processes import own_name
from pilothouse.system.supported import check_system

_MODULE = "pilothouse.desk.main"
_PATIENCE_S = 10.0
"""Seconds for a desk to end by itself after its program has closed the connection."""
_LEAVING: "list[subprocess.Popen[bytes]]" = []
"""Desks that were left and have not been waited for."""
_CONNECTIONS: "weakref.WeakSet[Connection]" = weakref.WeakSet()


class Connection:
    """Connection to the desk of one workspace, made with the first call and again after a desk has ended. Safe to use from
    several threads, and after a fork."""

    def __init__(self, root: Path, as_name: str | None = None) -> None:
        check_system()
        self.root = root
        self._as_name = as_name
        self._lock = threading.RLock()
        self._channel: socket.socket | None = None
        self._desk: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._closed = False
        _CONNECTIONS.add(self)

    @property
    def is_open(self) -> bool:
        """True while a desk runs for this process."""
        return self._channel is not None

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Call a function of the desk. Raises what it raises: a PilothouseError whose text is safe to print.

        UnavailableError where the desk has ended: whether the call was done is then not known. The next call starts another.
        """
        with self._lock:
            if self._closed:
                raise ConflictError(f"the client of {self.root} is closed: make another one")
            channel = self._channel or self._start()
            try:
                send(channel, Call(function, arguments))
                answer = receive_answer(channel)
            except OSError:
                answer = None
            except (
                BaseException
            ):  # an interrupt in the middle: what comes next would be the answer to this call
                self._drop(wait=False)
                raise
            if answer is None:
                raise UnavailableError(self._lost())
        return _value(answer)

    def close(self) -> None:
        """End the desk. Runs that are open stay so until this process ends."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                with contextlib.suppress(OSError):
                    send(self._channel, Call(LEAVE, {}))
            self._drop()

    def _start(self) -> socket.socket:
        ours, its = socket.socketpair()
        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the desk
        name = own_name()
        words = [str(its.fileno()), str(self.root), f"{name.boot_id}/{name.pid}/{name.started}"]
        command = [sys.executable, "-I", "-m", _MODULE, *words, *([self._as_name] if self._as_name else [])]
        try:
            # a session of its own: an interrupt of the terminal is for the program
            self._desk = subprocess.Popen(
                command,
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            said.close()
            raise UnavailableError(
                f"the desk of {self.root} cannot be started with {sys.executable}: {error.strerror}"
            ) from None
        finally:
            its.close()
        self._channel, self._said = ours, said
        try:
            hello = receive_answer(ours)
        except BaseException:  # an interrupt too
            # nobody would listen to the desk: it is ended, and the error goes on
            self._drop()
            raise
        if hello is None:
            raise UnavailableError(self._lost())
        if hello.error:
            self._drop()
            raise error_of(hello)
        return ours

    def _lost(self) -> str:
        """Why a desk has ended, in a line; the connection is dropped."""
        desk, said = self._desk, self._said
        code: int | None = None
        if desk is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = desk.wait(_PATIENCE_S)
        last = ""
        if said is not None:
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").strip().splitlines()
            last = f": {one_line(lines[-1], 300)}" if lines else ""
        self._drop()
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        return (
            f"the process that holds {self.root} for this program ended {how}{last}; what was acknowledged is kept: look "
            "whether the last call was done, and try again"
        )

    def _drop(self, *, wait: bool = True) -> None:
        channel, desk, said = self._channel, self._desk, self._said
        self._channel = self._desk = self._said = None
        if channel is not None:
            channel.close()
        if said is not None:
            said.close()
        if desk is not None:
            _LEAVING.append(desk)
        for leaving in list(_LEAVING):
            if _has_ended(leaving, _PATIENCE_S if wait else 0.0):
                _LEAVING.remove(leaving)

    def _forget(self) -> None:
        """Leave the parent's desk alone, in a child after a fork: no thread but this one is there."""
        self._lock = threading.RLock()
        channel, desk, said = self._channel, self._desk, self._said
        self._channel = self._desk = self._said = None
        if channel is not None:
            channel.close()  # the parent's stays open
        if said is not None:
            said.close()
        if desk is not None:
            desk.returncode = 0  # it is no child of this process: nobody waits for it here

    def __del__(self) -> None:
        if not sys.is_finalizing():
            with contextlib.suppress(Exception):
                self.close()


def _has_ended(desk: "subprocess.Popen[bytes]", patience_s: float) -> bool:
    """True once a desk has ended; one that still works on its last call goes on with it."""
    try:
        desk.wait(patience_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _value(answer: Answer) -> Any:
    if answer.error:
        raise error_of(answer)
    return answer.value


def _close_all() -> None:
    for connection in list(_CONNECTIONS):
        connection.close()


def _forget_all() -> None:
    for desk in _LEAVING:
        desk.returncode = 0
    _LEAVING.clear()
    for connection in list(_CONNECTIONS):
        connection._forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
