"""The hub's listener: uvicorn in a thread of its own, on a unix socket that only this user can open."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import uvicorn

_GRACE_S = 3


class HubServer:
    """``run`` answers until ``stop``. The socket is bound at once, so that a client that connects early only waits."""

    def __init__(self, app: Any, path: Path) -> None:
        """Take the path over: whoever leads the workspace is the only one who may. Raises OSError."""
        self._path = path
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(256)
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    def run(self) -> None:
        """Answer until ``stop``."""
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def stop(self) -> None:
        """Let ``run`` finish what it answers and return."""
        self._server.should_exit = True

    def close(self) -> None:
        """Take the socket away."""
        self._listener.close()
        self._path.unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: signals belong to the main thread."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave them alone."""
        yield
