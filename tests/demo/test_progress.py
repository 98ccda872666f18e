"""The demo's progress on a terminal: one line that is rewritten, and events that fit the terminal's width."""

import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path

import pytest

from pilothouse.demo.progress import Progress
from support import wait_until
from support.terminals import Terminal, screen_of


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


@pytest.mark.parametrize("columns", [60, 80])
def test_events_and_progress_fit_the_terminal(columns: int, tmp_path: Path) -> None:
    """A real terminal shows each event whole, no word broken, and no line of progress is left behind."""
    event = "ada tries to approve her own request: whoever trained or requested a version may not approve it (four eyes)"
    code = f"""
from pilothouse.demo.progress import Progress
progress = Progress()
for number in range(200):
    progress.update(f"job 1 train flight-delay: fit {{number / 200:.0%}} measuring what each of the features carries")
progress.say({event!r})
progress.update("waiting for the monitors " * 10)
progress.say("the end")
"""
    with Terminal(tmp_path, code=code, size=(columns, 24)) as terminal:
        wait_until(lambda: b"the end" in terminal.output() and terminal.process.poll() is not None, 20)
        lines = [line.rstrip() for line in screen_of(terminal, columns, 24).display]
    assert " ".join(line[10:].strip() for line in lines if line) == f"{event} the end"
    assert all(len(line) < columns for line in lines)
