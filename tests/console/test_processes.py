"""The console as a process: first frame, terminals, signals, a real pty."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from support import wait_until

RUN = """
import sys
from pathlib import Path
from pilothouse.console.app import run
sys.exit(run(Path(sys.argv[1]), "ada", "pat"))
"""


def test_nothing_heavy_is_imported_before_the_first_frame(workspace: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.console.app import Console
async def main():
    app = Console(lambda: open_workspace(Path(sys.argv[1])), "ada", "pat", start="jobs")
    async with app.run_test(size=(80, 24)) as pilot:
        while app.current_mode == "opening" or not app.view.settled:
            await pilot.pause(0.02)
    print([name for name in ("pandas", "sklearn", "scipy", "plotext", "sqlite_utils", "pyarrow") if name in sys.modules])
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_without_a_terminal_it_says_so_and_ends_with_2(workspace: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(workspace)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert done.stdout == ""
    assert time.monotonic() - began < 10, "a loaded machine may be slow; it must not hang"


def test_dumb_terminal_is_refused_with_a_word(workspace: Path) -> None:
    with Terminal(workspace, TERM="dumb") as terminal:
        assert terminal.process.wait(30) == 2
        assert b"cannot draw on TERM='dumb'" in terminal.read_all()


def test_hang_up_ends_it_and_gives_the_terminal_back(workspace: Path) -> None:
    with Terminal(workspace) as terminal:
        wait_until(lambda: b"flight-delay" in terminal.output(), 30)
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(10) == 128 + signal.SIGHUP
        assert b"\\x1b[?1049l" in terminal.read_all().replace(b"\x1b", b"\\x1b"), (
            "the alternate screen is left"
        )


class Terminal:
    """The console in a pseudo-terminal of 80×24."""

    def __init__(self, workspace: Path, **environment: str) -> None:
        import fcntl
        import struct
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self._master, False)
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(workspace)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        os.close(slave)
        self._read = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def write(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def output(self) -> bytes:
        """Everything written so far."""
        try:
            while chunk := os.read(self._master, 65_536):
                self._read += chunk
        except (BlockingIOError, OSError):
            pass
        return self._read

    def read_all(self) -> bytes:
        """Everything written until the end."""
        return self.output()
