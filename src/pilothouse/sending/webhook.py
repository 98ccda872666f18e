"""Webhooks, signed as Standard Webhooks describe it: by HMAC-SHA256 over the delivery's name, the time and the body."""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def signed_headers(key: str, delivery: str, at: int, body: bytes) -> dict[str, str]:
    """Headers of a body that is sent ``at`` (seconds since 1970). ``key``: ``whsec_`` and base64, or another text."""
    signed = f"{delivery}.{at}.".encode() + body
    signature = base64.b64encode(hmac.new(_key(key), signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def _key(text: str) -> bytes:
    if text.startswith(_PREFIX):
        try:
            return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            pass
    return text.encode()
