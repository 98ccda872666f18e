"""Progress of something long, on a terminal."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Function that shows so many of so many on one line of stderr, which is gone at the end; None without a terminal. It is
    given 0 where nobody knows of how many."""
    if not sys.stderr.isatty():
        yield None
        return

    with step() as say:
        assert say is not None
        yield lambda done, total: say(f"{done:,}{f' of {total:,}' if total else ''} {what}")


@contextmanager
def step() -> Iterator[Callable[[str], None] | None]:
    """Function that shows what is under way on one line of stderr, which is gone at the end; None without a terminal. What
    takes longer than some seconds without a further word is shown with the seconds since."""
    if not sys.stderr.isatty():
        yield None
        return

    shown = _Shown()
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(1.0):
            shown.again()

    threading.Thread(target=tick, name="progress", daemon=True).start()
    try:
        yield shown.say
    finally:
        ended.set()
        shown.clear()


_SILENCE_S = 3.0


class _Shown:
    """Line that is shown now, and since when. Its lock keeps two threads from writing at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = ""
        self._since = time.monotonic()
        self._is_over = False

    def say(self, text: str) -> None:
        with self._lock:
            self._text, self._since = text, time.monotonic()
            self._write(text)

    def again(self) -> None:
        with self._lock:
            silent_s = time.monotonic() - self._since
            if self._text and silent_s >= _SILENCE_S and not self._is_over:
                self._write(f"{self._text} ({silent_s:.0f} s)")

    def clear(self) -> None:
        with self._lock:
            self._is_over = True
            self._write("")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
