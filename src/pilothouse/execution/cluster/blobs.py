"""Files that a worker was sent, by digest: inputs that several steps share travel once."""

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.identifiers import check_digest

_MOST_BYTES = 20 << 30
"""Bytes that are kept for later steps at most."""
_YOUNG_S = 600.0
"""Seconds for which a file is kept whatever its size: a step may be about to take it."""


@dataclass
class _Incoming:
    path: Path
    size: int
    hashed: Any = field(default_factory=hashlib.sha256)


class Blobs:
    """Files below a folder of its own, read-only, each under its digest. Called from one thread but for ``link``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._incoming: dict[tuple[str, str], _Incoming] = {}

    def missing(self, digests: list[str]) -> list[str]:
        """Those that are not here. Those that are count as used."""
        absent = []
        for digest in digests:
            try:
                os.utime(self._path_of(digest))
            except OSError:
                absent.append(digest)
        return absent

    def add_part(self, sender: str, digest: str, data: bytes, size: int) -> None:
        """Take the next part of a file of ``size`` bytes from a sender. Raises IntegrityError where it is another file."""
        key = sender, check_digest(digest)
        if key not in self._incoming:
            self._incoming[key] = _Incoming(self._folder / f".in-{sender}-{digest}", size)
        incoming = self._incoming[key]
        with incoming.path.open("ab") as file:
            file.write(data)
            written = file.tell()
        incoming.hashed.update(data)
        if written < size:
            return
        del self._incoming[key]
        if written > size or incoming.hashed.hexdigest() != digest:
            incoming.path.unlink()
            raise IntegrityError(f"a file of digest {digest} arrived as another one: it changed on its way")
        incoming.path.chmod(0o444)
        incoming.path.replace(self._path_of(digest))

    def forget_sender(self, sender: str) -> None:
        """Remove what a sender has begun and not ended."""
        for key in [key for key in self._incoming if key[0] == sender]:
            self._incoming.pop(key).path.unlink(missing_ok=True)

    def link(self, digest: str, path: Path) -> None:
        """Show a file at a path of the same file system. Raises OSError."""
        os.link(self._path_of(digest), path)

    def make_room(self) -> None:
        """Remove the files that have not been used for longest while there are too many; none that a step has just now."""
        kept = []
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                facts = path.stat()
                kept.append((facts.st_mtime, facts.st_size, facts.st_nlink, path))
        total = sum(size for _, size, _, _ in kept)
        for used_at, size, links, path in sorted(kept):
            if total <= _MOST_BYTES:
                return
            if links == 1 and time.time() - used_at > _YOUNG_S:
                path.unlink(missing_ok=True)
                total -= size

    def _path_of(self, digest: str) -> Path:
        return self._folder / check_digest(digest)
