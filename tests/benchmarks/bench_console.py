"""From start to the first screen on a terminal: the console on an empty workspace against a minimal Textual app."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from bench import median_s, show

from pilothouse.operations import workspaces

MINIMAL = (
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class A(App):\n"
    "    def compose(self):\n"
    "        yield Static('quit me')\n"
    "A().run()\n"
)


def run() -> None:
    """Median of seven starts each."""
    with tempfile.TemporaryDirectory() as folder:
        workspaces.initialise(Path(folder), "root")
        console = [sys.executable, "-m", "pilothouse.cli.main", "-w", folder]
        ours = median_s(lambda: _until_shown(console, b"quit"), 7)
    minimal = median_s(lambda: _until_shown([sys.executable, "-c", MINIMAL], b"quit"), 7)
    show(
        "console: first frame in a terminal", f"{ours * 1000:.0f} ms", f"{ours / minimal:.2f}× a minimal app"
    )
    show("console: a minimal Textual app", f"{minimal * 1000:.0f} ms")


def _until_shown(command: list[str], words: bytes) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 20
    try:
        while words not in seen:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing but {seen[-200:]!r}")
            if select.select([ours], [], [], 0.5)[0]:
                seen += os.read(ours, 65_536)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        os.close(ours)
