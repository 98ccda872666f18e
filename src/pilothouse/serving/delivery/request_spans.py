"""Spans of served requests: a sample, kept in memory for a second and handed to the hub. Off where the hub asks for none.

W3C Trace Context: a request that carries ``traceparent`` is recorded where its caller records it, under the caller's trace;
of the others a share begins traces of their own. Spans are a sample and no record: what the hub does not take is dropped.
"""

import random
import re
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from pilothouse.domain.formats.wire import RequestSpan

MOST = 1_000
"""Spans that wait at most; further ones are dropped."""
_CONTEXT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ZERO_TRACE, _ZERO_SPAN = "0" * 32, "0" * 16


class Begun(NamedTuple):
    """Span that has begun: ids of its trace, of the caller's span (empty for none), and the wall clock in nanoseconds."""

    trace: str
    parent: str
    at_ns: int


class RequestSpans:
    """Spans of one process. ``share`` is what the hub asks for: 0 for none at all."""

    def __init__(self) -> None:
        self.share = 0.0
        self._kept: deque[RequestSpan] = deque()

    def begin(self, headers: Iterable[tuple[bytes, bytes]]) -> Begun | None:
        """Span of a request with these headers; None where it is not recorded."""
        found = context_of(headers)
        if found is None:
            if random.random() >= self.share:  # noqa: S311 - a sample
                return None
            return Begun(f"{random.getrandbits(128) or 1:032x}", "", time.time_ns())
        trace, parent, is_sampled = found
        return Begun(trace, parent, time.time_ns()) if is_sampled else None

    def end(
        self, begun: Begun, *, model: str, version: int, rows: int, status: int, prediction: str = ""
    ) -> None:
        """Keep a span that ends now. ``prediction``: id of the first row, empty where there was no answer."""
        if len(self._kept) >= MOST:
            return
        span = f"{random.getrandbits(64) or 1:016x}"
        ended = time.time_ns()
        self._kept.append(
            RequestSpan(
                begun.trace, span, begun.parent, begun.at_ns, ended, model, version, rows, status, prediction
            )
        )

    def take(self) -> list[RequestSpan]:
        """Spans that wait; they are the caller's then."""
        return [self._kept.popleft() for _ in range(len(self._kept))]


def context_of(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str, bool] | None:
    """(trace, span of the caller, whether it is recorded) of a request; None without a valid ``traceparent``, of which there
    may be one."""
    given = [value for name, value in headers if name == b"traceparent"]
    match = _CONTEXT.fullmatch(given[0].strip()) if len(given) == 1 else None
    if match is None or match[1] == b"ff" or (match[1] == b"00" and match[5]):
        return None
    trace, parent = match[2].decode(), match[3].decode()
    if trace == _ZERO_TRACE or parent == _ZERO_SPAN:
        return None
    return trace, parent, bool(int(match[4], 16) & 1)
