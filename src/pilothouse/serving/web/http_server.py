"""uvicorn as both servers run it: quiet, without signal handlers, one ASGI app."""

import contextlib
import ssl
from asyncio import constants
from collections.abc import Generator
from functools import partial
from typing import Any

import uvicorn

from pilothouse.serving.web.http_protocol import BoundedProtocol, HttpLimits

_LIMITS = HttpLimits()


class QuietServer(uvicorn.Server):
    """uvicorn server without signal handlers: whoever runs it sets ``should_exit`` to end it."""

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
