"""Passphrases, kept as what scrypt makes of them (RFC 7914)."""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError

SHORTEST, LONGEST = 12, 1_000
"""Characters of a passphrase."""
_N, _R, _P = 1 << 15, 8, 3
"""Cost (32 MiB of memory), size of a block, passes: what OWASP recommends for scrypt (2025). Stored with each passphrase."""
_SALT_BYTES, _DIGEST_BYTES = 16, 32


@dataclass(frozen=True, slots=True)
class Stretched:
    """Passphrase as it is stored: parameters of scrypt, salt and digest, both in hex."""

    n: int
    r: int
    p: int
    salt: str
    digest: str


def stretch(passphrase: str) -> Stretched:
    """Passphrase to store. Raises InvalidInputError where it is too short or too long."""
    text = _plain(passphrase)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidInputError(
            f"a passphrase has {SHORTEST} to {LONGEST:,} characters; this one has {len(text):,}"
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    return Stretched(_N, _R, _P, salt.hex(), _scrypt(text, salt, _N, _R, _P).hex())


def matches(passphrase: str, stored: Stretched) -> bool:
    """True where it is the passphrase that was stored."""
    text = _plain(passphrase)
    if len(text) > LONGEST:
        return False
    digest = _scrypt(text, bytes.fromhex(stored.salt), stored.n, stored.r, stored.p)
    return hmac.compare_digest(digest, bytes.fromhex(stored.digest))


def _plain(passphrase: str) -> str:
    """One form of what keyboards give in several."""
    return unicodedata.normalize("NFKC", passphrase)


def _scrypt(text: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (n + p + 2) + (1 << 20)
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=_DIGEST_BYTES)
