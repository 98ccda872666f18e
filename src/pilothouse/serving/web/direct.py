"""Small requests without a task: their body is handed to the app whole, and their answer is written in one piece.

An ASGI app gets a task, two messages in and two out for each request. What is small and of known length needs none of that:
the connection keeps its body, as it may keep so many bytes of any, and calls the app when it is complete. All else (large,
chunked or compressed bodies, pipelined requests, clients that do not read) goes the way of ASGI.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol, runtime_checkable

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pilothouse.serving.web.http import JSON, Answer, Scope

MAXIMUM_BYTES = 65_536
"""Bytes of a body at most: as many as uvicorn keeps of one before it stops reading."""

Reply = Callable[[Answer], None]
"""Function that takes the answer, once, in the thread of the event loop."""
Taken = Callable[[bytes, Reply], None]
"""Function that is called with a whole body and has it answered. It raises nothing."""


@runtime_checkable
class TakesRequests(Protocol):
    """App that answers some requests without a task."""

    def take(self, scope: Scope) -> Taken | None:
        """What answers the request of this head; None where it goes the way of ASGI. It raises nothing."""


class _NoEvent:
    """Event that nobody waits for."""

    def set(self) -> None:
        """Nothing to do."""


class DirectCycle:
    """What uvicorn's protocol knows of the request that a connection is at, by the names of its ``RequestResponseCycle``."""

    __slots__ = (
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "taken",
    )
    message_event = _NoEvent()

    def __init__(self, taken: Taken, *, keep_alive: bool) -> None:
        self.taken, self.keep_alive = taken, keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False


def has_small_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True for a body of known length, up to the bound."""
    for name, value in headers:
        if name == b"content-length":
            return value.isdigit() and len(value) <= len(str(MAXIMUM_BYTES)) and int(value) <= MAXIMUM_BYTES
    return False


@lru_cache(maxsize=256)
def path_of(url: bytes) -> str | None:
    """Path of a request's target; None for one that is read the way of ASGI."""
    path: bytes | None = httptools.parse_url(url).path
    return None if path is None or b"%" in path else path.decode("ascii")


def whole_answer(
    answer: Answer, default_headers: Iterable[tuple[bytes, bytes]], *, keep_alive: bool
) -> bytes:
    """Bytes of an answer, its head and its body."""
    status, body, headers = answer
    pieces = [STATUS_LINE[status]]
    for name, value in default_headers:
        pieces += (name, b": ", value, b"\r\n")
    given = {name.lower(): value.encode("latin-1") for name, value in headers.items()} if headers else {}
    pieces.append(
        b"content-type: %b\r\ncontent-length: %d\r\n" % (given.pop("content-type", JSON), len(body))
    )
    for key, value in given.items():
        pieces += (key.encode(), b": ", value, b"\r\n")
    if not keep_alive and "connection" not in given:
        pieces.append(b"connection: close\r\n")
    pieces += (b"\r\n", body)
    return b"".join(pieces)
