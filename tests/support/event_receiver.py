"""Receiver of what a workspace sends, on loopback."""

import http.server
import json
import threading
from typing import Any


class Receiver:
    """HTTP server that keeps what it is sent, and answers what it is told to."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        """Answers to the next requests; 200 once there are none."""
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    receiver.bodies.append(json.loads(body))
                    receiver.headers.append({name.lower(): text for name, text in self.headers.items()})
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "http://192.0.2.1/")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/api/v1/lineage"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
