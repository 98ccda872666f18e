"""An attempt of a step on a worker, and what it has left in its folder."""

import os
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.execution.cluster.contract import CARRIED_BYTES, READ_BYTES, TAILED, CarriedFile, Digests


@dataclass
class Attempt:
    """An attempt of a step on this worker."""

    folder: Path
    digests: list[str]
    memory_mb: int
    store_mb: int
    topic: str
    heard_at: float = field(default_factory=time.monotonic)
    go: threading.Event = field(default_factory=threading.Event)
    cancel: threading.Event = field(default_factory=threading.Event)
    key: str = ""
    """Name of its task in the cluster."""
    fence: str = ""
    """Why nobody waits for it any more: its result is dropped."""
    ended: bool = False
    is_whole: bool = False
    """Its report has all of it: nobody will ask for more."""
    had: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TAILED, 0))
    """Bytes of the files of ``TAILED`` that whoever asks has for certain."""
    told: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TAILED, 0))
    """Sizes of these files of which it was told."""

    def has_news(self) -> bool:
        """True where more was appended to a file than was told of, which it is from now on."""
        sizes = {}
        for name in TAILED:
            try:
                sizes[name] = os.lstat(self.folder / "own" / name).st_size
            except OSError:
                sizes[name] = 0
        before, self.told = self.told, sizes
        return before != sizes


@dataclass
class Left:
    """What a report says of an attempt's folder; see there."""

    result: dict[str, Any] | None = None
    outputs: dict[str, CarriedFile] = field(default_factory=dict)
    carried: dict[str, str] = field(default_factory=dict)
    tails: dict[str, tuple[int, str]] = field(default_factory=dict)
    is_whole: bool = True


def left_by(attempt: Attempt, folder: Path, result: StepResult | None) -> Left:
    """What an attempt has left in its folder. Raises OSError."""
    left = Left()
    for name, offset in attempt.had.items():
        data = read_part(folder / name, offset)
        left.is_whole = left.is_whole and len(data) < READ_BYTES
        left.tails[name] = offset, b64encode(data).decode()
    if result is None:
        return left
    digests, room = Digests(), CARRIED_BYTES
    for name, path in result.outputs.items():
        (file,) = digests.of_input(Path(path)).files
        relative = Path(path).relative_to(folder.resolve()).as_posix()
        left.outputs[name] = CarriedFile(relative, file.digest, file.size)
        if file.size <= room:
            room -= file.size
            left.carried[file.digest] = b64encode(read_part(folder / relative, 0, file.size)).decode()
        else:
            left.is_whole = False
    left.result = {
        "ok": result.ok,
        "record": result.record,
        # places on this machine mean nothing where the message is read: rows/part.parquet
        "error": result.error.replace(f"{folder.parent}/in/", ""),
        "cause": result.cause,
    }
    return left


def read_part(path: Path, offset: int, most: int = READ_BYTES) -> bytes:
    """Part of a file of a step, which is untrusted: no link is followed, nothing is waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, most, offset)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
