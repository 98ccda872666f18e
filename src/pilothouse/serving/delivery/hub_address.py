"""Address of the hub, and connections to it."""

import errno
import http.client
import os
import socket
import threading
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.system.paths import LONGEST_SOCKET_PATH
from pilothouse.system.processes import close_all_but, die_with_parent


class HubConnection(http.client.HTTPConnection):
    """HTTP connection to the hub's unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("hub", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the path in place of a host."""
        if _BROKERS:
            self.sock = _BROKERS[-1].connect()
            self.sock.settimeout(self.timeout)
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Broker:
    """Process beside this one that connects to the hub in its place, and hands each connection over."""

    def __init__(self, path: Path) -> None:
        self._socket, its_end = socket.socketpair()
        self._lock = threading.Lock()
        if not os.fork():
            try:
                die_with_parent()
                close_all_but({0, 1, 2, its_end.fileno()})
                _connect_for(its_end, path)
            finally:
                os._exit(0)
        its_end.close()

    def connect(self) -> socket.socket:
        """Connection to the hub. Raises OSError where it does not answer."""
        with self._lock:
            self._socket.sendall(b"c")
            answer, descriptors, _, _ = socket.recv_fds(self._socket, 4, 1)
        if not descriptors:
            code = int.from_bytes(answer or errno.EPIPE.to_bytes(4, "big"), "big")
            raise OSError(code, os.strerror(code))
        return socket.socket(fileno=descriptors[0])


def use_broker(path: Path) -> None:
    """From now on let another process connect to the hub: for a process that is about to be shut off from its folder.

    Call it while there is one thread.
    """
    _BROKERS.append(_Broker(path))


_BROKERS: list[_Broker] = []


def _connect_for(asker: socket.socket, path: Path) -> None:
    while asker.recv(1):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(str(path))
                socket.send_fds(asker, [bytes(4)], [connection.fileno()])
            except OSError as error:
                asker.sendall((error.errno or errno.EIO).to_bytes(4, "big"))


def socket_path(hub: str) -> Path:
    """Path in ``unix:PATH``. Raises InvalidInputError for another form, or a path that is too long for a socket."""
    scheme, _, path = hub.partition(":")
    if scheme != "unix" or not path:
        raise InvalidInputError(f"{hub!r} does not name a hub: expected unix:PATH")
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        raise InvalidInputError(
            f"{path!r} is too long for a unix socket: expected at most {LONGEST_SOCKET_PATH} bytes"
        )
    return Path(path)
