"""Progress of the demo: a line for each event, with the seconds since the start, on stderr."""

import os
import sys
import time

from pilothouse.domain.safe_text import safe


class Progress:
    """Prints lines; on a terminal, ``update`` rewrites the last one."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._open = False
        self._terminal = sys.stderr.isatty()
        self._last_update = 0.0

    def say(self, text: str) -> None:
        """Print a line about an event."""
        self._finish_line()
        self._write(f"{self._elapsed()}  {safe(text, limit=400)}\n")

    def update(self, text: str) -> None:
        """Print progress: rewritten in place on a terminal, every five seconds otherwise."""
        if self._terminal:
            start = f"{self._elapsed()}  "
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            # one column stays free: a line that fills the terminal wraps, and the next would not overwrite it
            self._write(f"\r\x1b[K{start}{safe(text, limit=max(1, columns - len(start) - 1))}")
            self._open = True
        elif time.monotonic() - self._last_update >= 5:
            self._last_update = time.monotonic()
            self._write(f"{self._elapsed()}  {safe(text, limit=400)}\n")

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def _elapsed(self) -> str:
        return f"{self.seconds:6.1f} s"

    def _finish_line(self) -> None:
        if self._open:
            self._write("\n")
            self._open = False

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
