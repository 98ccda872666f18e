"""A process of ours that does what it is told, a line at a time over a socket of its own, and answers in lines of JSON.

It ends when the socket closes, so that none is left behind, however this process ends.
"""

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
"""What such a process is given of the environment at the least: nothing that could be a secret."""


def ending_text(code: int) -> str:
    """``signal 9``, ``exit code 7``."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class ControlledProcess:
    """The process with its socket, and a thread that hands on what it says. Subclasses set what they need before ``__init__``
    starts that thread, in which ``hear``, ``gone`` and ``died`` are called."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, name: str, patience_s: float
    ) -> None:
        """``command`` takes ``--control NUMBER``, the descriptor of its end. ``patience_s``: how long it may take to end."""
        self._patience_s = patience_s
        own_end, its_end = socket.socketpair()
        with its_end:
            self.process = subprocess.Popen(
                [*command, "--control", str(its_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(its_end.fileno(),),
                start_new_session=True,  # a Ctrl-C at the daemon's terminal is the daemon's to handle
                cwd="/",
                env=dict(environment),
            )
        self._socket = own_end
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._is_closing = False
        self.alive = True
        self._reader = threading.Thread(target=self._read, name=name, daemon=True)
        self._reader.start()

    def hear(self, said: dict[str, Any]) -> None:
        """Take one line that it has said."""
        raise NotImplementedError

    def gone(self) -> None:
        """Called once it says nothing more, ``alive`` being False and ``_lock`` held."""

    def died(self, code: int) -> None:
        """Called once it has ended by itself, after ``gone`` and without the lock."""

    def tell(self, line: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one line, with open files beside it. That it is gone is noticed by the reader."""
        with contextlib.suppress(OSError), self._sending:
            sent = socket.send_fds(self._socket, [line], list(descriptors)) if descriptors else 0
            self._socket.sendall(line[sent:])

    def close(self) -> None:
        """End it and wait for it."""
        self._is_closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(timeout=self._patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                self.hear(json.loads(line))
        with self._lock:
            self.alive = False
            ended_by_itself = not self._is_closing
            self.gone()
        if ended_by_itself:
            self.died(self.process.wait())
