"""Merkle tree of the audit log: its leaves are the hashes of the rows, and hashes of complete subtrees are on record."""

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Connection, Progress
from pilothouse.transparency import merkle
from pilothouse.transparency.tiles import HEIGHT, WIDTH

_TOLD_EVERY = 32
"""Subtrees of 256 rows after which it is told how far the tree is: a hundred times a million rows."""


def entry(row_hash: str) -> bytes:
    """Entry of the log for a row: the bytes of its hash. One that somebody has written over is no hash, and counts as its
    text."""
    try:
        return bytes.fromhex(row_hash)
    except ValueError:
        return row_hash.encode()


def grow(connection: Connection, before: int, after: int, progress: Progress | None = None) -> None:
    """Put the subtrees on record that are complete with the rows up to ``after``, in the transaction that added those after
    ``before``. Where a row is missing it stops, and the verification says so: no change waits for it. ``progress`` is told now
    and then how many rows of how many are in the tree."""
    if before // WIDTH == after // WIDTH:
        return
    level = HEIGHT
    while complete := after >> level:
        newest = connection.execute(
            "SELECT max(place) FROM main.log_subtrees WHERE level = ?", (level,)
        ).fetchone()[0]
        first = -1 if newest is None else newest
        for place in range(first + 1, complete):
            below = _below(connection, level, place)
            if len(below) != WIDTH:
                return
            connection.execute(
                "INSERT INTO main.log_subtrees VALUES (?, ?, ?)", (level, place, merkle.fold(below))
            )
            if progress is not None and level == HEIGHT and place % _TOLD_EVERY == 0:
                progress(place << HEIGHT, after)
        level += HEIGHT


def _below(connection: Connection, level: int, place: int) -> list[bytes]:
    first = place * WIDTH
    if level == HEIGHT:
        return leaves(connection, first, WIDTH, "main.audit")
    rows = connection.execute(
        "SELECT hash FROM main.log_subtrees WHERE level = ? AND place >= ? AND place < ? ORDER BY place",
        (level - HEIGHT, first, first + WIDTH),
    )
    return [row[0] for row in rows]


def leaves(connection: Connection, after: int, limit: int, table: str = "audit") -> list[bytes]:
    """Hashes of the leaves of the rows after one, as far as none is missing."""
    return [merkle.leaf_hash(one) for one in entries(connection, after, limit, table)]


def entries(connection: Connection, after: int, limit: int, table: str = "audit") -> list[bytes]:
    """Entries of the rows after one, as far as none is missing."""
    rows = connection.execute(
        f"SELECT seq, hash FROM {table} WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - ours
        (after, limit),
    )
    found = [tuple(row) for row in rows]
    while found and found[-1][0] != after + len(found):  # a row is missing
        found.pop()
    return [entry(row_hash) for _, row_hash in found]


class Tree:
    """Tree of the log in one read. What was read of it is kept for its next proof."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def subtree(self, level: int, place: int) -> bytes:
        """Hash of a complete subtree. Raises IntegrityError where rows of it are missing."""
        base = level - level % HEIGHT
        first, width = place << (level - base), 1 << (level - base)
        tile = self._tile(base, first // WIDTH)
        found = tile[first % WIDTH :][:width]
        if len(found) < width:
            if base == 0:
                raise IntegrityError(
                    f"audit row {first + len(found) + 1} is missing: pilothouse audit verify says where the log ends"
                )
            found = [self.subtree_of_rows(base, first + i) for i in range(width)]
        return merkle.fold(found)

    def subtree_of_rows(self, level: int, place: int) -> bytes:
        """Hash of a subtree whose hash is not on record, from what is below it."""
        return merkle.fold([self.subtree(level - HEIGHT, place * WIDTH + i) for i in range(WIDTH)])

    def hashes(self, tile_level: int, place: int, width: int) -> list[bytes]:
        """Hashes of a tile, which are not kept: all tiles together may be large."""
        found = self._read(HEIGHT * tile_level, place)[:width]
        return [
            *found,
            *(self.subtree(HEIGHT * tile_level, place * WIDTH + i) for i in range(len(found), width)),
        ]

    def root(self, size: int) -> bytes:
        """Root of the first ``size`` rows."""
        return merkle.root(size, self.subtree)

    def _tile(self, level: int, place: int) -> list[bytes]:
        key = (level, place)
        if key not in self._tiles:
            self._tiles[key] = self._read(level, place)
        return self._tiles[key]

    def _read(self, level: int, place: int) -> list[bytes]:
        first = place * WIDTH
        if level == 0:
            return leaves(self._connection, first, WIDTH)
        rows = self._connection.execute(
            "SELECT place, hash FROM log_subtrees WHERE level = ? AND place >= ? ORDER BY place LIMIT ?",
            (level, first, WIDTH),
        )
        found = []
        for expected, row in enumerate(rows, first):
            if row[0] != expected:
                break
            found.append(row[1])
        return found


def on_record(connection: Connection, after: int, count: int) -> dict[int, bytes]:
    """Hashes on record of the runs of 256 rows among those after one, by place."""
    rows = connection.execute(
        "SELECT place, hash FROM log_subtrees WHERE level = ? AND place >= ? AND place < ?",
        (HEIGHT, after // WIDTH, (after + count) // WIDTH),
    )
    return {row[0]: row[1] for row in rows}


def larger_on_record(connection: Connection) -> dict[tuple[int, int], bytes]:
    """Hashes on record of larger subtrees, by level and place."""
    rows = connection.execute("SELECT level, place, hash FROM log_subtrees WHERE level > ?", (HEIGHT,))
    return {(row[0], row[1]): row[2] for row in rows}
