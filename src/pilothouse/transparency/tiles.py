"""Tiles of a log (c2sp.org/tlog-tiles): files that any web server gives, from which anybody computes any proof."""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pilothouse.domain.errors import InvalidInputError

WIDTH, HEIGHT = 256, 8
"""Hashes of a full tile, and the levels of the tree that it spans."""


class Tile(NamedTuple):
    """Tile ``place`` of a level of tiles; ``width`` hashes of it are there."""

    level: int
    place: int
    width: int

    @property
    def path(self) -> str:
        """Path of its hashes."""
        return f"tile/{self.level}/{_place(self.place)}{self._part}"

    @property
    def bundle_path(self) -> str:
        """Path of the entries under a tile of level 0."""
        return f"tile/entries/{_place(self.place)}{self._part}"

    @property
    def _part(self) -> str:
        return "" if self.width == WIDTH else f".p/{self.width}"


def _place(number: int) -> str:
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03d}")
    return "/".join(reversed(parts))


def tiles_of(size: int, already: int = 0) -> Iterator[Tile]:
    """Tiles of a tree of ``size`` leaves, but for the full ones that a tree of ``already`` leaves had too."""
    level = 0
    while count := size >> (HEIGHT * level):
        first = (already >> (HEIGHT * level)) // WIDTH
        for place in range(first, count // WIDTH):
            yield Tile(level, place, WIDTH)
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)
        level += 1


def bundle(entries: Sequence[bytes]) -> bytes:
    """Bundle of entries, each behind its length."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def parse_bundle(data: bytes) -> list[bytes]:
    """Entries of a bundle. Raises InvalidInputError."""
    entries, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            raise InvalidInputError("the bundle of entries ends in a length")
        (length,) = struct.unpack_from(">H", data, at)
        if at + 2 + length > len(data):
            raise InvalidInputError("the bundle of entries ends in an entry")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return entries
