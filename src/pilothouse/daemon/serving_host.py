"""Client of the serving host in the daemon: starts it, orders processes, hears of their ends, starts it again if it died."""

import logging
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.confinement import probe
from pilothouse.daemon.logs import say
from pilothouse.serving.host import Order, write_order
from pilothouse.system.controlled_process import CLEAN_ENVIRONMENT, ControlledProcess, ending_text

log = logging.getLogger(__name__)

_PATIENCE_S = 5.0
"""Seconds that the host has to end."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""Least seconds between two starts of a host; they double up to the longest while each host dies that soon."""


@dataclass(frozen=True, slots=True)
class End:
    """End of a process that was ordered. ``code`` is negative for a signal, and None where the host itself ended first: then
    nobody knows, and the process may run. ``port_taken``: it could not listen on the port of its order."""

    code: int | None
    port_taken: bool = False

    @property
    def how(self) -> str:
        """``signal 9``, ``exit code 7``; empty where nobody knows."""
        return "" if self.code is None else ending_text(self.code)


class ServingHost:
    """Serving host of a workspace. ``on_end`` is called when there is an end to take, also from another thread."""

    def __init__(self, workspace: Path, on_end: Callable[[], None]) -> None:
        self._workspace, self._on_end = workspace, on_end
        self._connection: _Connection | None = None
        self._ends: dict[str, End] = {}
        self._started, self._pause_s = -math.inf, _FIRST_PAUSE_S

    def start(self, order: Order) -> None:
        """Order a process. An order that no host lives to take up ends as any other."""
        self.keep_warm(skops=order.skops)
        if self._connection is None:
            self._take(order.target, End(None))
        else:
            self._connection.send(order)

    def keep_warm(self, *, skops: bool) -> None:
        """Start the host where none runs, so that it has its libraries by the time of an order; those that read skops files too
        where ``skops`` says so. Not again at once where it dies again and again."""
        if self._connection is not None and self._connection.alive:
            return
        self.close()
        lived_s = time.monotonic() - self._started
        if lived_s < self._pause_s:
            return
        self._pause_s = (
            _FIRST_PAUSE_S if lived_s > _LONGEST_PAUSE_S else min(_LONGEST_PAUSE_S, self._pause_s * 2)
        )
        self._started = time.monotonic()
        self._connection = _Connection(self._workspace, self._take, skops=skops)
        say(log, logging.INFO, "the serving host is started", pid=self._connection.process.pid)

    def take_end(self, target: str) -> End | None:
        """End of the process that was ordered last for the target, told once; None while it has not ended."""
        return self._ends.pop(target, None)

    @property
    def pid(self) -> int | None:
        """Pid of the host while it runs."""
        connection = self._connection
        return connection.process.pid if connection is not None and connection.alive else None

    def close(self) -> None:
        """End the host. The serving processes live on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _take(self, target: str, end: End) -> None:
        self._ends[target] = end
        self._on_end()


class _Connection(ControlledProcess):
    """Host process. A target whose process the host has not told the end of has none that is known once the host is gone."""

    def __init__(self, workspace: Path, take: Callable[[str, End], None], *, skops: bool) -> None:
        self._take = take
        self._ordered: set[str] = set()
        """Targets whose process has not ended."""
        self._lost: set[str] = set()
        command = [sys.executable, "-I", "-m", "pilothouse.serving.host", "--workspace", str(workspace)]
        command += ["--skops"] if skops else []
        super().__init__(command, _environment(), name="serving host", patience_s=_PATIENCE_S)

    def send(self, order: Order) -> None:
        """Send an order. A host that is gone is noticed by the reader."""
        with self._lock:
            alive = self.alive
            if alive:
                self._ordered.add(order.target)
        if alive:
            self.tell(write_order(order))
        else:
            self._take(order.target, End(None))

    def hear(self, said: dict[str, Any]) -> None:
        with self._lock:
            self._ordered.discard(said["ended"])
        self._take(said["ended"], End(said["code"], said["port_taken"]))

    def gone(self) -> None:
        self._lost, self._ordered = self._ordered, set()

    def died(self, code: int) -> None:
        say(
            log,
            logging.ERROR,
            f"the serving host ended: {ending_text(code)}; the processes that it has started serve on",
            pid=self.process.pid,
            exit_code=code,
        )
        for target in self._lost:
            self._take(target, End(None))


def _environment() -> dict[str, str]:
    """Environment of the host, and so of every serving process: nothing that could be a secret."""
    kept = {name: os.environ[name] for name in (probe.ABSENT,) if name in os.environ}
    return {
        **CLEAN_ENVIRONMENT,
        # several targets share the cores
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
        "GOMP_SPINCOUNT": "1000",
        **kept,
    }
