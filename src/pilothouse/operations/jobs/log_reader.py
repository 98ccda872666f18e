"""A job's log by lines, however long: an index of one number a block, lines read from the files when they are looked at."""

from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.jobs.job_logs import Part, list_parts, read_parts
from pilothouse.operations.jobs.jobs import get_job
from pilothouse.operations.services import Services

BLOCK = 1 << 18
"""Bytes between two numbers of the index: a log of 100 MB has 400 of them."""
LINE_LIMIT = 4_096
"""Bytes of a line that are handed out; a longer one is cut."""
_READ_AT_MOST = 8 << 20


@dataclass
class LogReader:
    """One reader's place in a log that only grows. ``refresh`` takes in what was added; it and ``search`` may take a
    moment and belong in a thread, ``read`` is quick."""

    folder: Path
    size: int = 0
    """Bytes taken in so far."""
    _parts: list[Part] = field(default_factory=list)
    _counts: list[int] = field(default_factory=lambda: [0])
    """Line ends before each block."""
    _tail: int = 0
    """Line ends in the last, unfinished block."""
    _ended: bool = True
    """Whether the last byte ends a line."""

    @property
    def lines(self) -> int:
        """Lines so far; a last one without an end counts."""
        return self._counts[-1] + self._tail + (not self._ended)

    def refresh(self) -> bool:
        """Take in what was added; False where nothing was."""
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
        """Lines ``first`` … as text, ``count`` at most; as the processes wrote them: whoever shows them cleans them."""
        if count <= 0 or first >= self.lines:
            return []
        offset, data = self._from(first)
        wanted = min(count, self.lines - first)
        while data.count(b"\n") < wanted and offset + len(data) < self.size and len(data) < _READ_AT_MOST:
            data += self._bytes(offset + len(data), min(BLOCK, self.size - offset - len(data)))
        parts = data.split(b"\n")
        return [part[:LINE_LIMIT].decode("utf-8", "replace") for part in parts[:wanted]]

    def search(self, text: str, start: int, *, forward: bool = True) -> int | None:
        """The next line (the one before) ``start`` that holds ``text``, or None; small and capital letters of ASCII are one."""
        wanted = text.encode("utf-8", "replace").lower()
        if not wanted or not self.lines:
            return None
        numbers = range(len(self._counts)) if forward else range(len(self._counts) - 1, -1, -1)
        for number in numbers:
            if forward and number + 1 < len(self._counts) and self._counts[number + 1] < start:
                continue
            if not forward and self._counts[number] > start:
                continue
            found = self._search_block(wanted, number, start, forward)
            if found is not None:
                return found
        return None

    def _search_block(self, wanted: bytes, number: int, start: int, forward: bool) -> int | None:
        # a match that begins in this block may end in the next
        block = self._bytes(number * BLOCK, BLOCK + len(wanted) - 1).lower()
        at = block.find(wanted) if forward else block.rfind(wanted)
        while 0 <= at < BLOCK:
            line = self._counts[number] + block.count(b"\n", 0, at)
            if (forward and line >= start) or (not forward and line <= start):
                return line
            at = block.find(wanted, at + 1) if forward else block.rfind(wanted, 0, at + len(wanted) - 1)
        return None

    def _bytes(self, offset: int, limit: int) -> bytes:
        return read_parts(self._parts, offset=offset, limit=limit)

    def _from(self, line: int) -> tuple[int, bytes]:
        """The offset at which a line begins, and what was read from there on."""
        number = max(0, bisect_left(self._counts, line) - 1) if line else 0
        offset = number * BLOCK
        data = self._bytes(offset, min(BLOCK, self.size - offset))
        place = 0
        for _ in range(line - self._counts[number]):
            place = data.find(b"\n", place) + 1
        return offset + place, data[place:]


def open_log(services: Services, actor: Actor, number: int) -> LogReader:
    """A reader of a job's log. Raises NotFoundError or NotAllowedError."""
    authorise(services, actor)
    get_job(services, actor, number)
    return LogReader(services.paths.job_folder(number))
