"""The log's tree computed again from all its rows, with the roots at the sizes that heads are of."""

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
        for start in range(0, len(entries), WIDTH):
            leaves = [merkle.leaf_hash(one) for one in entries[start : start + WIDTH]]
            place = self.size // WIDTH
            while self._asked and self._asked[-1] < self.size + len(leaves):
                self._note(self._asked.pop(), leaves)
            if len(leaves) < WIDTH:
                self._note_end(leaves)
                self.size += len(leaves)
                break
            whole = merkle.fold(leaves)
            if on_record.get(place, whole) != whole:
                self._wrong.append((self.size + 1, self.size + WIDTH))
            self.size += WIDTH
            self._push(whole)
            if self._asked and self._asked[-1] == self.size:
                self._note(self._asked.pop(), [])
        return self._wrong

    def _note(self, size: int, leaves: Sequence[bytes]) -> None:
        part = leaves[: size - self.size]
        peaks = [one for _, one in self._peaks] + ([merkle.fold(part)] if part else [])
        self.roots[size] = merkle.join(peaks)

    def _note_end(self, leaves: Sequence[bytes]) -> None:
        if self._asked and self._asked[-1] == self.size + len(leaves):
            self._note(self._asked.pop(), leaves)

    def _push(self, whole: bytes) -> None:
        level = HEIGHT
        while self._peaks and self._peaks[-1][0] == level:
            whole = merkle.node_hash(self._peaks.pop()[1], whole)
            level += 1
            if self._larger.get((level, (self.size >> level) - 1), whole) != whole:
                self._wrong.append((self.size - (1 << level) + 1, self.size))
        self._peaks.append((level, whole))
