"""The one frame in which statistics are stored: magic, kind, format number, then zstd over msgpack.

Arrays are written in the narrowest type that holds them. Nothing here runs code from the bytes that it reads.
"""

from typing import Any

import msgspec
import numpy as np
import zstandard

from pilothouse.domain.errors import IntegrityError

from .arrays import AnyArray

_MAGIC = b"PHS"
_FORMAT = 1
_LEVEL = 3
_LARGEST = 1 << 30
"""Bytes to which a frame may unpack; a larger one is damage or an attack, not a profile."""
_TYPES = frozenset({"|u1", "<u2", "<u4", "<u8", "<i8", "<f8"})


class _Frame(msgspec.Struct, array_like=True):
    header: dict[str, Any]
    names: list[str]
    types: list[str]
    arrays: list[bytes]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Frame)


def pack(kind: str, header: dict[str, Any], arrays: dict[str, AnyArray]) -> bytes:
    """Encode ``header`` (plain data) and one-dimensional ``arrays``. ``kind`` is one ASCII letter."""
    narrow = {name: _narrow(array) for name, array in arrays.items()}
    frame = _Frame(
        header,
        list(narrow),
        [array.dtype.str for array in narrow.values()],
        [array.tobytes() for array in narrow.values()],
    )
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(_ENCODER.encode(frame))
    return _MAGIC + kind.encode("ascii") + bytes([_FORMAT]) + body


def unpack(kind: str, data: bytes) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Read what ``pack`` wrote: integers come back as int64, the rest as float64. Raises IntegrityError."""
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
        body = zstandard.ZstdDecompressor().decompress(data[5:], max_output_size=_LARGEST)
        frame = _DECODER.decode(body)
        arrays = {
            name: _widen(raw, kind_of)
            for name, kind_of, raw in zip(frame.names, frame.types, frame.arrays, strict=True)
        }
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise IntegrityError(f"stored statistics are damaged: {error}; restore them from a backup") from None
    return frame.header, arrays


def _narrow(array: AnyArray) -> AnyArray:
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype="<f8")
    if not array.size:
        return array.astype("|u1")
    if int(array.min()) < 0:
        return np.ascontiguousarray(array, dtype="<i8")
    top = int(array.max())
    for dtype, largest in (("|u1", 0xFF), ("<u2", 0xFFFF), ("<u4", 0xFFFF_FFFF)):
        if top <= largest:
            return array.astype(dtype)
    return array.astype("<u8")


def _widen(raw: bytes, dtype: str) -> AnyArray:
    if dtype not in _TYPES:
        raise ValueError(f"unknown type of array {dtype!r}")
    array: AnyArray = np.frombuffer(raw, dtype=dtype).astype(np.float64 if dtype == "<f8" else np.int64)
    array.flags.writeable = False
    return array
