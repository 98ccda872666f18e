"""Answers of a real HTTP server, recorded once and given again by a server on loopback."""

import base64
import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answers = dict[str, tuple[int, str]]
"""Status and body in base64 by ``METHOD path body``; those of the second and later such requests end with `` #2`` and so on."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answers: Answers
    upstream: str
    asked: list[str]
    in_turn: bool
    seen: Callable[[str], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_PUT(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def _answer(self, body: bytes) -> None:
        key = f"{self.command} {self.path} {body.decode(errors='replace')}"
        self.server.asked.append(key)
        again = f"{key} #{self.server.asked.count(key)}"
        if (
            self.server.in_turn
            and not again.endswith(" #1")
            and (self.server.upstream or again in self.server.answers)
        ):
            key = again
        if self.server.upstream and key not in self.server.answers:
            self.server.answers[key] = _asked(self.server.upstream, self.command, self.path, body)
        self.server.seen(key)
        status, data = self.server.answers.get(
            key, (404, base64.b64encode(b'{"message": "not recorded"}').decode())
        )
        plain = base64.b64decode(data)
        self.send_response(status)
        self.send_header("Content-Length", str(len(plain)))
        self.end_headers()
        self.wfile.write(plain)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _asked(upstream: str, method: str, path: str, body: bytes) -> tuple[int, str]:
    connection = http.client.HTTPConnection(upstream, timeout=60)
    connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    try:
        return answer.status, base64.b64encode(answer.read()).decode()
    finally:
        connection.close()


def _pass_on(_: str) -> None:
    """Do nothing between an answer and its way back."""


@contextmanager
def served(
    answers: Answers, upstream: str = "", *, in_turn: bool = False, seen: Callable[[str], None] = _pass_on
) -> Iterator[tuple[str, list[str]]]:
    """Address of a server that gives the answers, and what it was asked; those of ``upstream`` (HOST:PORT) are recorded.
    ``in_turn``: the same request is answered otherwise the next time, as by a server that is written to. ``seen`` is called
    with each request once upstream has done it and before it is answered."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.answers, server.upstream, server.asked, server.in_turn = answers, upstream, [], in_turn
    server.seen = seen
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_answers(path: Path) -> Answers:
    """Answers from a file."""
    return {
        key: (status, data) for key, (status, data) in json.loads(gzip.decompress(path.read_bytes())).items()
    }


def write_answers(path: Path, answers: Answers) -> None:
    """Write answers to a file."""
    path.write_bytes(gzip.compress(json.dumps(answers, sort_keys=True).encode(), mtime=0))
