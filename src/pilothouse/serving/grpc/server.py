"""Server of gRPC on a socket that listens already."""

import asyncio
import socket
import ssl
from functools import partial

from pilothouse.serving.grpc.calls import Answers, answer, refusal
from pilothouse.serving.grpc.connection import Calls, GrpcConnection, GrpcLimits
from pilothouse.serving.web.http import BodyRoom

_HANDSHAKE_S = 20


class GrpcServer:
    """Connections of one listener."""

    def __init__(self, app: Answers, room: BodyRoom) -> None:
        """Server that asks ``app``. Messages that arrive take ``room`` together with the bodies of HTTP."""
        self._app, self._room = app, room
        self._connections: set[GrpcConnection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Take connections; with ``tls`` of TLS alone."""
        self._server = await asyncio.get_running_loop().create_server(
            partial(
                GrpcConnection,
                Calls(partial(refusal, self._app), partial(answer, self._app)),
                self._room,
                self._connections,
                GrpcLimits(),
            ),
            sock=listener,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else _HANDSHAKE_S,
        )

    async def stop(self, grace_s: float) -> None:
        """Take no further connection or call, and answer the open ones within ``grace_s`` seconds."""
        if self._server is None:
            return
        self._server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        for connection in list(self._connections):
            connection.end()
        while self._connections and loop.time() < until:
            await asyncio.sleep(0.05)
        for connection in list(self._connections):
            connection.abort()
