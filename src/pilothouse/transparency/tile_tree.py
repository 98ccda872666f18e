"""Hashes of subtrees from published tiles, each file read once. Tiles are not believed: proofs made of them are checked."""

from collections.abc import Callable

from pilothouse.domain.errors import IntegrityError, NotFoundError
from pilothouse.transparency import merkle
from pilothouse.transparency.merkle import HASH_BYTES
from pilothouse.transparency.tiles import HEIGHT, WIDTH, Tile

LONGEST_TILE = WIDTH * HASH_BYTES


class TileTree:
    """Tree of ``size`` leaves. ``read`` gives a file by its path and raises NotFoundError where there is none."""

    def __init__(self, size: int, read: Callable[[str], bytes]) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], bytes] = {}

    def subtree(self, level: int, place: int) -> bytes:
        """Hash of the ``place``-th run of ``2**level`` leaves. Raises NotFoundError or IntegrityError."""
        tile_level, height = divmod(level, HEIGHT)
        first = place << height
        data = self._tile(tile_level, first // WIDTH)
        begin, count = first % WIDTH, 1 << height
        hashes = [data[HASH_BYTES * i : HASH_BYTES * (i + 1)] for i in range(begin, begin + count)]
        if any(len(one) != HASH_BYTES for one in hashes):
            raise IntegrityError(f"tile {tile_level}/{first // WIDTH} has too few hashes")
        return merkle.fold(hashes)

    def _tile(self, level: int, place: int) -> bytes:
        key = (level, place)
        if key not in self._tiles:
            there = (self._size >> (HEIGHT * level)) - place * WIDTH
            width = max(1, min(WIDTH, there))
            try:
                self._tiles[key] = self._read(Tile(level, place, width).path)
            except NotFoundError:  # a tile that has become full since takes the place of its parts
                if width == WIDTH:
                    raise
                self._tiles[key] = self._read(Tile(level, place, WIDTH).path)
        return self._tiles[key]
