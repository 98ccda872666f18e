"""Requests that one connection sends ahead of its answers: how many may wait, and what a parser is given of a read.

uvicorn reads on after each answer, though requests of the same connection wait already, and parses each read to its end: a
client that sends thousands of small requests would have them all in memory. httptools takes what follows the head of a request
with ``Upgrade`` for another protocol, and parses the body as a request: such a head is parsed again without the header.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl

WAITING = 64
"""Requests of a connection that wait behind the one that is answered: with so many no further piece is parsed."""
PIECE_BYTES = 512
"""Bytes that are parsed at once where many requests come in one read: they hold about twenty of the smallest."""
_FEW = 16


class ReadingFlow(FlowControl):
    """Flow control of uvicorn that does not read while requests wait, or while the client does not take its answers."""

    def __init__(self, transport: asyncio.Transport, waiting: Collection[Any]) -> None:
        super().__init__(transport)
        self._waiting: Final = waiting
        self.unparsed = b""
        """Bytes that have been read and wait for the parser."""

    def resume_reading(self) -> None:
        """Read on, where nothing waits."""
        if not (self._waiting or self.write_paused or self.unparsed):
            super().resume_reading()


def may_hold_many(data: bytes) -> bool:
    """True for bytes in which more than a few requests may begin: each has a version on its line, ``/1.0`` or ``/1.1``."""
    return len(data) > PIECE_BYTES and data.count(b"/1.") > _FEW


def head_without_upgrade(parser: Any, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Head of the request that ``parser`` has read, without its ``Upgrade``: a server may ignore the wish."""
    pieces = [b"%b %b HTTP/%b\r\n" % (parser.get_method(), url, parser.get_http_version().encode("ascii"))]
    pieces += [b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade"]
    return b"".join((*pieces, b"\r\n"))


def request_parser(protocol: Any) -> Any:
    """Parser as uvicorn makes it: what follows a request with ``Connection: close`` is passed over, and is no error."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
