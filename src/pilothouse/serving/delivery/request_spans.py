"""Spans of served requests: a sample, kept in memory for a second and handed to the hub. Off where the hub asks for none.

A request with a trace context is recorded where its caller records it, under the caller's trace; of the others a share begins
traces of their own. Spans are a sample and no record: what the hub does not take is dropped, and counted.
"""

import random
import time
from collections import deque
from typing import NamedTuple

from pilothouse.domain.formats.trace_context import TraceContext
from pilothouse.domain.formats.wire import RequestSpan

MOST = 1_000
"""Spans that wait at most; further ones are dropped."""


class Begun(NamedTuple):
    """Span that has begun: ids of its trace, of the caller's span (empty for none), and the wall clock in nanoseconds."""

    trace: str
    parent: str
    at_ns: int


class RequestSpans:
    """Spans of one process. ``share`` is what the hub asks for: 0 for none at all."""

    def __init__(self) -> None:
        self.share = 0.0
        self.dropped = 0
        """Spans that were not handed over, since the start of the process."""
        self._kept: deque[RequestSpan] = deque()

    def begin(self, context: TraceContext | None) -> Begun | None:
        """Span of a request with this context; None where it is not recorded."""
        if self.share <= 0.0:
            return None
        if context is None:
            if random.random() >= self.share:  # noqa: S311 - a sample
                return None
            return Begun(f"{random.getrandbits(128) or 1:032x}", "", time.time_ns())
        return Begun(context.trace, context.parent, time.time_ns()) if context.is_sampled else None

    def end(
        self,
        begun: Begun,
        version: tuple[str, int],
        rows: int,
        status: int,
        *,
        prediction: str = "",
        call: tuple[int, int] = (0, 0),
    ) -> None:
        """Keep a span that ends now. ``prediction``: id of the first row, empty where there was no answer; ``call``: begin of
        the model's call by the performance counter, and its duration."""
        if len(self._kept) >= MOST:
            self.dropped += 1
            return
        span = f"{random.getrandbits(64) or 1:016x}"
        ended = time.time_ns()
        began, took = call
        called_at = max(ended - (time.perf_counter_ns() - began), begun.at_ns) if took else 0
        self._kept.append(
            RequestSpan(
                begun.trace, span, begun.parent, begun.at_ns, ended, *version, rows, status, prediction, called_at, took
            )
        )  # fmt: skip

    def take(self) -> list[RequestSpan]:
        """Spans that wait; they are the caller's then."""
        return [self._kept.popleft() for _ in range(len(self._kept))]
