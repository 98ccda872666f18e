"""Address of the hub, and connections to it."""

import http.client
import socket
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.system.paths import LONGEST_SOCKET_PATH


class HubConnection(http.client.HTTPConnection):
    """HTTP connection to the hub's unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("hub", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the path in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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
