"""HTTP/2 on one connection, as far as unary calls of gRPC need it, within bounds.

The library ``h2`` knows the protocol and does no I/O, so that calls are answered in the event loop of the process, on a socket
that was opened before the process gave up the network. (grpcio has threads and opens its own sockets: a process with threads
can no longer be confined, and one that is confined has no network in which to open one.)
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from pilothouse.serving.bodies.protocol import MAXIMUM_BODY_BYTES
from pilothouse.serving.grpc.calls import INVALID, OK, PREFIX_BYTES, UNAVAILABLE, Outcome
from pilothouse.serving.web.compression import Headers
from pilothouse.serving.web.http import BodyRoom

log = logging.getLogger(__name__)

_TOO_LONG = 8
_STREAMS = 100
"""Calls of a connection at once."""
_WINDOW = 1 << 20
"""Bytes that a client may send ahead, on a call and on the connection."""
_HEAD_BYTES = 16_384
_MOST_RESETS = 500
"""Calls that a connection may take back in its life: who opens calls to take them back costs us work for nothing."""
_LOOK_EVERY_S = 5.0

Refusal = Callable[[str, Headers], Outcome | None]
Call = Callable[[str, Headers, bytes], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Calls:
    """What refuses a call by its head alone, and what answers it once its message is there."""

    refusal: Refusal
    answer: Call


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """Bounds of a server's connections. Times are in seconds."""

    connections: int = 200
    body_s: float = 30
    """From the headers of a call to the end of its message; and from a connection to its first call."""
    idle_s: float = 300
    """Without a call."""
    answer_s: float = 60
    """For a client to read an answer."""


@dataclass(slots=True)
class _Stream:
    path: str
    headers: Headers
    began: float
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    is_whole: bool = False
    """Its message is there, and is being answered or was; or it was refused."""
    has_ended: bool = False
    """The client has sent all that it will send."""
    left: deque[bytes] = field(default_factory=deque)
    """Bytes of its answer that wait for the client's window."""
    trailers: list[tuple[str, str]] = field(default_factory=list)


class GrpcConnection(asyncio.Protocol):
    """One client."""

    def __init__(
        self, calls: Calls, room: BodyRoom, connections: "set[GrpcConnection]", limits: GrpcLimits
    ) -> None:
        self._calls, self._room, self._connections, self._limits = calls, room, connections, limits
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._streams: dict[int, _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._last = self._loop.time()
        """Moment of the last call, and of the last bytes of an answer that the client has taken."""
        self._is_slow = False
        self._resets = 0
        self._is_ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)
        if len(self._connections) > self._limits.connections:
            transport.abort()
            return
        self._h2.initiate_connection()
        self._h2.update_settings(
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: _HEAD_BYTES,
            }
        )
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()
        self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for number in list(self._streams):
            self._forget(number)

    def pause_writing(self) -> None:
        self._is_slow = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_slow = False
        self._last = self._loop.time()
        self._transport.resume_reading()
        self._send_left()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
                if self._transport.is_closing():
                    return
        except H2Error as error:
            log.debug("a gRPC connection is closed: %s", error)
            self._close()
            return
        self._send_left()

    def end(self) -> None:
        """Take no further call; close once the open ones are answered."""
        self._is_ending = True
        if not self._streams:
            self._close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            self._begin(event.stream_id, list(event.headers or ()))
        elif isinstance(event, DataReceived):
            assert event.stream_id is not None
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            self._append(event.stream_id, event.data or b"")
        elif isinstance(event, StreamEnded):
            assert event.stream_id is not None
            self._whole(event.stream_id)
        elif isinstance(event, StreamReset):
            assert event.stream_id is not None
            self._resets += 1
            self._forget(event.stream_id)
            if self._resets > _MOST_RESETS:
                self._close(ErrorCodes.ENHANCE_YOUR_CALM)
        elif isinstance(event, ConnectionTerminated):
            self._close()

    def _begin(self, number: int, headers: list[Any]) -> None:
        plain = [(bytes(name), bytes(value)) for name, value in headers]
        fields = dict(plain)
        self._last = self._loop.time()
        stream = self._streams[number] = _Stream(
            fields.get(b":path", b"").decode("latin-1"), plain, self._last
        )
        if self._is_ending:
            self._refuse(number, stream, UNAVAILABLE, "the server is ending; try again")
        elif not fields.get(b"content-type", b"").startswith(b"application/grpc"):
            self._refuse(number, stream, INVALID, "expected content-type application/grpc")
        elif (refused := self._calls.refusal(stream.path, stream.headers)) is not None:
            self._refuse(number, stream, refused.code, refused.text)

    def _append(self, number: int, data: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None or stream.is_whole:
            return
        stream.pieces.append(data)
        stream.size += len(data)
        self._room.free -= len(data)
        if stream.size > MAXIMUM_BODY_BYTES + PREFIX_BYTES:
            text = f"the message is longer than {MAXIMUM_BODY_BYTES:,} bytes"
            self._refuse(number, stream, _TOO_LONG, text)
        elif self._room.free < 0:
            text = f"the bodies of other requests take {self._room.total:,} bytes already; try again"
            self._refuse(number, stream, UNAVAILABLE, text)

    def _whole(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.has_ended = True
        body = b"".join(stream.pieces)
        self._let_go(stream)
        task = self._loop.create_task(self._answer(number, stream, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, stream: _Stream, body: bytes) -> None:
        outcome = await self._calls.answer(stream.path, stream.headers, body)
        if self._streams.get(number) is stream:
            self._respond(number, stream, outcome)
            self._send_left()

    def _refuse(self, number: int, stream: _Stream, code: int, text: str) -> None:
        self._let_go(stream)
        self._respond(number, stream, Outcome(code, text=text))

    def _respond(self, number: int, stream: _Stream, outcome: Outcome) -> None:
        try:
            self._begin_answer(number, stream, outcome)
        except H2Error:  # the client has taken the call back
            self._forget(number)

    def _begin_answer(self, number: int, stream: _Stream, outcome: Outcome) -> None:
        head = [(":status", "200"), ("content-type", "application/grpc")]
        status = [("grpc-status", str(outcome.code))]
        if outcome.code != OK:
            status.append(("grpc-message", quote(outcome.text, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")))
            self._h2.send_headers(number, head + status, end_stream=True)
            if not stream.has_ended:  # the client need not send the rest
                self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
            self._forget(number)
            return
        self._h2.send_headers(number, [*head, ("grpc-accept-encoding", "identity,deflate,gzip")])
        stream.left.extend((b"\0" + len(outcome.message).to_bytes(PREFIX_BYTES - 1), outcome.message))
        stream.trailers = status

    def _send_left(self) -> None:
        """Send what the clients' windows have room for."""
        if self._h2.state_machine.state is ConnectionState.CLOSED:
            return
        for number, stream in list(self._streams.items()):
            if not stream.trailers or self._is_slow:
                continue
            try:
                self._go_on(number, stream)
            except H2Error:  # the client has taken the call back
                self._forget(number)
        self._flush()
        if self._is_ending and not self._streams:
            self._close()

    def _go_on(self, number: int, stream: _Stream) -> None:
        """Send what is left of an answer, as far as the client's window goes."""
        while stream.left:
            window = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if window <= 0:
                return
            piece = stream.left.popleft()
            if len(piece) > window:
                stream.left.appendleft(piece[window:])
            self._h2.send_data(number, piece[:window])
            self._last = self._loop.time()
        self._h2.send_headers(number, stream.trailers, end_stream=True)
        self._forget(number)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)

    def _let_go(self, stream: _Stream) -> None:
        """Give the room of its message back."""
        self._room.free += stream.size
        stream.pieces, stream.size, stream.is_whole = [], 0, True

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and not stream.is_whole:
            self._let_go(stream)

    def _close(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        if self._transport.is_closing():
            return
        if self._h2.state_machine.state is not ConnectionState.CLOSED:
            self._h2.close_connection(code)
        self._flush()
        self._transport.close()

    def _look(self) -> None:
        """End what is late: a message that does not come, an answer that is not read, a connection without calls."""
        now, limits = self._loop.time(), self._limits
        self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look)
        waits_for_client = self._is_slow or any(stream.left for stream in self._streams.values())
        if waits_for_client and now - self._last > limits.answer_s:
            self._transport.abort()
            return
        for number, stream in list(self._streams.items()):
            if not stream.is_whole and now - stream.began > limits.body_s:
                self._refuse(
                    number, stream, 4, f"the message did not arrive within {limits.body_s:g} seconds"
                )
        has_called = self._h2.highest_inbound_stream_id > 0
        if not self._streams and now - self._last > (limits.idle_s if has_called else limits.body_s):
            self._close()
            return
        self._flush()
