"""Ids of runs and spans that follow from what is on record, so that an event that is sent twice is the same event."""

import hashlib
from datetime import datetime

_MILLISECONDS = 48


def uuid7(at: datetime, *key: object) -> str:
    """UUID of version 7 (RFC 9562) of that time; its random bits are a digest of ``key``."""
    digest = int.from_bytes(_digest(*key)[:10], "big")
    milliseconds = int(at.timestamp() * 1_000) & ((1 << _MILLISECONDS) - 1)
    high = milliseconds << 16 | 0x7 << 12 | digest >> 68
    low = 0b10 << 62 | digest & ((1 << 62) - 1)
    text = f"{high << 64 | low:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def trace_id(*key: object) -> str:
    """Trace id of W3C: 32 hexadecimal digits, not all zero."""
    return _digest("trace", *key)[:16].hex()


def span_id(*key: object) -> str:
    """Span id: 16 hexadecimal digits."""
    return _digest("span", *key)[:8].hex()


def _digest(*key: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, key)).encode()).digest()
