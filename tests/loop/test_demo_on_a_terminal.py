"""``pilothouse demo`` as a newcomer sees it: on a terminal of 80×24 it opens the console."""

import re
import sys
from pathlib import Path

import pytest

from pilothouse.demo import workspace
from support import wait_until
from support.terminals import Terminal, screen_of

pytestmark = pytest.mark.loop
KEYS = (("2", "OWNER"), ("5", "train"), ("7", "lga"), ("f", "us-east"), ("8", "alerts"), ("?", "EVERYWHERE"))
"""What is pressed, and a word that is on the screen then."""


def test_the_demo_opens_the_console_and_gives_the_terminal_back(tmp_path: Path) -> None:
    root = tmp_path / "a demo"
    command = [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root), "demo"]
    terminal = Terminal(tmp_path, command=command)
    try:
        with terminal:
            shows(terminal, "flight-delay", "bike-demand", "1Over", "q quit")
            for key, words in KEYS:
                terminal.write(key.encode())
                shows(terminal, words)
            terminal.write(b"\x1b")
            wait_until(lambda: "EVERYWHERE" not in text_of(terminal), 30, 0.2)
            terminal.write(b"4")
            wait_until(lambda: re.search(r"[1-9][0-9,]* predictions", text_of(terminal)), 120, 0.2)
            terminal.write(b"q")
            # read on meanwhile: a terminal that nobody reads from holds up whoever writes to it
            wait_until(
                lambda: b"look round with:" in terminal.output() and terminal.process.poll() is not None, 60
            )
            assert terminal.process.returncode == 0
            said = terminal.output().rpartition(b"\x1b[?1049l")[2].decode()
        assert f"--workspace '{root}' --as {workspace.APPROVER}" in said, "what is to be typed is quoted"
        assert "Traceback" not in said
    finally:
        workspace.remove(root)


def text_of(terminal: Terminal) -> str:
    """What the terminal shows."""
    return "\n".join(screen_of(terminal, 80, 24).display)


def shows(terminal: Terminal, *words: str) -> None:
    """Wait until all of ``words`` are on the screen."""

    def shown() -> bool:
        assert terminal.process.poll() is None, terminal.output()[-2_000:]
        text = text_of(terminal)
        return all(word in text for word in words)

    try:
        wait_until(shown, 300, 0.2)
    except AssertionError:
        raise AssertionError(f"no {words} on:\n{text_of(terminal)}") from None
