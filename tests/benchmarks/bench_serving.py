"""A real serving process under real requests of 17 rows: requests a second and how long they take."""

import http.client
import statistics
import threading
import time

import serving_kit as kit
from bench import show

SECONDS = 5.0


def run() -> None:
    """One and eight connections, five seconds each; every row is durable in the spool before its answer."""
    with kit.short_folder() as folder:
        hub = kit.TestHub(folder / "hub.sock")
        hub.start()
        model = kit.train("delay", 1)
        hub.deploy(model)
        server = kit.start_serving(folder / "ewr", hub)
        try:
            server.wait_for_port()
            server.wait_until_ready()
            kit.wait_until(lambda: server.infer("delay", kit.body_of(17))[0] == 200)
            for connections in (1, 8):
                _load(server.port, connections)
        finally:
            server.terminate()
            hub.stop()


def _load(port: int, connections: int) -> None:
    body = kit.body_of(17)
    taken: list[float] = []
    end = time.perf_counter() + SECONDS

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.perf_counter() < end:
            began = time.perf_counter()
            connection.request("POST", "/v2/models/delay/infer", body)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}")
            taken.append(time.perf_counter() - began)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    quantiles = statistics.quantiles(taken, n=100)
    show(
        f"serving: 17 rows a request, {connections} connection{'s' if connections > 1 else ''}",
        f"{len(taken) / SECONDS:,.0f} req/s",
        f"p50 {quantiles[49] * 1000:.1f} ms, p99 {quantiles[98] * 1000:.1f} ms",
    )
