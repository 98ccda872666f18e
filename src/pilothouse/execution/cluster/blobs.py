"""Files that a worker was sent, by digest: inputs that several steps share travel once."""

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.identifiers import check_digest

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the operating system that mean a full disk."""


@dataclass
class _Incoming:
    path: Path
    size: int
    written: int = 0
    hashed: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        """Put a part behind what came before, where a try that found no room may have left half of it."""
        with self.path.open("r+b" if self.written else "wb") as file:
            file.seek(self.written)
            file.truncate()
            file.write(data)
        self.written += len(data)
        self.hashed.update(data)


class Blobs:
    """Files below a folder of its own, read-only, each under its digest. May be called from any thread.

    A file is in use while an attempt is named for it (``hold``), or has it under a name of its own: those are never removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._incoming: dict[tuple[str, str], _Incoming] = {}
        self._held: dict[str, Sequence[str]] = {}
        self._has_grown = True

    def hold(self, holder: str, digests: Sequence[str]) -> None:
        """Keep files, those that are here and those that come, until ``let_go``."""
        with self._lock:
            self._held[holder] = digests

    def let_go(self, holder: str) -> None:
        """End what ``hold`` began, and remove what the holder has begun to send and not ended."""
        with self._lock:
            self._held.pop(holder, None)
            for key in [key for key in self._incoming if key[0] == holder]:
                self._incoming.pop(key).path.unlink(missing_ok=True)

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that are not here. Those that are count as used."""
        absent = []
        for digest in digests:
            try:
                os.utime(self._path_of(digest))
            except OSError:
                absent.append(digest)
        return absent

    def add_part(self, sender: str, digest: str, data: bytes, size: int) -> None:
        """Take the next part of a file of ``size`` bytes from a sender. Raises IntegrityError where it is another file, OSError
        where the disk is full even without the files that nobody uses."""
        key = sender, check_digest(digest)
        with self._lock:
            if key not in self._incoming:
                self._incoming[key] = _Incoming(self._folder / f".in-{sender}-{digest}", size)
            incoming = self._incoming[key]
            try:
                incoming.write(data)
            except OSError as error:
                if error.errno not in NO_ROOM or not self.make_room(0):
                    raise
                incoming.write(data)
            if incoming.written < size:
                return
            del self._incoming[key]
            self._has_grown = True
            if incoming.written > size or incoming.hashed.hexdigest() != digest:
                incoming.path.unlink()
                raise IntegrityError(
                    f"a file of digest {digest} arrived as another one: it changed on its way"
                )
            incoming.path.chmod(0o444)
            incoming.path.replace(self._path_of(digest))

    def link(self, digest: str, path: Path) -> None:
        """Show a file at a path of the same file system. Raises OSError."""
        os.link(self._path_of(digest), path)

    def make_room(self, most_bytes: int) -> int:
        """Remove files that nobody uses, those first that have not been used for longest, until the store holds no more than
        that. Returns the bytes that were removed."""
        with self._lock:
            if most_bytes and not self._has_grown:
                return 0
            self._has_grown = False
            kept = []
            held = {digest for digests in self._held.values() for digest in digests}
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):
                    facts = path.stat()
                    kept.append((facts.st_mtime_ns, facts.st_size, facts.st_nlink, path))
            total = sum(size for _, size, _, _ in kept)
            removed = 0
            for _, size, links, path in sorted(kept):
                if total - removed <= most_bytes:
                    break
                if links == 1 and path.name not in held and not path.name.startswith("."):
                    path.unlink(missing_ok=True)
                    removed += size
            return removed

    def _path_of(self, digest: str) -> Path:
        return self._folder / check_digest(digest)
