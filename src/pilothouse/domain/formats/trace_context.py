"""Trace context of a request: the header ``traceparent`` of W3C Trace Context (Recommendation of 23 November 2021), level 1.

A header that is not valid is ignored, as the specification says. ``tracestate`` is for those who pass a request on.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

HEADER = b"traceparent"
_CONTEXT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STORED = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_ASKED = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{32})(?:-[0-9a-f]{16}(?:-[0-9a-f]{2})?)?")
_ZERO_TRACE, _ZERO_SPAN = "0" * 32, "0" * 16


class TraceContext(NamedTuple):
    """Trace of a request, span of its caller, and whether the caller records it."""

    trace: str
    parent: str
    is_sampled: bool

    @property
    def stored_text(self) -> str:
        """``TRACE-PARENT``, as it is stored with a prediction."""
        return f"{self.trace}-{self.parent}"


def context_of(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Context of a request; None without a valid ``traceparent``, of which there may be one. Names are in lower case."""
    found: bytes | None = None
    for name, value in headers:
        if name == HEADER:
            if found is not None:
                return None
            found = value
    match = _CONTEXT.fullmatch(found.strip(b" \t")) if found is not None else None
    if match is None or match[1] == b"ff" or (match[1] == b"00" and match[5]):
        return None
    trace, parent = match[2].decode(), match[3].decode()
    if trace == _ZERO_TRACE or parent == _ZERO_SPAN:
        return None
    return TraceContext(trace, parent, bool(int(match[4], 16) & 1))


def is_stored_text(text: str | None) -> bool:
    """Whether a text is one that ``stored_text`` gives."""
    return text is not None and _STORED.fullmatch(text) is not None


def stored_context(text: str | None) -> tuple[str, str]:
    """Trace and span of the caller from a stored text; two empty ones from an empty text."""
    match = _STORED.fullmatch(text or "")
    return (match[1], match[2]) if match else ("", "")


def trace_asked(text: str) -> str:
    """Trace that somebody asks for by its id (32 hexadecimal digits, in either case) or a whole ``traceparent``; empty where it
    is neither."""
    match = _ASKED.fullmatch(text.strip().lower())
    return match[1] if match else ""
