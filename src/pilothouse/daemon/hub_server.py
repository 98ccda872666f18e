"""Listener of the hub: uvicorn in a thread of its own, on a unix socket that only this user can open."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

from pilothouse.serving.web.http_server import quiet_server

_GRACE_S = 3
"""Seconds that open requests have at the end."""


class HubServer:
    """Server whose ``run`` answers until ``stop``. The socket is bound at once, so that a client that connects early only
    waits."""

    def __init__(self, app: Any, path: Path) -> None:
        """Bind the path, removing an old socket: only the leader of the workspace does so. Raises OSError."""
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # bind(2) creates the socket: it must never be open to others, not even for a moment
        before = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(256)
        self._server = quiet_server(app, grace_s=_GRACE_S)

    def run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def stop(self) -> None:
        """Let ``run`` finish open requests and return."""
        self._server.should_exit = True

    def close(self) -> None:
        """Remove the socket."""
        self._listener.close()
        self._path.unlink(missing_ok=True)
