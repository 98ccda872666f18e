"""Artifacts out of the hub: read from the file while they are sent, by few readers at once, so that a slow one holds neither
memory nor a thread."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO, Any, TypeVar

from pilothouse.artifacts import ArtifactStore
from pilothouse.serving.web.http import HttpError, Streamed

_CHUNK = 256 << 10
_LEAST_BYTES_A_SECOND = 16 << 10
_GRACE_S = 60.0
"""A reader has this long, and a second more for each ``_LEAST_BYTES_A_SECOND``."""
_T = TypeVar("_T")

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class ArtifactAnswers:
    """Artifacts on their way out of one door, of whose loop all calls are. ``each``: of one target at once."""

    def __init__(self, store: ArtifactStore, in_thread: InThread, *, most: int, each: int) -> None:
        self._store, self._in_thread = store, in_thread
        self._most, self._each = most, each
        self._readers: Counter[str] = Counter()

    async def of(self, target: str, digest: str) -> Streamed:
        """Answer with an artifact, whose bytes were compared with its digest. Raises HttpError where too many are read, and
        what the store raises."""
        if self._readers[target] >= self._each or self._readers.total() >= self._most:
            raise HttpError(503, "other artifacts are being read; try again", {"retry-after": "2"})
        self._readers[target] += 1
        try:
            file, size = await self._in_thread(lambda: self._store.open_verified(digest))
        except BaseException:  # a cancelled request too: its place is free again, and the error goes on
            self._leave(target)
            raise
        return Streamed(size, self._chunks(file, size), lambda: self._end(target, file))

    async def _chunks(self, file: IO[bytes], size: int) -> AsyncIterator[bytes]:
        deadline = time.monotonic() + _GRACE_S + size / _LEAST_BYTES_A_SECOND
        left = size
        while left and time.monotonic() < deadline:
            chunk = await self._in_thread(lambda: file.read(min(_CHUNK, left)))  # noqa: B023 - called at once
            if not chunk:
                return
            left -= len(chunk)
            yield chunk

    def _end(self, target: str, file: IO[bytes]) -> None:
        file.close()
        self._leave(target)

    def _leave(self, target: str) -> None:
        self._readers[target] -= 1
        if not self._readers[target]:
            del self._readers[target]
