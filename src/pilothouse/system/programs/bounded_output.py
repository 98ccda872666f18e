"""What a program prints, within bounds of time and size; its messages apart. It has no terminal and no input."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

_KEPT = 4_096
"""Bytes of the end of its messages that are kept."""
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Output:
    """How it ended. ``code`` None: it was ended, because of ``ended``."""

    code: int | None
    out: bytes
    messages: str
    ended: str = ""

    @property
    def said(self) -> str:
        """The last line of its messages; empty where there is none."""
        lines = [line.strip() for line in self.messages.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def output_of(command: Sequence[str], *, timeout_s: float, most: int) -> Output:
    """Run a program in a session of its own until it ends, has printed more than ``most`` bytes, or ``timeout_s`` has passed;
    then it is ended with all that it has started. Raises OSError where it cannot be started."""
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    printed, messages, ended = bytearray(), b"", ""
    deadline = time.monotonic() + timeout_s
    try:
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map() and not ended:
                for key, _ in selector.select(_LOOK_EVERY_S):
                    piece = _read(key.fileobj)  # type: ignore[arg-type]
                    if not piece:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stdout:
                        printed += piece
                    else:
                        messages = (messages + piece)[-_KEPT:]
                if len(printed) > most:
                    ended = f"it printed more than {most:,} bytes"
                elif time.monotonic() > deadline:
                    ended = f"it did not end within {timeout_s:.0f} s"
        if not ended:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:  # it has closed its output, and goes on
                ended = f"it did not end within {timeout_s:.0f} s"
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()
    code = None if ended else process.returncode
    return Output(code, bytes(printed), messages.decode("utf-8", "replace"), ended)


def _read(stream: IO[bytes]) -> bytes:
    return os.read(stream.fileno(), 65_536)
