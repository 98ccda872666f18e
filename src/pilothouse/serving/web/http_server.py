"""uvicorn as both servers run it: quiet, without signal handlers, one ASGI app."""

import asyncio
import contextlib
import ssl
from asyncio import constants
from collections.abc import Generator
from functools import partial
from typing import Any

import uvicorn

from pilothouse.serving.web.http_protocol import BoundedProtocol, HttpLimits

_LIMITS = HttpLimits()


_TICKS_EVERY_S = 1.0
_A_SECOND = 10
"""What uvicorn counts as one second: then it sets the date of its answers."""


class QuietServer(uvicorn.Server):
    """uvicorn server without signal handlers: whoever runs it sets ``should_exit``, from any thread, to end it. It wakes once a
    second in place of ten times, for a machine has hundreds of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._exits, self._woken = False, asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """True once the server is to end."""
        return self._exits

    @should_exit.setter
    def should_exit(self, exits: bool) -> None:
        self._exits = exits
        if exits and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """Tick until the server is to end."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(_A_SECOND):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _TICKS_EVERY_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Context without uvicorn's signal handlers."""
        yield


def quiet_server(
    app: Any, *, grace_s: int, limits: HttpLimits = _LIMITS, tls: ssl.SSLContext | None = None
) -> QuietServer:
    """Server that logs nothing and at its end gives open requests ``grace_s`` seconds. With ``tls`` it speaks nothing else."""
    protocol: Any = partial(BoundedProtocol, limits=limits)
    idle: Any = limits.idle_s  # uvicorn's type is int; the loop takes any number of seconds
    config = uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=idle,
        timeout_graceful_shutdown=grace_s,
    )
    config.load()
    config.ssl = tls  # a context of ours, for a certificate that is renewed
    if tls is not None:  # uvicorn hands no bound of the handshake on, and asyncio's is a minute
        setattr(constants, "SSL_HANDSHAKE_TIMEOUT", limits.head_s)  # noqa: B010 - declared final
    return QuietServer(config)
