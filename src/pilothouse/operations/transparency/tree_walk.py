"""The log's tree computed again from all its rows, with the roots at the sizes that heads are of."""

import hashlib
from collections.abc import Mapping, Sequence

from pilothouse.transparency import merkle
from pilothouse.transparency.tiles import HEIGHT, WIDTH


class Walk:
    """Walk over the entries in their order. ``size``: how many were taken; ``roots``: by size, where they were asked for."""

    def __init__(self, sizes: set[int], larger: Mapping[tuple[int, int], bytes]) -> None:
        """``larger``: hashes on record of larger subtrees, by level and place."""
        self.size = 0
        self.roots: dict[int, bytes] = {}
        self._asked = sorted(sizes, reverse=True)
        self._peaks: list[tuple[int, bytes]] = []
        self._larger = larger
        self._wrong: list[tuple[int, int]] = []

    def take(self, entries: Sequence[bytes], on_record: Mapping[int, bytes]) -> list[tuple[int, int]]:
        """Take the next entries, whole runs of 256 but for the last time; returns the first and the last row of each subtree
        whose hash on record is another (``on_record`` has those of 256 rows, by place)."""
        self._wrong = []
        sha256 = hashlib.sha256
        for start in range(0, len(entries), WIDTH):
            leaves = [sha256(b"\x00" + one).digest() for one in entries[start : start + WIDTH]]
            levels = merkle.levels(leaves)
            while self._asked and self._asked[-1] <= self.size + len(leaves):
                size = self._asked.pop()
                self.roots[size] = self._root(levels, size - self.size)
            place = self.size // WIDTH
            self.size += len(leaves)
            if len(leaves) == WIDTH:
                (whole,) = levels[HEIGHT]
                if on_record.get(place, whole) != whole:
                    self._wrong.append((self.size - WIDTH + 1, self.size))
                self._push(whole)
        return self._wrong

    def _root(self, levels: Sequence[Sequence[bytes]], count: int) -> bytes:
        """Root with the first ``count`` leaves of the run whose complete subtrees these are."""
        peaks = [one for _, one in self._peaks]
        start = 0
        while start < count:
            level = (count - start).bit_length() - 1
            peaks.append(levels[level][start >> level])
            start += 1 << level
        return merkle.join(peaks)

    def _push(self, whole: bytes) -> None:
        level = HEIGHT
        while self._peaks and self._peaks[-1][0] == level:
            whole = merkle.node_hash(self._peaks.pop()[1], whole)
            level += 1
            if self._larger.get((level, (self.size >> level) - 1), whole) != whole:
                self._wrong.append((self.size - (1 << level) + 1, self.size))
        self._peaks.append((level, whole))
