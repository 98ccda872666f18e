"""Receivers on loopback: one that answers HTTP as it is told, and one that takes mail."""

import base64
import hashlib
import hmac
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"a key that nobody else holds").decode()


@dataclass(frozen=True)
class Got:
    """A request that came, and the status with which it was answered; 0 where it was left hanging or cut off."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_signed(self) -> bool:
        """True where the signature is that of the body, by the standard's own words."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return headers["webhook-signature"] == f"v1,{expected}"


Answer = int | tuple[int, dict[str, str]] | None
"""Status, with headers; None: no answer, the connection is cut off once the request was read."""


@dataclass
class Receiver:
    """HTTP server whose ``answer`` says how a request is answered, by how many came before."""

    answer: Callable[[int], Answer] = lambda _: 204
    got: list[Got] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Got]:
        """Requests that were answered that they were taken."""
        return [one for one in self.got if 200 <= one.status < 300]

    def deliveries(self) -> list[str]:
        """Names of the deliveries that came, each as often as it came."""
        return [one.headers.get("webhook-id", "") for one in self.got]


@contextmanager
def receiving(
    answer: Callable[[int], Answer] = lambda _: 204, context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """A receiver on a free port of loopback; one that speaks TLS with a context."""
    receiver = Receiver(answer)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                said = receiver.answer(len(receiver.got))
                status, headers = said if isinstance(said, tuple) else (said or 0, {})
                receiver.got.append(Got(self.path, dict(self.headers), body, status))
            if said is None:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def taking_mail() -> Iterator[tuple[int, list[str]]]:
    """A mail server on loopback: its port, and the messages that came."""
    messages: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 mail.test")
            while line := self.rfile.readline():
                word = line.strip().upper()[:4]
                if word == b"DATA":
                    self._say("354 go on")
                    text = b""
                    while (part := self.rfile.readline()) not in (b".\r\n", b""):
                        text += part
                    messages.append(text.decode())
                    self._say("250 taken")
                elif word == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 mail.test")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1], messages
        finally:
            server.shutdown()
            thread.join()
