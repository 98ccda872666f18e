"""The log of a job: what its processes printed, one after the other, as one text that can be read from any byte on."""

import codecs
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT = 65_536
LOG_FILE = "log.txt"
_STEP_LIMIT = 4 << 30
"""Of one step no more is read: a program that prints without end keeps no reader for ever. Each call has its own limit."""


@dataclass(frozen=True, slots=True)
class Part:
    """A heading, or a file's first ``size`` bytes."""

    size: int
    data: bytes = b""
    file: Path | None = None


def read_steps(folder: Path, *, offset: int, limit: int, ended: bool) -> tuple[str, int]:
    """At most ``limit`` bytes of the log of the job in ``folder`` from ``offset`` on, as text, and the next offset.

    Each step's part follows a line with its name. While the job runs, a character that is not complete yet is left for
    the next call. Bytes that are no UTF-8 become U+FFFD.
    """
    data = read_bytes(folder, offset=max(0, offset), limit=max(1, limit))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=False)
    pending = len(decoder.getstate()[0])
    if pending and ended and pending == len(data):
        return decoder.decode(b"", final=True), offset + len(data)
    return text, max(0, offset) + len(data) - pending


def read_bytes(folder: Path, *, offset: int, limit: int) -> bytes:
    """The same as bytes, cut wherever the limit falls."""
    return read_parts(list_parts(folder), offset=offset, limit=limit)


def read_parts(parts: Sequence[Part], *, offset: int, limit: int) -> bytes:
    """The same of parts that were listed already."""
    gathered = b""
    for part in parts:
        if offset >= part.size:
            offset -= part.size
            continue
        wanted = min(limit - len(gathered), part.size - offset)
        gathered += (
            part.data[offset : offset + wanted] if part.file is None else _read(part.file, offset, wanted)
        )
        offset = 0
        if len(gathered) >= limit:
            break
    return gathered


def list_parts(folder: Path) -> list[Part]:
    """What a log is made of now: headings, and each step's file as long as it is."""
    return list(_parts(folder))


def _parts(folder: Path) -> Iterator[Part]:
    first = True
    for attempt in sorted(
        (entry for entry in _folders(folder) if entry.name.isdecimal()), key=lambda e: int(e.name)
    ):
        for step in sorted(_folders(attempt)):
            number, _, name = step.name.partition("-")
            size = _size(step / LOG_FILE) if number.isdecimal() else None
            if size is None:
                continue
            again = f" (attempt {attempt.name})" if int(attempt.name) > 1 else ""
            heading = f"{'' if first else chr(10)}── {name}{again} ──\n".encode()
            first = False
            yield Part(len(heading), heading)
            yield Part(min(size, _STEP_LIMIT), file=step / LOG_FILE)


def _folders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return []


def _size(file: Path) -> int | None:
    """None for anything but a regular file: the step's process owns its folder and may put a link or a pipe there."""
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
