"""Secrets out of messages: a driver repeats the URL that it was given, password and all, in its exceptions."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Characters of a secret below which it cannot be told from other words."""
_IN_URL = re.compile(r"(://[^\s:/@]*):[^\s@]*@")
_AS_SETTING = re.compile(
    r"(?i)([\"']?\b\w*(?:password|passwd|pwd|secret|token|sig|signature|credential|api_?key|account_?key|access_?key)\w*[\"']?"
    r"\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+)"
)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Text with ``***`` in place of each secret, however it is quoted, of passwords in URLs and of settings that are called
    so. Where a secret is too short to be told from other words nothing of the text is left."""
    forms: set[str] = set()
    for secret in secrets:
        if not secret:
            continue
        if len(secret) < SHORTEST:
            return (
                "(the driver's message is withheld: a secret of fewer than four characters could stand in it)"
            )
        forms |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}
        forms.add(quote(secret, safe=" +"))  # as SQLAlchemy writes a password into a URL
        forms |= {line for line in secret.splitlines() if len(line) >= SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    text = _IN_URL.sub(rf"\1:{MASK}@", text)
    return _AS_SETTING.sub(rf"\1{MASK}", text)
