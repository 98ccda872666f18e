"""Programs in a pseudo-terminal, and what a terminal would show of them."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import weakref
from collections.abc import Sequence
from pathlib import Path

import pyte

RUN = """
import sys
from pathlib import Path
from pilothouse.console.launch import launch
from pilothouse.console.session.options import ConsoleOptions
sys.exit(launch(Path(sys.argv[1]), ConsoleOptions(user="ada", as_name="pat", start=" ".join(sys.argv[2:]) or "overview")))
"""


class Terminal:
    """A program in a pseudo-terminal of 80×24."""

    def __init__(
        self,
        workspace: Path,
        *view: str,
        size: tuple[int, int] = (80, 24),
        code: str = "",
        command: Sequence[str] = (),
        **environment: str,
    ) -> None:
        """The console on ``workspace`` at ``view``; else ``code``, or a ``command``, with the terminal to itself."""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        os.set_blocking(self._master, False)
        self.process = subprocess.Popen(
            command or [sys.executable, "-c", code or RUN, str(workspace), *view],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(workspace), "XDG_CONFIG_HOME": str(workspace),
                 **environment},
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

    @property
    def descriptor(self) -> int:
        """Our end of the terminal."""
        return self._master

    def resize(self, columns: int, rows: int) -> None:
        """Another size; the kernel tells the console."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """The other end is gone, as when an SSH connection breaks."""
        self.output()
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDWR)

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


def screen_of(terminal: Terminal, columns: int, rows: int) -> pyte.Screen:
    """What a terminal of that size would show now; what it has been fed already is not fed to it again."""
    if terminal not in _screens:
        screen = pyte.Screen(columns, rows)
        _screens[terminal] = (screen, pyte.ByteStream(screen), 0)
    screen, stream, fed = _screens[terminal]
    written = terminal.output()
    stream.feed(written[fed:])
    _screens[terminal] = (screen, stream, len(written))
    return screen


_screens: "weakref.WeakKeyDictionary[Terminal, tuple[pyte.Screen, pyte.ByteStream, int]]" = (
    weakref.WeakKeyDictionary()
)
