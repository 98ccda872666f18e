"""The little of HTTP that the ASGI apps need: bodies read within bounds, JSON written."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from pilothouse.domain.errors import PilothouseError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_TIMEOUT_S = 30.0


class HttpError(PilothouseError):
    """An answer that is an error by HTTP's own rules. ``status`` is its code."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class ClientGoneError(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that lower-case name, as text."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises HttpError: 413 beyond ``limit`` bytes, 408 where it takes too long, 415 if compressed."""
    encoding = header(scope, b"content-encoding")
    if encoding not in (None, "identity"):
        raise HttpError(415, "a compressed body is not taken; send it as it is")
    length = header(scope, b"content-length")
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
    return HttpError(413, f"the body is longer than {limit:,} bytes", {"connection": "close"})


async def answer(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = b"application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send one whole answer."""
    found = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    found += [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": found})
    await send({"type": "http.response.body", "body": body})
