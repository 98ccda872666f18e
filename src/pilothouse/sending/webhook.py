"""Webhooks, signed as Standard Webhooks describe it: by HMAC-SHA256 over the delivery's name, the time and the body."""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def signed_headers(key: str, delivery: str, at: int, body: bytes) -> dict[str, str]:
    """Headers of a body that is sent ``at`` (seconds since 1970). ``key``: ``whsec_`` and base64, or another text.
    Raises ValueError (no base64)."""
    signed = f"{delivery}.{at}.".encode() + body
    signature = base64.b64encode(hmac.new(key_of(key), signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def key_of(text: str) -> bytes:
    """Key that a secret stands for. Raises ValueError, which does not repeat it: a receiver would sign by another one."""
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"begins with {_PREFIX}, and what follows is no base64")
    return key
