"""Compressed bodies: gzip and deflate, unpacked within a bound, and answers packed where a client takes them packed."""

import zlib
from collections.abc import Sequence

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.serving.web.http import HttpError

Headers = Sequence[tuple[bytes, bytes]]
"""Headers of a request as the server gives them: names in lower case."""

SHORTEST_PACKED = 1_024
"""Bytes from which an answer is packed: a shorter one fits into a packet as it is."""
_LEVEL = 1
"""Level of zlib: the time counts more than the last bytes."""
_GZIP, _ZLIB, _BARE = 31, 15, -15
"""Window sizes by which zlib knows a gzip header, its own header, and none."""


_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"x\x9c": "deflate",
    b"x\xda": "deflate",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""First bytes of packed bodies, with which no form of a request begins."""


def unsaid(body: bytes) -> str:
    """Encoding by which a body is packed that comes as it were not; empty for any other body."""
    return next((name for magic, name in _MAGIC.items() if body.startswith(magic)), "")


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Body as it was before a client packed it. Raises HttpError 415 for an encoding that is not taken and 413 beyond ``limit``
    bytes, of which no more are ever held; InvalidInputError for bytes that are not of the encoding."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name in ("gzip", "x-gzip"):
        return _unpacked(body, _GZIP, "gzip", limit)
    if name == "deflate":
        # RFC 9110 means zlib's form; some clients send bare deflate. The first two bytes tell which.
        is_zlib = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        return _unpacked(body, _ZLIB if is_zlib else _BARE, "deflate", limit)
    raise HttpError(
        415,
        f"content-encoding {one_line(encoding, 40)} is not taken; expected gzip, deflate or identity",
        {"accept-encoding": "gzip, deflate"},
    )


def _unpacked(body: bytes, window: int, name: str, limit: int) -> bytes:
    pieces: list[bytes] = []
    rest, size = body, 0
    try:
        while rest or not pieces:  # gzip may hold several members, one after another
            reader = zlib.decompressobj(window)
            pieces.append(reader.decompress(rest, limit + 1 - size))
            size += len(pieces[-1])
            if size > limit:
                raise HttpError(413, f"the body is longer than {limit:,} bytes unpacked")
            if not reader.eof:
                raise InvalidInputError(f"the body is not whole {name}: it ends too early")
            rest = reader.unused_data
            if rest and window != _GZIP:
                raise InvalidInputError(f"the body has {len(rest):,} bytes after its {name} data")
            if len(pieces) > _MEMBERS:
                raise InvalidInputError(f"the body has more than {_MEMBERS} members of gzip")
    except zlib.error as error:
        raise InvalidInputError(f"the body is not {name}: {one_line(str(error), 80)}") from None
    return b"".join(pieces)


_MEMBERS = 64
"""Members of a gzip body at most: each has the rest of the body copied."""


def accepted(value: str) -> str:
    """Encoding of an answer to a client with this Accept-Encoding: ``gzip``, ``deflate``, or empty for none."""
    weights: dict[str, float] = {}
    for part in value.lower().split(",", 20)[:20]:
        name, _, parameter = part.strip().partition(";")
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            continue
    gzip, deflate = (weights.get(name, weights.get("*", 0.0)) for name in ("gzip", "deflate"))
    if max(gzip, deflate) <= 0:
        return ""
    return "gzip" if gzip >= deflate else "deflate"


def pack(body: bytes, encoding: str) -> bytes:
    """Body in the encoding ``gzip`` or ``deflate``."""
    writer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP if encoding == "gzip" else _ZLIB)
    return writer.compress(body) + writer.flush()
