"""A program of the user's, run to its end within bounds: time, output that is kept, environment, and no descriptor of ours."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.system.processes import kill_group, name_of

_KEPT = 8_192
"""Bytes of the end of its output that are kept."""
_GRACE_S = 2.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a program ended. ``code`` None: it did not, and was ended; ``output``: the end of what it wrote."""

    code: int | None
    output: str

    @property
    def last_line(self) -> str:
        """Last line that it wrote; empty where it wrote none."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def run_bounded(
    command: Sequence[str],
    sent: bytes,
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_started: Callable[[ProcessName], None] = lambda name: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> CommandEnd:
    """Run a program in a session of its own, with ``sent`` on its standard input, until it ends, ``timeout_s`` has passed, or
    ``is_stopping``; then it is ended with all that it has started. Raises OSError where it cannot be started."""
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=dict(environment),
        start_new_session=True,
    )
    name = name_of(process.pid)
    try:
        if name is not None:
            on_started(name)
        else:  # it has ended already, and nobody has waited for it: its group's number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        output, in_time = _exchanged(process, sent, time.monotonic() + timeout_s, is_stopping)
        return CommandEnd(process.wait(_GRACE_S) if in_time else None, output.decode("utf-8", "replace"))
    except subprocess.TimeoutExpired:  # it has closed its output, and goes on
        return CommandEnd(None, output.decode("utf-8", "replace"))
    finally:
        if name is not None:
            kill_group(name, 0.5)  # what it has left running too
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _exchanged(
    process: "subprocess.Popen[bytes]", sent: bytes, deadline: float, is_stopping: Callable[[], bool]
) -> tuple[bytes, bool]:
    """End of a program's output, and whether it closed it in time. It need not read what it is sent."""
    assert process.stdin is not None
    assert process.stdout is not None
    output, left = b"", memoryview(sent)
    with selectors.DefaultSelector() as selector:
        for stream, event in ((process.stdin, selectors.EVENT_WRITE), (process.stdout, selectors.EVENT_READ)):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, event)
        while True:
            now = time.monotonic()
            if now >= deadline or is_stopping():
                return output, False
            for key, _ in selector.select(min(_LOOK_EVERY_S, deadline - now)):
                if key.fileobj is process.stdin:
                    try:
                        left = left[os.write(key.fd, left[:65_536]) :]
                    except OSError:  # it reads no further
                        left = left[:0]
                    if not left:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                else:
                    piece = os.read(key.fd, 65_536)
                    if not piece:
                        return output, True
                    output = (output + piece)[-_KEPT:]
            if process.poll() is not None and not selector.select(0):
                return output, True  # what it has left running holds its output open
