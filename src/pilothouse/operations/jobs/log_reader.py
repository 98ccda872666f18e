"""A job's log by lines, however long: an index of one number a block; lines are read from the files on demand."""

from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.jobs.job_logs import Part, list_parts, read_parts
from pilothouse.operations.jobs.jobs import get_job
from pilothouse.operations.services import Services

BLOCK = 1 << 18
"""Bytes between two numbers of the index; 400 numbers for a log of 100 MB."""
LINE_LIMIT = 4_096
"""Bytes of a line that are returned; a longer line is cut."""
_READ_AT_MOST = 8 << 20


@dataclass
class LogReader:
    """Reader of a log that only grows. ``refresh`` and ``search`` may take long and belong in a thread; ``read`` is quick."""

    folder: Path
    size: int = 0
    """Bytes indexed so far."""
    _parts: list[Part] = field(default_factory=list)
    _counts: list[int] = field(default_factory=lambda: [0])
    """Line ends before each block."""
    _tail: int = 0
    """Line ends in the last, unfinished block."""
    _ended: bool = True
    """True where the last byte ends a line."""

    @property
    def lines(self) -> int:
        """Number of lines so far, with a last line that has no end yet."""
        return self._counts[-1] + self._tail + (not self._ended)

    def refresh(self) -> bool:
        """Index the bytes added since; False where there are none."""
        before = self.size
        self._parts = list_parts(self.folder)
        while True:
            start = (len(self._counts) - 1) * BLOCK
            block = self._bytes(start, BLOCK)
            if len(block) == BLOCK:
                self._counts.append(self._counts[-1] + block.count(b"\n"))
                self.size, self._tail, self._ended = start + BLOCK, 0, block.endswith(b"\n")
                continue
            if block or start == self.size:
                self.size = start + len(block)
                self._tail = block.count(b"\n")
                self._ended = block.endswith(b"\n") if block else self._ended
            return self.size != before

    def read(self, first: int, count: int) -> list[str]:
        """At most ``count`` lines from ``first`` on, as the processes wrote them; the caller has to clean them."""
        if count <= 0 or first >= self.lines:
            return []
        offset, data = self._from(first)
        number = min(count, self.lines - first)
        while data.count(b"\n") < number and offset + len(data) < self.size and len(data) < _READ_AT_MOST:
            data += self._bytes(offset + len(data), min(BLOCK, self.size - offset - len(data)))
        parts = data.split(b"\n")
        return [part[:LINE_LIMIT].decode("utf-8", "replace") for part in parts[:number]]

    def search(self, text: str, start: int, *, forward: bool = True) -> int | None:
        """The next line from ``start`` on, or backwards, that holds ``text``, or None; the case of ASCII letters is ignored."""
        needle = text.encode("utf-8", "replace").lower()
        if not needle or not self.lines:
            return None
        numbers = range(len(self._counts)) if forward else range(len(self._counts) - 1, -1, -1)
        for number in numbers:
            if forward and number + 1 < len(self._counts) and self._counts[number + 1] < start:
                continue
            if not forward and self._counts[number] > start:
                continue
            line = self._search_block(needle, number, start, forward)
            if line is not None:
                return line
        return None

    def _search_block(self, needle: bytes, number: int, start: int, forward: bool) -> int | None:
        # A match that begins in this block may end in the next.
        block = self._bytes(number * BLOCK, BLOCK + len(needle) - 1).lower()
        at = block.find(needle) if forward else block.rfind(needle)
        while 0 <= at < BLOCK:
            line = self._counts[number] + block.count(b"\n", 0, at)
            if (forward and line >= start) or (not forward and line <= start):
                return line
            at = block.find(needle, at + 1) if forward else block.rfind(needle, 0, at + len(needle) - 1)
        return None

    def _bytes(self, offset: int, limit: int) -> bytes:
        return read_parts(self._parts, offset=offset, limit=limit)

    def _from(self, line: int) -> tuple[int, bytes]:
        """Offset at which a line begins, and the bytes read from there on."""
        number = max(0, bisect_left(self._counts, line) - 1) if line else 0
        offset = number * BLOCK
        data = self._bytes(offset, min(BLOCK, self.size - offset))
        start = 0
        for _ in range(line - self._counts[number]):
            start = data.find(b"\n", start) + 1
        return offset + start, data[start:]


def open_log(services: Services, actor: Actor, number: int) -> LogReader:
    """A reader of a job's log. Raises NotFoundError or NotAllowedError."""
    get_job(services, actor, number)
    return LogReader(services.paths.job_folder(number))
