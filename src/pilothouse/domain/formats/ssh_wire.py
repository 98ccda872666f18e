"""Data types of the SSH protocol (RFC 4251): integers and strings with their length before them."""

import struct

from pilothouse.domain.errors import InvalidInputError

LONGEST = 1 << 20
"""Bytes of one message, key or signature at most."""


class Reader:
    """Reads values one after the other. Raises InvalidInputError, which names ``subject``, where the bytes end too early."""

    def __init__(self, data: bytes, subject: str) -> None:
        self._data = data
        self._subject = subject
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise InvalidInputError(f"{self._subject}: the bytes end too early")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def uint64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        return self.take(self.uint32())

    def text(self) -> str:
        """String of UTF-8. Raises InvalidInputError where it is none."""
        try:
            return self.string().decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInputError(f"{self._subject}: a text in it is not valid Unicode") from None

    def number(self) -> int:
        """Number of any length, which is not negative."""
        data = self.string()
        if data and data[0] & 0x80:
            raise InvalidInputError(f"{self._subject}: a number in it is negative")
        return int.from_bytes(data, "big")

    def strings(self) -> list[bytes]:
        """Strings inside of one string."""
        inner = Reader(self.string(), self._subject)
        listed = []
        while not inner.is_at_end:
            listed.append(inner.string())
        return listed

    def since(self, position: int) -> bytes:
        """Bytes that were read since a position."""
        return self._data[position : self.position]

    @property
    def is_at_end(self) -> bool:
        return self.position == len(self._data)

    def end(self) -> None:
        """Raise InvalidInputError where bytes are left over."""
        if not self.is_at_end:
            left = len(self._data) - self.position
            raise InvalidInputError(f"{self._subject}: {left} bytes too many at its end")


def string(data: bytes | str) -> bytes:
    """Bytes, or text as UTF-8, with the length before them."""
    encoded = data.encode("utf-8") if isinstance(data, str) else data
    return struct.pack(">I", len(encoded)) + encoded


def number(value: int) -> bytes:
    """Number of any length that is not negative."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")
