"""Threads of the daemon: started by name, woken when something changed; none may die unnoticed."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pilothouse.domain.errors import PilothouseError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
"""Seconds between two looks at the databases' data versions."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""Seconds before the first retry; the pause doubles up to the longest."""


class ThreadGroup:
    """All threads of the daemon. One that ends while it should run ends them all."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = stop or threading.Event()
        self.failed = ""
        """Name of the thread that ended unexpectedly."""
        self._threads: list[threading.Thread] = []
        self._wakeups: list[Wakeup] = []

    def wakeup(self, name: str = "", patience_s: float = math.inf) -> "Wakeup":
        """Wakeup that also wakes when the daemon stops. Its thread counts as stuck when a turn takes over ``patience_s``."""
        wakeup = Wakeup(self.stop, name, patience_s)
        self._wakeups.append(wakeup)
        return wakeup

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Run a thread until ``stop`` is set."""
        thread = threading.Thread(target=self._guarded, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stuck(self) -> list[str]:
        """Names of the threads whose turn takes longer than their patience."""
        now = time.monotonic()
        return [wakeup.name for wakeup in self._wakeups if now - wakeup.turned > wakeup.patience_s]

    def turns(self) -> list[tuple[str, float, bool]]:
        """Name of each part that has one, seconds since its last turn began, and whether it is stuck."""
        now = time.monotonic()
        return [
            (wakeup.name, now - wakeup.turned, now - wakeup.turned > wakeup.patience_s)
            for wakeup in list(self._wakeups)
            if wakeup.name
        ]

    def join(self, patience_s: float) -> list[str]:
        """Wait for all threads together that long, once ``stop`` is set; returns the names of those that still run."""
        for wakeup in self._wakeups:
            wakeup.wake()
        deadline = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _guarded(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException:  # nothing stands in for the thread, so the process ends and says why
            log.critical("the thread %s died: the daemon ends", name, exc_info=True)
            self.failed = self.failed or name
        else:
            if not self.stop.is_set():
                log.critical("the thread %s ended before it should: the daemon ends", name)
                self.failed = self.failed or name
        self.stop.set()


@dataclass
class Wakeup:
    """Wakeup of one thread. Several wakes that come while it works are one."""

    stop: threading.Event
    name: str = ""
    patience_s: float = math.inf
    turned: float = field(default_factory=time.monotonic)
    """Monotonic time at which the thread's last turn began."""
    _woken: threading.Event = field(default_factory=threading.Event)

    def wake(self) -> None:
        """Wake the thread: something may have changed."""
        self._woken.set()

    def wait(self, timeout_s: float) -> None:
        """Wait for a wake, or that long."""
        self._woken.wait(timeout_s)
        self._woken.clear()


def repeat(
    wakeup: Wakeup, work: Callable[[], float | None], *, at_least_every_s: float, rest_s: float = 0.0
) -> None:
    """Do ``work`` at every wake, and without one after ``at_least_every_s``, until the daemon stops.

    ``work`` may return the seconds after which it wants to be called again. After each turn it rests ``rest_s`` or as
    long as the turn took, whichever is more, so that a stream of changes leaves time to others. A PilothouseError (a full
    disk, a lock) is logged and tried again with back-off; anything else is an error of the program and ends the thread.
    """
    pause = 0.0
    while not wakeup.stop.is_set():
        started = wakeup.turned = time.monotonic()
        try:
            sooner = work()
        except PilothouseError as error:
            pause = min(_LONGEST_PAUSE_S, pause * 2 or _FIRST_PAUSE_S)
            log.error("%s (again in %g s)", error, pause)
            wakeup.stop.wait(pause)
            continue
        pause = 0.0
        if rest_s:
            wakeup.stop.wait(max(rest_s, time.monotonic() - started))
        wakeup.wait(at_least_every_s if sooner is None else min(sooner, at_least_every_s))


def watch(stop: threading.Event, versions: dict[Callable[[], int], list[Wakeup]]) -> None:
    """Wake the threads of each database that has changed, with ten looks a second; a look costs microseconds."""
    known = dict.fromkeys(versions, -1)
    while not stop.wait(LOOK_EVERY_S):
        for version, wakeups in versions.items():
            try:
                current = version()
            except PilothouseError as error:
                log.error("%s", error)
                stop.wait(_FIRST_PAUSE_S)
                continue
            if current != known[version]:
                known[version] = current
                for wakeup in wakeups:
                    wakeup.wake()
