"""Files of versions on this machine: only below folders that the operator named, whatever a record says.

A record of a tracking server is text that others wrote. A location that leads elsewhere, by its path or by a link, is refused:
else an import would read any file that its user may read, for everybody who may look at it.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.foreign.source import Chunks, FoundFile

_CHUNK = 1 << 20
MOST_FILES = 1_000
DEEPEST = 8
_ROOTS = ("mlruns", "mlartifacts")


class FileRoots:
    """Folders below which files may be read: ``mlruns`` and ``mlartifacts`` beside the database, which is where MLflow keeps
    its files, and those that the operator names. What else lies in that folder, perhaps a home, is nobody's artifact: which
    folders a record names is up to whoever may write to the tracking server."""

    def __init__(self, home: Path, named: Sequence[Path]) -> None:
        self._home = home.resolve()
        self._named = [folder.resolve() for folder in named]
        beside = [(self._home / name).resolve() for name in _ROOTS]
        self._roots = [*(root for root in beside if root.is_relative_to(self._home)), *self._named]

    def files(self, location: str) -> Iterator[FoundFile]:
        """Files below a location. Raises NotFoundError or UnavailableError."""
        folder = self._folder(location)
        yield from _below(folder, folder, 0, [MOST_FILES])

    def _folder(self, location: str) -> Path:
        for candidate in self._candidates(location):
            try:
                found = candidate.resolve()
            except (OSError, RuntimeError, ValueError):
                continue
            if found.is_dir() and any(found.is_relative_to(root) for root in self._roots):
                return found
        raise NotFoundError(
            f"{safe(location, 200)!r} is no folder below {' or '.join(_ROOTS)} beside the database: name the one that its "
            "files lie in with --artifacts"
        )

    def _candidates(self, location: str) -> Iterator[Path]:
        parts = urlsplit(location)
        if parts.scheme not in ("", "file", "mlflow-artifacts"):
            raise UnavailableError(
                f"its files are in {safe(parts.scheme, 20)}, which is not read: copy them to --artifacts"
            )
        path = unquote(parts.path) if parts.scheme else location
        if "\x00" in path:
            return
        if parts.scheme == "mlflow-artifacts":
            below = path.lstrip("/")
            yield from (root / below for root in self._named)
            yield from (self._home / name / below for name in _ROOTS)
            return
        yield self._home / path  # an absolute path stays itself
        steps = Path(path).parts
        for name in _ROOTS:  # a store that was moved together with its files
            if name in steps:
                rest = steps[len(steps) - steps[::-1].index(name) :]
                yield self._home.joinpath(name, *rest)
                yield from (root.joinpath(*rest) for root in self._named)


def _below(root: Path, folder: Path, depth: int, left: list[int]) -> Iterator[FoundFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UnavailableError(f"{safe(str(folder), 200)} cannot be read: {error.strerror}") from None
    for entry in entries:
        if entry.is_symlink():
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if depth < DEEPEST:
                yield from _below(root, path, depth + 1, left)
        elif entry.is_file(follow_symlinks=False) and left[0] > 0:
            left[0] -= 1
            name = path.relative_to(root).as_posix()
            size = entry.stat(follow_symlinks=False).st_size
            yield FoundFile(name, size, lambda path=path: _chunks(path))  # type: ignore[misc]


def _chunks(path: Path) -> Chunks:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnavailableError(f"{safe(str(path), 200)} cannot be read: {error.strerror}") from None
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise UnavailableError(f"{safe(str(path), 200)} is no file")
        while chunk := stream.read(_CHUNK):
            yield chunk
