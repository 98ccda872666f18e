"""A remote target under load with real processes: the daemon killed and away, the process that answers and the whole command
killed, its token revoked. Every request is answered or refused with a code, and the hub has each event that was answered, once.

``PH_REMOTE_RATE=500 PH_REMOTE_SECONDS=10`` is the long form.
"""

import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilothouse.daemon import control
from pilothouse.operations.fleet import remote_tokens
from pilothouse.system.files import write_atomically
from pilothouse.system.processes import is_alive
from support import leftovers, wait_until
from support.raw_http import RawConnection
from support.remote_places import FarProcess, RemoteHub, make_remote_hub, serve_far

RATE = float(os.environ.get("PH_REMOTE_RATE", "100"))
SECONDS = float(os.environ.get("PH_REMOTE_SECONDS", "1"))
CLIENTS = max(4, round(RATE / 25))
BODY = json.dumps({"rows": [{"wind": 3.0, "load": 0.5}, {"wind": 9.0, "load": 0.1}]}).encode()


@dataclass
class Load:
    """Clients of the far process. ``refused``: connections that nobody took, as while it starts; ``broken``: that ended before
    an answer, as when it is killed: nothing was acknowledged on them."""

    port: int
    ids: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    """Requests that were answered with 503, by what was away then."""
    away: str = "nothing"
    refused: int = 0
    broken: int = 0
    answered: float = 0.0
    gaps: dict[str, float] = field(default_factory=dict)
    """Longest time without a request that was answered with 200, in seconds, by what was away at its end."""
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    began: float = 0.0
    rate: float = 0.0
    """Answers a second, those of no connection not counted."""

    def begin(self) -> None:
        self.began = time.monotonic()
        self.threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.rate = self.statuses.total() / (time.monotonic() - self.began)
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _ask(self) -> None:
        connection, due = RawConnection(self.port, 60.0), time.monotonic()
        while not self.stopping.is_set():
            due += CLIENTS / RATE
            self.stopping.wait(max(due - time.monotonic(), 0))
            try:
                status, told = connection.post("/v2/models/delay/predict", BODY)
                answer = json.loads(told)
            except ConnectionRefusedError:
                self.refused += 1
                self.stopping.wait(0.02)
            except OSError:
                self.broken += 1
            else:
                self.statuses[status] += 1
                if status == 200:
                    now = time.monotonic()
                    gap = now - (self.answered or now)
                    self.gaps[self.away] = max(self.gaps.get(self.away, 0), gap)
                    self.answered = now
                self.busy[self.away] += status == 503
                self.ids += [row["prediction_id"] for row in answer.get("rows", [])]
        connection.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RemoteHub]:
    with leftovers.shared("socket:"):
        made = make_remote_hub(tmp_path)
        with socket.create_server(("127.0.0.1", 0)) as free:
            made.port = free.getsockname()[1]
        made.describe(made.port)
        yield made
        control.stop(made.shop.root)


def stored(hub: RemoteHub) -> Counter[str]:
    with hub.shop.services.telemetry.read() as connection:
        found = connection.execute(
            "SELECT p.name, b.sequence, b.rows FROM batches b JOIN producers p ON p.id = b.producer_id"
        ).fetchall()
    return Counter(f"{name}.{number}.{row}" for name, number, rows in found for row in range(rows))


def test_whatever_goes_away_every_answered_event_is_stored_once(hub: RemoteHub, tmp_path: Path) -> None:
    root, folder = hub.shop.root, tmp_path / "far"
    daemon = control.start_in_background(root)
    wait_until(hub.answers)
    first = hub.token()
    far: FarProcess = serve_far(folder, hub.url, hub.authority, token=first.token)
    load: Load | None = None
    try:
        far.wait_until_ready()
        load = Load(far.port)
        load.begin()

        def traffic() -> None:
            """Until so many seconds' worth of requests have been answered."""
            assert load is not None
            enough = len(load.ids) + 2 * RATE * SECONDS / 4
            wait_until(lambda: load is not None and len(load.ids) >= enough, 120)

        traffic()
        load.away = "hub"
        os.kill(daemon.pid, signal.SIGKILL)  # the hub is killed
        wait_until(lambda: not is_alive(daemon))
        traffic()
        control.start_in_background(root)
        traffic()
        load.away = "child"
        far.kill_child()  # the process that answers is killed, and forked again
        traffic()
        assert not load.refused, "its parent holds the port"
        load.away = "process"
        far.kill()  # the whole command is killed, and starts again on its port
        far = serve_far(folder, hub.url, hub.authority, "--port", str(load.port))
        far.wait_until_ready()
        traffic()
        load.away = "token"
        remote_tokens.revoke(hub.shop.services, hub.shop.admin, first.record.id, "lost")
        wait_until(lambda: re.search("is revoked", far.log.read_text()))
        traffic()
        write_atomically(folder / "token", hub.token().token.encode())
        traffic()
        load.end()
        print(
            f"{load.statuses}, 503 while away: {load.busy}, {load.refused} refused, {load.broken} broken, {load.rate:.0f}/s, "
            f"longest without an answer: {', '.join(f'{name} {gap:.2f} s' for name, gap in load.gaps.items())}"
        )
        assert set(load.statuses) <= {200, 503, 404}, load.statuses
        assert load.broken <= 3 * CLIENTS, "only those that were open when it was killed, twice"
        expected = Counter(load.ids)
        assert set(expected.values()) == {1}
        # what was written just before the kill may be stored without having been answered
        wait_until(lambda: not expected - stored(hub))
        assert set(stored(hub).values()) == {1}
        assert sum(stored(hub).values()) - sum(expected.values()) <= 2 * load.broken
        assert far.end() == 0
    finally:
        if load is not None:
            load.end()
        if far.process.poll() is None:
            far.kill()
