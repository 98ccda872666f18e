"""The demo's progress on a terminal: one line that is rewritten, whatever the terminal's width."""

import fcntl
import os
import pty
import struct
import sys
import termios

import pytest

from pilothouse.demo.progress import Progress


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_progress_stays_on_one_line_of_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            Progress().update("flight-delay: measuring what each feature carries " * 10)
            shown = os.read(ours, 10_000).decode()
            monkeypatch.undo()
    finally:
        os.close(ours)
    line = shown.removeprefix("\r\x1b[K")
    assert len(line) == columns - 1
    assert "flight-delay" in line
