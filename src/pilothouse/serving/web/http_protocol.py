"""HTTP/1.1 on one connection, within bounds: what uvicorn's protocol leaves open is refused or timed out here.

uvicorn bounds neither the head of a request nor the time that a client takes to send it, and leaves a connection open that
never sends a byte. A refusal is ``{"error": "one line"}`` as every other answer is, and ends the connection.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pilothouse.serving.web.direct import DirectCycle, TakesRequests, has_small_body, path_of, whole_answer
from pilothouse.serving.web.http import RETRY_AFTER_S, Answer, error_document
from pilothouse.serving.web.pipelining import (
    PIECE_BYTES,
    WAITING,
    ReadingFlow,
    head_without_upgrade,
    may_hold_many,
    request_parser,
)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of a server's connections. Times are in seconds."""

    head_bytes: int = 65_536
    """Request line and headers together."""
    line_bytes: int = 16_384
    """Request target, or one header."""
    headers: int = 100
    head_s: float = 20
    """From the connection, or from the first byte of a further request, to the end of its headers."""
    body_s: float = 30
    """From the end of the headers to that of the body."""
    idle_s: float = 75
    """From an answer to the first byte of the next request."""
    answer_s: float = 60
    """For a client to read an answer that does not fit into the buffers between."""
    connections: int = 800
    """Fewer than the usual 1,024 descriptors of a process, of which files need some."""


_LATER = b"retry-after: %b\r\n" % RETRY_AFTER_S.encode()
_LINGER_S = 1.0
"""Seconds in which a client may read a refusal before its connection is cut."""
_ONCE = (b"host", b"content-length", b"transfer-encoding", b"content-type")
"""Headers that two readers would understand differently if they came twice."""


class _RefusedError(Exception):
    """Request that is not read on. It leaves the parser's callback as ``httptools.HttpParserError``."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with ``limits``. A phase (head, body) has one deadline, which no byte puts off."""

    def __init__(self, *, limits: HttpLimits, **given: Any) -> None:
        super().__init__(**given)
        self._limits: Final = limits
        self._app: TakesRequests | None = self.app if isinstance(self.app, TakesRequests) else None
        self._deadline: float | None = None
        """Moment of the loop's clock at which the phase is late."""
        self._timer: asyncio.TimerHandle | None = None
        """Wakes at the deadline or before: a deadline that is put off leaves it as it is, so most requests set none."""
        self._is_idle = False
        """True between an answer and the next request."""
        self._unread: asyncio.TimerHandle | None = None
        self._in_head = True
        self._received = 0
        """Bytes that have come while the head was not complete."""
        self._parsed = 0
        """Bytes of the head that the parser has handed on."""
        self._refusal = (400, "the request is not valid HTTP/1.1")
        self._kept_refusal: tuple[int, str] | None = None
        """Refusal that waits for the answers to the requests before. Nothing is read any more."""
        self._is_half_closed = False
        """True from the moment in which the client has shut down its sending side and waits for an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow: ReadingFlow = ReadingFlow(transport, self.pipeline)
        if len(self.connections) > self._limits.connections:
            self._refuse(503, f"{self._limits.connections} connections are open already; try again")
        else:
            self._set_deadline(self._limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flow.unparsed = b""
        self.resume_writing()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection of a client that has sent all it will send until it has its answers. TLS knows no such half."""
        is_whole = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        is_plain = self.transport.get_extra_info("sslcontext") is None
        if self._kept_refusal is not None:
            return is_plain
        self._is_half_closed = is_plain and self._received == 0 and (is_whole or bool(self.pipeline))
        return self._is_half_closed

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and self._kept_refusal is not None and not self.transport.is_closing():
            self._end(*self._kept_refusal)
            return
        if (
            self._is_half_closed
            and not self.pipeline
            and (self.cycle is None or self.cycle.response_complete)
        ):
            self.transport.close()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        if self._kept_refusal is not None:
            return
        if self.flow.unparsed:  # TLS may have decrypted more before it stops
            self.flow.unparsed += data
            return
        self._unset_keepalive_if_required()
        if not may_hold_many(data):
            self._parse(data)
            return
        left = memoryview(data)
        while left and not self.transport.is_closing():
            if self.flow.write_paused or len(self.pipeline) >= WAITING:
                self.flow.unparsed = bytes(left)
                self.flow.pause_reading()
                return
            self._parse(left[:PIECE_BYTES])
            left = left[PIECE_BYTES:]

    def _read_on(self) -> None:
        """Parse what is left of a read, or read, if nothing waits: later, since this is called amid an answer."""
        if self.flow.unparsed and not self.pipeline and not self.flow.write_paused:
            self.loop.call_soon(self._parse_left)
        else:
            self.flow.resume_reading()

    def _parse_left(self) -> None:
        if self.pipeline or self.flow.write_paused or self.transport.is_closing():
            return
        left, self.flow.unparsed = self.flow.unparsed, b""
        self.data_received(left)
        self.flow.resume_reading()

    def _parse(self, data: bytes | memoryview) -> None:
        if self._in_head:
            self._received += len(data)
            if self._deadline is None or self._is_idle:
                self._set_deadline(self._limits.head_s)
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as end_of_head:
                    data = memoryview(data)[end_of_head.args[0] :]
                    head = head_without_upgrade(self.parser, self.url, self.headers)
                    self.parser = request_parser(self)
                    self.parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
            return
        if self._in_head and self._received > self._limits.head_bytes and not self.transport.is_closing():
            self._refuse(431, self._head_too_long())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._parsed = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.line_bytes:
            raise self._refused(414, f"the request's target is longer than {self._limits.line_bytes:,} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            raise self._refused(400, "headers after a body (trailers) are not taken")
        size = len(name) + len(value) + 4
        self._parsed += size
        if size > self._limits.line_bytes:
            raise self._refused(431, f"a header is longer than {self._limits.line_bytes:,} bytes")
        if len(self.headers) >= self._limits.headers:
            raise self._refused(431, f"the request has more than {self._limits.headers} headers")
        if self._parsed + len(self.url) > self._limits.head_bytes:
            raise self._refused(431, self._head_too_long())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise self._refused(400, "the method CONNECT is not taken")
            return  # the head is parsed again without the header
        self._check_framing()
        if not self._take():
            super().on_headers_complete()
        self._in_head = False
        self._set_deadline(self._limits.body_s)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._in_head, self._received = True, 0
        self._set_deadline(None)
        cycle: Any = self.cycle
        if type(cycle) is DirectCycle and not cycle.response_complete:
            cycle.taken(bytes(cycle.body), partial(self._reply, cycle))

    def _take(self) -> bool:
        """Have the app take the request without a task; False for one that goes the way of ASGI."""
        before = self.cycle
        if (
            self._app is None
            or not has_small_body(self.headers)
            or (before is not None and not before.response_complete)
            or self.expect_100_continue
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return False
        path = path_of(self.url)
        if path is None:
            return False
        scope: Any = self.scope
        scope["method"], scope["path"] = self.parser.get_method().decode("ascii"), path
        taken = self._app.take(scope)
        if taken is None:
            return False
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        cycle: Any = DirectCycle(taken, keep_alive=keep_alive)
        self.cycle = cycle
        return True

    def _reply(self, cycle: DirectCycle, answer: Answer) -> None:
        """Write the answer to a request that the app has taken, and go on to the next."""
        if cycle.disconnected or cycle.response_complete:
            return
        if answer[2].get("connection") == "close":
            cycle.keep_alive = False
        headers = self.server_state.default_headers
        self.transport.write(whole_answer(answer, headers, keep_alive=cycle.keep_alive))
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        elif self.pipeline or self._kept_refusal is not None:
            self.on_response_complete()
            return
        elif self._is_half_closed:
            self.transport.close()
        else:
            self._set_deadline(self._limits.idle_s, is_idle=True)
        self.server_state.total_requests += 1

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()
        self._unread = self._unread or self.loop.call_later(self._limits.answer_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self._read_on()

    def timeout_keep_alive_handler(self) -> None:
        """Cut an idle connection: closing it would wait for a client that does not read its answer."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser, or a check above, has refused."""
        self._refuse(*self._refusal)

    def _check_framing(self) -> None:
        """Refuse what two readers could understand differently: where the request is for, and where it ends."""
        fields = dict(self.headers)
        if len(fields) < len(self.headers):
            names = [name for name, _ in self.headers]
            for name in _ONCE:
                if (times := names.count(name)) > 1:
                    raise self._refused(400, f"the header {name.decode()} comes {times} times; expected once")
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise self._refused(505, "expected HTTP/1.1")
        if version == "1.1" and b"host" not in fields:
            raise self._refused(400, "the header host is missing; HTTP/1.1 needs it")
        encoding = fields.get(b"transfer-encoding")
        if encoding is not None and b"content-length" in fields:
            raise self._refused(400, "content-length and transfer-encoding disagree; expected one of them")
        if encoding is not None and (version == "1.0" or encoding.strip().lower() != b"chunked"):
            raise self._refused(400, "the transfer-encoding is not taken; expected chunked, in HTTP/1.1")

    def _head_too_long(self) -> str:
        return f"the request's headers are longer than {self._limits.head_bytes:,} bytes together"

    def _refused(self, status: int, message: str) -> _RefusedError:
        self._refusal = status, message
        return _RefusedError(message)

    def _set_deadline(self, seconds: float | None, *, is_idle: bool = False) -> None:
        self._is_idle = is_idle
        if seconds is None:
            self._deadline = None
            return
        self._deadline = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._wake)

    def _wake(self) -> None:
        """Look whether the deadline has come, or was put off."""
        self._timer = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._wake)
        else:
            self._late()

    def _late(self) -> None:
        """End a request that has not come in time, but for one that waits for us: behind another, or to be read."""
        self._deadline = None
        if self._is_idle:
            self.transport.abort()
        elif self._is_answering() or self.flow.read_paused:
            self._set_deadline(self._limits.head_s if self._in_head else self._limits.body_s)
        elif self._in_head:
            self._refuse(408, f"the request's headers did not arrive within {self._limits.head_s:g} seconds")
        else:
            self._refuse(408, f"the body did not arrive within {self._limits.body_s:g} seconds")

    def _is_answering(self) -> bool:
        """True while an earlier request of the connection has not been answered."""
        is_open = self.cycle is not None and not self.cycle.response_complete
        return bool(self.pipeline) or (is_open and self._in_head)

    def _refuse(self, status: int, message: str) -> None:
        """Answer, once the requests before are answered, and end the connection; an answer that has begun is cut."""
        if self._kept_refusal is not None:
            return
        if self._is_answering():
            self._kept_refusal = status, message
            self._set_deadline(None)
            if (
                not self._in_head
            ):  # the request that is refused has a place in the line, and is to have no answer there
                self.pipeline.popleft()
            return
        if not self._in_head and self.cycle is not None and self.cycle.response_started:
            self._cut()
            return
        self._end(status, message)

    def _end(self, status: int, message: str) -> None:
        """Answer with an error, and end the connection."""
        body = error_document(message)
        self.transport.write(
            STATUS_LINE[status] + b"content-type: application/json\r\nconnection: close\r\n"
            b"%bcontent-length: %d\r\n\r\n%b" % (_LATER if status == 503 else b"", len(body), body)
        )
        self._cut()

    def _cut(self) -> None:
        self._set_deadline(None)
        self.transport.close()
        self.loop.call_later(_LINGER_S, self.transport.abort)
