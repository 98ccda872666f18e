"""Load on a serving process from another process: raw sockets, whole requests, times in nanoseconds.

``python serving_load.py PORT PATH CONNECTIONS SECONDS < body`` prints one line of JSON. It imports the standard library
alone, so that it starts at once and takes little of the machine that it shares with what it measures.
"""

import json
import selectors
import socket
import statistics
import sys
import time
from dataclasses import dataclass


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    sent_ns: int = 0
    received: bytes = b""
    is_first: bool = True
    """True until its first answer, which is not counted: it waits for the connections that are made after it."""


def measure(port: int, path: str, connections: int, seconds: float, body: bytes) -> dict[str, float]:
    """Requests a second, and percentiles of their times in microseconds. Each connection asks again when it is answered."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    taken: list[int] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(client)
            selector.register(client, selectors.EVENT_READ, connection)
            connection.sent_ns = time.perf_counter_ns()
            client.sendall(request)
        began = time.perf_counter_ns()
        end = began + int(seconds * 1e9)
        now = began
        while now < end:
            for key, _ in selector.select():
                connection = key.data
                connection.received += connection.socket.recv(1 << 18)
                if not is_whole(connection.received):
                    continue
                now = time.perf_counter_ns()
                if not connection.is_first:
                    taken.append(now - connection.sent_ns)
                connection.received, connection.is_first = b"", False
                connection.sent_ns = time.perf_counter_ns()
                connection.socket.sendall(request)
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    quantiles = statistics.quantiles(taken, n=100)
    return {
        "requests": len(taken),
        "per_s": len(taken) / ((now - began) / 1e9),
        "p50_us": quantiles[49] / 1_000,
        "p99_us": quantiles[98] / 1_000,
    }


def is_whole(received: bytes) -> bool:
    """Whether an answer has come; raises RuntimeError where it is an error."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received[:400].decode("latin-1"))
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


if __name__ == "__main__":
    port, path, connections, seconds = sys.argv[1:]
    body = sys.stdin.buffer.read()
    print(json.dumps(measure(int(port), path, int(connections), float(seconds), body)))
