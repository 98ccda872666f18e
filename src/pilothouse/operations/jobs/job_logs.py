"""Log of a job: the output of its processes, one after the other, as one text that can be read from any byte on."""

import codecs
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT = 65_536
LOG_FILE = "log.txt"
_STEP_LIMIT = 4 << 30
"""Most bytes that are read of one step: a program that prints without end must not keep a reader for ever."""


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a log: a heading, or the first ``size`` bytes of a file."""

    size: int
    data: bytes = b""
    file: Path | None = None


def read_steps(folder: Path, *, offset: int, limit: int, ended: bool) -> tuple[str, int]:
    """At most ``limit`` bytes of the log of the job in ``folder`` from ``offset`` on, as text, and the next offset.

    A line with its name precedes each step's output. While the job runs, an incomplete character is left for the next call.
    Bytes that are not UTF-8 become U+FFFD.
    """
    data = read_bytes(folder, offset=max(0, offset), limit=max(1, limit))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=False)
    pending = len(decoder.getstate()[0])
    if pending and ended and pending == len(data):
        return decoder.decode(b"", final=True), offset + len(data)
    return text, max(0, offset) + len(data) - pending


def read_bytes(folder: Path, *, offset: int, limit: int) -> bytes:
    """At most ``limit`` bytes of the log of the job in ``folder``, from ``offset`` on."""
    return read_parts(list_parts(folder), offset=offset, limit=limit)


def read_parts(parts: Sequence[Part], *, offset: int, limit: int) -> bytes:
    """At most ``limit`` bytes of a log from ``offset`` on, given its parts."""
    data = b""
    for part in parts:
        if offset >= part.size:
            offset -= part.size
            continue
        count = min(limit - len(data), part.size - offset)
        data += part.data[offset : offset + count] if part.file is None else _read(part.file, offset, count)
        offset = 0
        if len(data) >= limit:
            break
    return data


def list_parts(folder: Path) -> list[Part]:
    """Parts of a log: headings, and each step's file in its present length."""
    parts: list[Part] = []
    attempts = [entry for entry in _folders(folder) if entry.name.isdecimal()]
    for attempt in sorted(attempts, key=lambda entry: int(entry.name)):
        for step in sorted(_folders(attempt)):
            number, _, name = step.name.partition("-")
            size = _size(step / LOG_FILE) if number.isdecimal() else None
            if size is None:
                continue
            again = f" (attempt {attempt.name})" if int(attempt.name) > 1 else ""
            heading = f"{chr(10) if parts else ''}── {name}{again} ──\n".encode()
            parts.append(Part(len(heading), heading))
            parts.append(Part(min(size, _STEP_LIMIT), file=step / LOG_FILE))
    return parts


def _folders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return []


def _size(file: Path) -> int | None:
    """Size of a regular file, else None: the step's process owns its folder and may put a link or a pipe there."""
    try:
        facts = file.lstat()
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def _read(file: Path, offset: int, count: int) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, count, offset) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)
