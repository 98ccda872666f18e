"""The daemon's memory while millions of events are taken in: a real daemon, its hub over HTTP, its monitors on what arrives."""

import contextlib
import dataclasses
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench import show
from bench_telemetry import packed_batch

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.wire import PackedTimings, PredictionBatch
from pilothouse.operations.fleet import targets
from pilothouse.serving.hub_client import HubClient
from support.monitored_flights import admin, make_watched, traffic

BATCH = 10_000
MILLIONS = int(os.environ.get("BENCH_MILLIONS", "10"))
DAYS = 70
"""Over which the events are spread: ten windows of the monitor."""
_DAEMON = (
    "import sys; from pathlib import Path; from pilothouse.daemon.main import run_daemon; "
    "sys.exit(run_daemon(Path(sys.argv[1]), isolation='warn', serve_targets=False))"
)


def run() -> None:
    """Resident memory over each tenth of the events: the median, for a window's verdict takes more for a second."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        services = make_watched(root)
        token = root / "token"
        token.write_text(targets.issue_token(services, admin(services), "ewr"))
        services.close()
        made = packed_batch(traffic("ewr", 0, 60).head(BATCH), 0)
        rows = made.rows
        total = MILLIONS * 1_000_000 // rows
        daemon = subprocess.Popen([sys.executable, "-c", _DAEMON, str(root)], stdout=subprocess.DEVNULL)
        try:
            client = HubClient(services.paths.hub_socket, token)
            began, memory = time.perf_counter(), list[int]()
            for number in range(total):
                _send(client, _at(made, number, total))
                memory.append(_resident_mb(daemon.pid))
            taken = time.perf_counter() - began
            client.close()
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()
        show(
            f"daemon: {MILLIONS} million events through its hub, one sender",
            f"{total * rows / taken:,.0f} events/s",
        )
        tenths = [statistics.median(memory[i * total // 10 : (i + 1) * total // 10]) for i in range(10)]
        show(
            "daemon: resident memory, the median of each tenth",
            f"{tenths[-1] / tenths[0] - 1:+.1%}",
            " ".join(f"{mb:.0f}" for mb in tenths) + f" MB, at most {max(memory)}",
        )


def _at(made: PredictionBatch, number: int, total: int) -> PredictionBatch:
    """The batch again, at its place in the span of days."""
    step = DAYS * 86_400_000_000 // (total * made.rows)
    first = int(np.frombuffer(made.event_times, "<i8")[0])
    times = (first + np.arange(number * made.rows, (number + 1) * made.rows) * step).astype("<i8").tobytes()
    one = np.ones(made.rows, "<i8").tobytes()
    latencies = np.random.default_rng(number).lognormal(8.5, 0.7, made.rows).astype("<i8").tobytes()
    return dataclasses.replace(
        made, sequence=number, event_times=times, requests=PackedTimings(one, latencies, times)
    )


def _send(client: HubClient, batch: PredictionBatch) -> None:
    """Wait for the hub where it is not there yet."""
    for _ in range(300):
        with contextlib.suppress(UnavailableError):
            assert client.send_batch(batch).accepted == batch.rows
            return
        time.sleep(0.1)
    raise TimeoutError("the daemon's hub did not come up")


def _resident_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
