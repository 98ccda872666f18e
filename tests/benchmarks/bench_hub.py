"""Batches through the hub, over HTTP on its unix socket, as serving processes send them: events a second, acknowledged."""

import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

from bench import show
from bench_telemetry import packed_batch

from pilothouse.operations.fleet import targets
from pilothouse.serving.delivery.hub_client import HubClient
from support.monitored_flights import admin, make_watched, traffic

SENDERS = 4
SECONDS = 6.0
_HUB = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pilothouse.composition import open_workspace
    from pilothouse.daemon.hub import hub_app
    from pilothouse.daemon.hub_server import HubServer
    from pilothouse.operations.fleet.processes import Pulse
    from pilothouse.system.processes import own_name
    services = open_workspace(Path(sys.argv[1]))
    server = HubServer(hub_app(services, Pulse(services, own_name())), Path(sys.argv[2]))
    print("ready", flush=True)
    server.run()
""")


def run() -> None:
    """Several senders, each waiting for its receipt before it sends on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        services = make_watched(folder)
        token = folder / "token"
        token.write_text(targets.issue_token(services, admin(services), "ewr"))
        rows = traffic("ewr", 0, 60)
        hub = subprocess.Popen(
            [sys.executable, "-c", _HUB, str(services.paths.root), str(folder / "hub.sock")],
            stdout=subprocess.PIPE,
        )
        assert hub.stdout is not None
        hub.stdout.readline()
        try:
            for size in (17, 1_000, 4_096, 10_000):
                sent, taken = _send(folder / "hub.sock", token, rows, size)
                show(f"hub: batches of {size:,}, {SENDERS} senders", f"{sent / taken:,.0f} events/s")
        finally:
            hub.terminate()
            hub.wait()
            hub.stdout.close()
            services.close()


def _send(path: Path, token: Path, rows: object, size: int) -> tuple[int, float]:
    import dataclasses

    import pandas as pd

    table = pd.concat([rows] * (size // len(rows) + 1)).sort_values("at_us").head(size)  # type: ignore[list-item,arg-type]
    # live traffic: everything within a minute
    table = table.assign(at_us=int(table["at_us"].iloc[0]) + (pd.RangeIndex(size) * (1_000_000 // size + 1)))
    made = packed_batch(table, 0)
    counts = [0] * SENDERS
    until = time.perf_counter() + SECONDS

    def send(number: int) -> None:
        client = HubClient(path, token)
        sequence = 0
        while time.perf_counter() < until:
            receipt = client.send_batch(
                dataclasses.replace(made, producer=f"{size}-{number}", sequence=sequence)
            )
            assert receipt.accepted == size
            counts[number] += size
            sequence += 1
        client.close()

    began = time.perf_counter()
    senders = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sum(counts), time.perf_counter() - began
