"""What tests share: waiting for a condition rather than for the clock."""

import threading
import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""Processes that take a second on a quiet machine take many on a busy one; only what never happens takes so long."""


def wait_until(predicate: Callable[[], object], timeout: float = 10.0, interval: float = 0.02) -> None:
    """Return as soon as ``predicate()`` is true; fail with its last value after ``timeout`` seconds (PATIENCE_S, where it is a
    matter of whole seconds)."""
    if timeout >= 1:
        timeout = max(timeout, PATIENCE_S)
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {timeout} s")
        pause.wait(interval)
