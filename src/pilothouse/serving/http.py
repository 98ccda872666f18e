"""HTTP helpers of the ASGI apps: bodies read within bounds, whole answers sent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from pilothouse.domain.errors import PilothouseError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_TIMEOUT_S = 30.0
"""Seconds within which a whole body must arrive: a slow client must not keep its connection for ever."""


class HttpError(PilothouseError):
    """Error by HTTP's own rules, with the ``status`` code and headers of its answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class ClientGoneError(Exception):
    """Client that went away before its request was complete: nobody is there to answer."""


def header(scope: Scope, name: bytes) -> str | None:
    """First header of that lower-case name, as text; None where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Whole body of a request. Raises HttpError: 413 beyond ``limit`` bytes, 408 where it takes too long, 415 if
    compressed."""
    encoding = header(scope, b"content-encoding")
    if encoding not in (None, "identity"):
        raise HttpError(415, "a compressed body is not taken; send it as it is")
    length = header(scope, b"content-length")
    # refused before it is read; more than 15 digits without int(), which raises for very long numbers
    if length is not None and length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise _too_long(limit)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            return await _pieces(receive, limit)
    except TimeoutError:
        raise HttpError(408, f"the body did not arrive within {_BODY_TIMEOUT_S:.0f} seconds") from None


async def _pieces(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_long(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_long(limit: int) -> HttpError:
    """Error for a body beyond the limit. The connection is closed, for the rest of the body still lies on it."""
    return HttpError(413, f"the body is longer than {limit:,} bytes", {"connection": "close"})


async def answer(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = b"application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send one whole answer."""
    fields = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    fields += [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
