"""What tests share: waiting for a condition rather than for the clock."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

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


def wait_for_nothing(left: Callable[[], list[str]], timeout: float) -> None:
    """Return as soon as ``left()`` is empty; fail with what it holds after ``timeout`` seconds."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not left(), timeout)
        return
    raise AssertionError("; ".join(["left behind", *left()]))


class Closable(Protocol):
    """Something that is opened, and closed."""

    def close(self) -> object: ...


Opened = TypeVar("Opened", bound=Closable)
OPENED: list[Closable] = []
"""What ``until_the_test_ends`` was given and nobody has closed yet."""


def until_the_test_ends(opened: Opened) -> Opened:
    """Have it closed when the test that runs now is over."""
    OPENED.append(opened)
    return opened


def close_opened(since: int) -> None:
    """Close what was opened after the first ``since``, the newest first."""
    while len(OPENED) > since:
        OPENED.pop().close()
