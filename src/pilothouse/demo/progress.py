"""Progress of the demo: a line for each event, with the seconds since the start, on stderr."""

import os
import sys
import textwrap
import time

from pilothouse.domain.formats.safe_text import safe

_CLEAR = "\r\x1b[K"


class Progress:
    """Prints events; on a terminal, ``update`` rewrites one line that the next event replaces."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._open = False
        self._terminal = sys.stderr.isatty()
        self._last_update = 0.0

    def say(self, text: str) -> None:
        """Print an event in place of the line of progress; on a terminal in lines of its width, broken between words."""
        if self._open:
            self._write(_CLEAR)
            self._open = False
        start = f"{self._elapsed()}  "
        lines = [safe(text, limit=400)]
        if self._terminal:
            # a path that is longer than a line stays whole: it is there to be copied
            width = max(1, self._columns() - len(start) - 1)
            lines = textwrap.wrap(lines[0], width, break_on_hyphens=False, break_long_words=False)
        self._write(
            "".join(f"{start if i == 0 else ' ' * len(start)}{part}\n" for i, part in enumerate(lines))
        )

    def update(self, text: str) -> None:
        """Print progress: rewritten in place on a terminal, every five seconds otherwise."""
        if self._terminal:
            start = f"{self._elapsed()}  "
            # one column stays free: a line that fills the terminal wraps, and the next would not overwrite it
            self._write(f"{_CLEAR}{start}{safe(text, limit=max(1, self._columns() - len(start) - 1))}")
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

    @staticmethod
    def _columns() -> int:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
