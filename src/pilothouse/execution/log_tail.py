"""Last line of a step's log that matters: why its process died."""

import os
import re
import stat
from pathlib import Path

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.execution.step_process import LOG_FILE

_TAIL = 1 << 16
"""Bytes at a log's end that are read."""
_LONGEST = 300
"""Characters of a message."""
_FATAL = re.compile(r"^Fatal Python error: (.+)$")
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?: in (.+))?$')


def last_message(folder: Path) -> str:
    """Last message of a step's log in one line; empty where there is none. The log is untrusted: no link is followed, and
    only its end is read.

    Of a crash that faulthandler reported it is the cause and the innermost line of Python; else the last line of all,
    which for an exception is the exception.
    """
    lines = [
        line.rstrip()
        for line in _tail(folder / LOG_FILE).decode("utf-8", "replace").splitlines()
        if line.strip()
    ]
    fatal = next((i for i in range(len(lines) - 1, -1, -1) if _FATAL.match(lines[i])), None)
    if fatal is None:
        return one_line(lines[-1], _LONGEST) if lines else ""
    cause = _FATAL.match(lines[fatal])
    assert cause is not None
    frame = next((match for line in lines[fatal + 1 :] if (match := _FRAME.match(line))), None)
    where = f" in {Path(frame[1]).name} line {frame[2]}" if frame else ""
    return one_line(f"{cause[1]}{where}", _LONGEST)


def _tail(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        facts = os.fstat(descriptor)
        return (
            os.pread(descriptor, _TAIL, max(0, facts.st_size - _TAIL)) if stat.S_ISREG(facts.st_mode) else b""
        )
    finally:
        os.close(descriptor)
