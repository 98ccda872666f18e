"""One text for one value: what is hashed (evidence, policies, audit rows) or signed is written in exactly one way."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, only ASCII. Raises ValueError for NaN and infinities, which JSON does not know."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_digest(value: Any) -> str:
    """sha256 in hex of ``canonical_json(value)``."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


_LARGEST_WHOLE = 2**53 - 1
"""Largest number that every reader of JSON keeps (I-JSON)."""


def rfc8785_json(value: Any) -> bytes:
    """JSON by RFC 8785 (JCS), for strangers: UTF-8, keys sorted by their UTF-16 units. Numbers are whole: nothing that is
    signed holds others. Raises ValueError for anything that it does not write."""
    try:
        return _rfc8785(value).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text is not valid Unicode") from None


def _rfc8785(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > _LARGEST_WHOLE:
            raise ValueError(f"{value} is larger than the numbers that every reader keeps")
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_rfc8785, value)) + "]"
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_rfc8785(key)}:{_rfc8785(value[key])}" for key in keys) + "}"
    raise ValueError(f"{type(value).__name__} is not written in RFC 8785 here")
