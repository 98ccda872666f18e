"""HTTP server of a witness: ``POST /add-checkpoint``, on an address or on a socket of this machine.

A connection has one request, and both are bounded: bytes, time, and how many connections there are.
"""

import io
import os
import re
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.operations.transparency.witness_folder import Witness
from pilothouse.transparency import witness_requests
from pilothouse.transparency.witness_requests import Refusal

_PATIENCE_S = 15.0
"""For the next bytes of a request, or for a client to take the answer."""
_LONGEST_S = 30.0
"""From a connection to its end."""
_CONNECTIONS = 64
_LONGEST_HEAD = 16_000
_MOST_DIGITS = 20
_PLAIN = "text/plain; charset=utf-8"


class WitnessServer:
    """Server of a witness. ``place`` is ``HOST:PORT`` (port 0: a free one) or ``unix:/SOCKET``."""

    def __init__(self, witness: Witness, place: str) -> None:
        _ = witness.key  # raises where there is none
        self._socket: Path | None = None
        try:
            if place.startswith("unix:"):
                self._socket = Path(place.removeprefix("unix:"))
                with suppress(FileNotFoundError):
                    self._socket.unlink()
                self._server: socketserver.BaseServer = _SocketServer(str(self._socket), _handler(witness))
                self.url = f"unix:{self._socket}"
            else:
                host, _, port = place.rpartition(":")
                if not host or not port.isdecimal():
                    raise InvalidInputError(f"{place!r}: expected HOST:PORT or unix:/SOCKET")
                server = _AddressServer((host, int(port)), _handler(witness))
                self._server = server
                self.url = f"http://{host}:{server.server_address[1]}"
        except (OSError, OverflowError) as error:
            raise UnavailableError(f"{place}: {getattr(error, 'strerror', None) or error}") from error

    def run(self) -> None:
        """Answer until ``stop``."""
        self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End ``run``, from another thread."""
        self._server.shutdown()

    def close(self) -> None:
        """Close the socket."""
        self._server.server_close()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)


class _Bounded(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Server with a bounded number of connections, each of which ends in time."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._ends: dict[Any, float] = {}
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, or send it away where there are enough."""
        with self._lock:
            is_one_too_many = len(self._ends) >= _CONNECTIONS
            if not is_one_too_many:
                self._ends[request] = time.monotonic() + _LONGEST_S
        if not is_one_too_many:
            return super().process_request(request, client_address)
        with suppress(OSError):
            request.setblocking(False)
            request.send(
                b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
        return self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._ends.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut the connections that are late: their threads end."""
        now = time.monotonic()
        with self._lock:
            for request, end in self._ends.items():
                if end <= now:
                    with suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line for the log where a connection broke."""
        sys.stderr.write(f"a connection broke: {safe(str(sys.exception()), limit=200)}\n")


class _AddressServer(_Bounded, HTTPServer):
    pass


class _SocketServer(_Bounded, socketserver.UnixStreamServer):
    def server_bind(self) -> None:
        """Bind the socket, for this user and group alone."""
        before = os.umask(0o007)
        try:
            super().server_bind()
        finally:
            os.umask(before)


class _Limited(io.RawIOBase):
    """What comes on a connection, up to the bytes of one request: its end, as if there were no more."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._left = connection, _LONGEST_HEAD + witness_requests.LONGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._connection.recv_into(memoryview(buffer)[: self._left]) if self._left else 0
        self._left -= count
        return count


def _handler(witness: Witness) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "pilothouse-witness", ""
        timeout = _PATIENCE_S

        def setup(self) -> None:
            """Bound what is read."""
            super().setup()
            self.rfile.close()
            self.rfile = io.BufferedReader(_Limited(self.connection))

        def do_POST(self) -> None:
            """Answer a request."""
            if self.path != witness_requests.PATH:
                return self._send(404, "there is nothing here\n")
            lengths = self.headers.get_all("Content-Length", [])
            if not lengths or self.headers.get("Transfer-Encoding"):
                return self._send(411, "the length of the request is missing\n")
            if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0], re.ASCII):
                return self._send(400, "the length of the request is not a number\n")
            # by its digits first: int() raises for very long numbers
            if len(lengths[0]) > _MOST_DIGITS or int(lengths[0]) > witness_requests.LONGEST:
                return self._send(413, f"the request is longer than {witness_requests.LONGEST:,} bytes\n")
            body = self.rfile.read(int(lengths[0]))
            if len(body) < int(lengths[0]):
                return self._send(400, "the request ends too early\n")
            try:
                answer = witness.answer(body)
            except PilothouseError as error:
                self.log_error("%s", str(error))
                return self._send(500, "the witness cannot answer: see its log\n")
            if isinstance(answer, Refusal):
                return self._send(answer.status, answer.text, answer.content_type)
            return self._send(200, answer)

        def _send(self, status: int, text: str, content_type: str = _PLAIN) -> None:
            self.close_connection = True
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            """A line for the log, whatever was asked."""
            sys.stderr.write(
                f"{self.log_date_time_string()} {self.address_string()} {safe(format % args, limit=300)}\n"
            )

        def address_string(self) -> str:
            """Who asks, for the log; nobody has a name on a socket of this machine."""
            return self.client_address[0] if isinstance(self.client_address, tuple) else "local"

    return Handler
