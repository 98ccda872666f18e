"""HTTP helpers of the ASGI apps: bodies read within bounds, whole answers sent, errors as one line of JSON."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    PilothouseError,
    UnavailableError,
)
from pilothouse.domain.formats.safe_text import LINE_LIMIT, one_line

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, bytes, Mapping[str, str]]
"""Status, body and further headers of an answer; a ``content-type`` among them stands for the usual one."""

RETRY_AFTER_S = "1"
"""Seconds after which a client that was refused with 503 may come back."""
JSON = b"application/json"
_STATUS: tuple[tuple[type[PilothouseError], int], ...] = (
    (InvalidInputError, 400),
    (NotAllowedError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (IntegrityError, 500),
    (UnavailableError, 503),
)


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


def bearer(scope: Scope, longest: int = 512) -> str:
    """Token of a request; empty where there is none, where the header comes more than once or is longer."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1 or len(values[0]) > longest:
        return ""
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Streamed:
    """Body of an answer of ``size`` bytes that is sent while it is read. ``end`` is called once, however that ends."""

    size: int
    chunks: AsyncIterator[bytes]
    end: Callable[[], None]


class BodyRoom:
    """Bytes that the bodies of a server's requests may take together; ``within``: they are in that room too."""

    def __init__(self, total: int = 256 * 2**20, within: "BodyRoom | None" = None) -> None:
        self.total = self.free = total
        self._within = within

    def take(self, size: int) -> None:
        """Take that many bytes, also where there are fewer: then the room is over."""
        self.free -= size
        if self._within is not None:
            self._within.take(size)

    def give(self, size: int) -> None:
        """Give them back."""
        self.take(-size)

    @property
    def is_over(self) -> bool:
        """True while more is taken than there is."""
        return self.free < 0 or (self._within is not None and self._within.is_over)


async def read_body(
    scope: Scope, receive: Receive, limit: int, room: BodyRoom, *, packed: bool = False
) -> bytes:
    """Whole body of a request, as it was sent. Raises HttpError: 413 beyond ``limit`` bytes, 415 if compressed unless it may
    be ``packed``, 503 beyond the server's room. How long it may take is the connection's (``http_protocol``)."""
    if not packed and header(scope, b"content-encoding") not in (None, "identity"):
        raise HttpError(415, "a compressed body is not taken; send it as it is")
    length = header(scope, b"content-length")
    # refused before it is read; more than 15 digits without int(), which raises for very long numbers
    if length is not None and length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise _too_long(limit)
    pieces: list[bytes] = []
    size = 0
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            piece = message.get("body", b"")
            size += len(piece)
            room.take(len(piece))
            if size > limit:
                raise _too_long(limit)
            if room.is_over:
                text = f"the bodies of other requests take {room.total:,} bytes already; try again"
                raise HttpError(503, text, {"connection": "close"})
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)
    finally:
        room.give(size)


def _too_long(limit: int) -> HttpError:
    """Error for a body beyond the limit. The connection is closed, for the rest of the body still lies on it."""
    return HttpError(413, f"the body is longer than {limit:,} bytes", {"connection": "close"})


async def respond(
    send: Send,
    handled: Awaitable["Answer | Streamed"],
    log: logging.Logger,
    *,
    content_type: bytes = JSON,
    longest: int = LINE_LIMIT,
    fault: str = "internal error",
) -> None:
    """Send the answer to a request, or its error, cut to ``longest`` characters. No exception leaves here: one that is a
    fault of ours goes to the log, and the client gets the line ``fault``."""
    try:
        answer = await handled
        if isinstance(answer, Streamed):
            await _stream(send, answer, content_type, log)
            return
        status, body, headers = answer
    except ClientGoneError:
        return
    except Exception as error:  # noqa: BLE001 - answered, and logged where it is a fault of ours
        status, body, headers = failure(error, log, longest=longest, fault=fault)
        content_type = JSON
    fields = [(b"content-length", str(len(body)).encode())]
    if "content-type" not in headers:
        fields.append((b"content-type", content_type))
    fields += [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, answer: Streamed, content_type: bytes, log: logging.Logger) -> None:
    """Send a body as it is read. Where that fails, or does not end in time, the connection is cut: its length was said."""
    fields = [(b"content-length", str(answer.size).encode()), (b"content-type", content_type)]
    try:
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        left = answer.size
        async for chunk in answer.chunks:
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not left:
            await send({"type": "http.response.body", "body": b""})
    except Exception:
        log.exception("an answer was cut off")
    finally:
        answer.end()


def failure(
    error: Exception, log: logging.Logger, *, longest: int = LINE_LIMIT, fault: str = "internal error"
) -> Answer:
    """Answer for an error that is being handled, as ``respond`` gives it."""
    status = status_of(error)
    if isinstance(error, PilothouseError):
        headers = dict(error.headers) if isinstance(error, HttpError) else {}
        if status == 503:
            headers.setdefault("retry-after", RETRY_AFTER_S)
        return status, error_document(str(error), longest), headers
    log.exception("a request failed")  # a fault of ours: one line to the client, the traceback to the log
    return 500, error_document(fault), {}


def error_document(message: str, longest: int = LINE_LIMIT) -> bytes:
    """JSON of an error: ``{"error": …}`` in one line."""
    return msgspec.json.encode({"error": one_line(message, longest)})


def status_of(error: Exception) -> int:
    """Status of the answer to a request that failed so."""
    if isinstance(error, HttpError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
