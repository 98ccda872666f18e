"""HTTP server of a witness: ``POST /add-checkpoint``, on an address or on a socket of this machine."""

import os
import socketserver
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.safe_text import safe
from pilothouse.operations.transparency.witness_folder import Witness
from pilothouse.transparency import witness_requests
from pilothouse.transparency.witness_requests import Refusal

_PATIENCE_S = 15.0
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
                server = ThreadingHTTPServer((host, int(port)), _handler(witness))
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


class _SocketServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind the socket, for this user and group alone."""
        before = os.umask(0o007)
        try:
            super().server_bind()
        finally:
            os.umask(before)


def _handler(witness: Witness) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "pilothouse-witness", ""
        timeout = _PATIENCE_S

        def do_POST(self) -> None:
            """Answer a request."""
            if self.path != witness_requests.PATH:
                return self._send(404, "there is nothing here\n")
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or self.headers.get("Transfer-Encoding"):
                self.close_connection = True
                return self._send(411, "the length of the request is missing\n")
            if int(length[:9]) > witness_requests.LONGEST:
                self.close_connection = True
                return self._send(413, "the request is too long\n")
            body = self.rfile.read(int(length))
            try:
                answer = witness.answer(body)
            except PilothouseError as error:
                self.log_error("%s", str(error))
                return self._send(500, "the witness cannot answer: see its log\n")
            if isinstance(answer, Refusal):
                return self._send(answer.status, answer.text, answer.content_type)
            return self._send(200, answer)

        def _send(self, status: int, text: str, content_type: str = _PLAIN) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
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
