"""Frames in which statistics are stored: magic, kind, format number, then the content.

Format 1 is zstd over msgpack with named arrays and a header of plain data; it is used for what is read seldom. Format
4 is whole numbers and raw arrays, under zstd only from 256 bytes on, with a checksum at the end; it is used for profiles,
which are written with every batch and read by the thousand. Format 2 is the same without a checksum, as earlier releases
wrote it. Arrays are written in the narrowest integer type that holds them. Decoding runs no code from the bytes that it
reads.
"""

import struct
import threading
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import zstandard

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.arrays import AnyArray, frozen

_MAGIC = b"PHS"
_FORMAT = 1
_LEVEL = 3
_LARGEST = 1 << 30
"""Bytes to which a frame may unpack; a larger one is damage or an attack, not a profile."""
_TYPES = frozenset({"|u1", "<u2", "<u4", "<u8", "<i8", "<f8"})
"""Array types that a frame of format 1 may name."""
_UNCHECKED_FORMAT = 2
_PLAIN_FORMAT = 4
"""No bit that turns makes a frame of this format one of another."""
_DTYPES = tuple(np.dtype(name) for name in ("|u1", "<u2", "<u4", "<u8", "<i8", "<f8"))
"""Types of a frame of format 2 and 4 by their code."""
_CODE_OF = {dtype: code for code, dtype in enumerate(_DTYPES)}
_WIDE = {dtype: np.dtype(np.float64 if dtype.kind == "f" else np.int64) for dtype in _DTYPES}
_NARROW = tuple(zip(_DTYPES, (0xFF, 0xFFFF, 0xFFFF_FFFF), strict=False))
"""Unsigned types with the largest number that each holds, narrowest first."""
_FEW, _BYTE = 64, 0xFF
_HEAD = struct.Struct("<4sBBBB")
"""Magic and kind, format, 1 where the arrays are compressed, how many numbers, how many arrays."""
_ARRAY = struct.Struct("<BI")
"""Code of the type, length in bytes."""
_CHECKSUM = struct.Struct("<I")
"""CRC-32 of all bytes before it."""
_WORTH_COMPRESSING = 256
"""Bytes of arrays from which a frame of format 4 is compressed."""
_PLAIN_LEVEL = 1
"""zstd level of format 4. Level 3 takes half as much time again and saves 2 % of the bytes."""
_local = threading.local()


class _Frame(msgspec.Struct, array_like=True):
    header: dict[str, Any]
    names: list[str]
    types: list[str]
    arrays: list[bytes]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Frame)


def pack(kind: str, header: dict[str, Any], arrays: dict[str, AnyArray], *, checked: bool = False) -> bytes:
    """Frame of format 1: ``header`` (plain data for msgpack) and named one-dimensional ``arrays`` (integer or
    float64, any length, also 0). ``kind`` is one ASCII letter that ``unpack`` checks. Integers are narrowed, floats
    kept as float64, NaN included. ``checked`` adds zstd's checksum of the content, which ``unpack`` holds it to."""
    narrow = {name: _narrow(array) for name, array in arrays.items()}
    frame = _Frame(
        header,
        list(narrow),
        [array.dtype.str for array in narrow.values()],
        [array.tobytes() for array in narrow.values()],
    )
    body = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=checked).compress(_ENCODER.encode(frame))
    return _MAGIC + kind.encode("ascii") + bytes([_FORMAT]) + body


def unpack(kind: str, data: bytes) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Header and arrays of a frame that ``pack`` wrote: integers as int64, the rest as float64, both read-only.
    Raises IntegrityError where the magic, ``kind`` or format number differs, or the content is damaged or unpacks to
    more than 1 GiB."""
    prefix = _MAGIC + kind.encode("ascii")
    if data[:4] != prefix or len(data) < 6:
        raise IntegrityError(
            f"stored statistics start with {data[:4]!r}; expected {prefix!r}: "
            "the bytes are damaged or of another kind"
        )
    if data[4] != _FORMAT:
        raise IntegrityError(
            f"stored statistics are of format {data[4]}; this program reads {_FORMAT}: "
            "use the release that wrote them or a newer one"
        )
    try:
        body = zstandard.ZstdDecompressor().decompress(memoryview(data)[5:], max_output_size=_LARGEST)
        frame = _DECODER.decode(body)
        arrays = {
            name: _widen(raw, kind_of)
            for name, kind_of, raw in zip(frame.names, frame.types, frame.arrays, strict=True)
        }
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise IntegrityError(f"stored statistics are damaged: {error}; restore them from a backup") from None
    return frame.header, arrays


def is_plain(data: bytes) -> bool:
    """True where the bytes are a frame of format 2 or 4 (``pack_plain``), by the format number alone; False for fewer than
    five bytes."""
    return len(data) > 4 and data[4] in (_PLAIN_FORMAT, _UNCHECKED_FORMAT)


def pack_plain(
    kind: str, numbers: Sequence[int], arrays: Sequence[AnyArray], level: int = _PLAIN_LEVEL
) -> bytes:
    """Frame of format 4: whole ``numbers`` (each within 64 bits signed, 255 at most) and one-dimensional ``arrays``
    (integer or float64, 255 at most), which ``unpack_plain`` gives back by position. ``kind`` is one ASCII letter,
    ``level`` that of zstd."""
    narrow = [_narrowed(array) for array in arrays]
    body = b"".join([part for _, part in narrow])
    compressed = len(body) >= _WORTH_COMPRESSING
    if compressed:
        body = compress(body, level, checked=False)
    head = _HEAD.pack(_MAGIC + kind.encode("ascii"), _PLAIN_FORMAT, compressed, len(numbers), len(narrow))
    shapes = [_ARRAY.pack(code, len(part)) for code, part in narrow]
    frame = b"".join((head, struct.pack(f"<{len(numbers)}q", *numbers), *shapes, body))
    return with_checksum(frame)


def unpack_plain(kind: str, data: bytes) -> tuple[tuple[int, ...], list[AnyArray]]:
    """Numbers and arrays of a frame that ``pack_plain`` wrote: integers as int64, the rest as float64, both
    read-only. Raises IntegrityError where ``kind`` differs, or a byte is not as it was written."""
    try:
        magic, version, compressed, numbers, count = _HEAD.unpack_from(data)
        if magic != _MAGIC + kind.encode("ascii"):
            raise ValueError(f"they start with {magic!r}")
        if version != _UNCHECKED_FORMAT:
            data = without_checksum(data)
        values = struct.unpack_from(f"<{numbers}q", data, _HEAD.size)
        at = _HEAD.size + 8 * numbers
        shapes = struct.unpack_from(f"<{'BI' * count}", data, at)
        codes, sizes = shapes[::2], shapes[1::2]
        body = data[at + count * _ARRAY.size :]
        if compressed:
            body = expand(body, sum(sizes))
        if sum(sizes) != len(body):
            raise ValueError(f"{len(body)} bytes of arrays, expected {sum(sizes)}")
        arrays, at = [], 0
        for code, size in zip(codes, sizes, strict=True):
            arrays.append(_widened(body, at, size, _DTYPES[code]))
            at += size
    except (struct.error, zstandard.ZstdError, IndexError, ValueError) as error:
        raise IntegrityError(f"stored statistics are damaged: {error}; restore them from a backup") from None
    return values, arrays


def with_checksum(frame: bytes) -> bytes:
    """The frame with its checksum at the end."""
    return frame + _CHECKSUM.pack(zlib.crc32(frame))


def without_checksum(data: bytes) -> bytes:
    """The frame that ``with_checksum`` was given. Raises ValueError where a byte is not as it was."""
    frame = data[: -_CHECKSUM.size]
    if data[-_CHECKSUM.size :] != _CHECKSUM.pack(zlib.crc32(frame)):
        raise ValueError("the checksum differs")
    return frame


def compress(data: bytes, level: int, *, checked: bool = True) -> bytes:
    """zstd frame of ``data`` at ``level``, ``checked``: with a checksum of the content, which ``expand`` holds it to. Each
    thread keeps its compressors, since making one costs more than compressing a small frame, and a compressor must not be
    used by two threads at once."""
    compressors: dict[tuple[int, bool], zstandard.ZstdCompressor] = _local.__dict__.setdefault(
        "compressors", {}
    )
    if (level, checked) not in compressors:
        compressors[level, checked] = zstandard.ZstdCompressor(level=level, write_checksum=checked)
    return compressors[level, checked].compress(data)


def expand(data: bytes, largest: int) -> bytes:
    """Content of a zstd frame of at most ``largest`` bytes. Raises ZstdError where the frame states or holds more, or
    is damaged."""
    decompressor = _local.__dict__.get("decompressor")
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    if zstandard.frame_content_size(data) > largest:
        raise zstandard.ZstdError(f"a frame of more than {largest:,} bytes")
    content: bytes = decompressor.decompress(data, max_output_size=max(largest, 1))
    return content


def _narrowed(array: AnyArray) -> tuple[int, bytes]:
    """Code of the type, and bytes, of the array in the narrowest type that holds it."""
    if (
        array.size <= _FEW and array.dtype.kind != "f"
    ):  # a row's profile: a list takes less than numpy's calls
        numbers = array.tolist()
        if not numbers or (min(numbers) >= 0 and max(numbers) <= _BYTE):
            return 0, bytes(numbers)
    narrow = _narrow(array)
    return _CODE_OF[narrow.dtype], narrow.tobytes()


def _narrow(array: AnyArray) -> AnyArray:
    """Array in the narrowest little-endian type that holds it."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype="<f8")
    if not array.size:
        return array.astype("|u1")
    # OR of all numbers: it needs as many bits as the largest of them, and is negative where any is. One pass, not two.
    bits = int(np.bitwise_or.reduce(array))
    if bits < 0:
        return np.ascontiguousarray(array, dtype="<i8")
    for dtype, largest in _NARROW:
        if bits <= largest:
            return array.astype(dtype)
    return array.astype("<u8")


def _widen(raw: bytes, dtype: str) -> AnyArray:
    if dtype not in _TYPES:
        raise ValueError(f"unknown type of array {dtype!r}")
    return _widened(raw, 0, len(raw), np.dtype(dtype))


def _widened(data: bytes, at: int, size: int, dtype: np.dtype[Any]) -> AnyArray:
    if size % dtype.itemsize:
        raise ValueError(f"{size} bytes of {dtype}")
    raw = np.frombuffer(data, dtype, size // dtype.itemsize, at) if size else np.empty(0, dtype)
    return frozen(raw.astype(_WIDE[dtype], copy=False))
