"""Load at a fixed rate on a serving process, from another process: requests come by chance, as from many clients.

``python paced_load.py PORT PATH CONNECTIONS SECONDS RATE < body`` prints one line of JSON. A request's time runs from when it
was due, so that a server that falls behind is not spared. The standard library alone, as ``serving_load``.
"""

import collections
import json
import random
import selectors
import socket
import statistics
import sys
import time

from serving_load import is_whole


def measure(
    port: int, path: str, connections: int, seconds: float, rate: float, body: bytes
) -> dict[str, float]:
    """Requests a second, and percentiles of their times in microseconds."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    draw = random.Random(port)
    taken: list[int] = []
    free: collections.deque[socket.socket] = collections.deque()
    due_of: dict[socket.socket, int] = {}
    received: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, selectors.EVENT_READ)
            free.append(client)
        began = now = time.perf_counter_ns()
        end, due = began + int(seconds * 1e9), began
        waiting: collections.deque[int] = collections.deque()
        while now < end or due_of:
            while due <= now < end:
                waiting.append(due)
                due += int(draw.expovariate(rate) * 1e9)
            while waiting and free:
                client = free.popleft()
                due_of[client] = waiting.popleft()
                received[client] = b""
                client.sendall(request)
            for key, _ in selector.select(max(due - now, 0) / 1e9 if now < end else 0.05):
                client = key.fileobj  # type: ignore[assignment]
                received[client] += client.recv(1 << 18)
                if is_whole(received[client]):
                    taken.append(time.perf_counter_ns() - due_of.pop(client))
                    free.append(client)
            now = time.perf_counter_ns()
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    quantiles = statistics.quantiles(taken, n=100)
    return {
        "requests": len(taken),
        "per_s": len(taken) / ((now - began) / 1e9),
        "p50_us": quantiles[49] / 1_000,
        "p99_us": quantiles[98] / 1_000,
    }


if __name__ == "__main__":
    port, path, connections, seconds, rate = sys.argv[1:]
    body = sys.stdin.buffer.read()
    print(json.dumps(measure(int(port), path, int(connections), float(seconds), float(rate), body)))
