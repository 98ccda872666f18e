"""Signed notes (c2sp.org/signed-note): text, signature lines, keys. Ed25519 by ``cryptography``, which is imported to sign or
to verify alone."""

import base64
import binascii
import functools
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pilothouse.domain.errors import IntegrityError, InvalidInputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 0x01, 0x04
"""Types of signatures: of a note, and of a head that a witness has seen (with a time)."""
DASH = "\N{EM DASH}"
LONGEST_NOTE = 64_000
_MOST_SIGNATURES = 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+]{1,255}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Key that verifies: what strangers are given as a vkey."""

    name: str
    kind: int
    key: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode(bytes([self.kind]) + self.key)}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """True where the raw Ed25519 signature is this key's over the message."""
        from cryptography.exceptions import InvalidSignature

        try:
            _loaded(self.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@functools.lru_cache(maxsize=64)
def _loaded(key: bytes) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(key)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Key that signs, with the name under which it does. Its text is the form of Go's ``sumdb/note``."""

    name: str
    kind: int
    seed: bytes

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return PublicKey(self.name, self.kind, public.public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Raw Ed25519 signature."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)

    def to_text(self) -> str:
        """Text of a key file."""
        return f"PRIVATE+KEY+{self.name}+{self.public.id.hex()}+{encode(bytes([self.kind]) + self.seed)}\n"

    def __repr__(self) -> str:
        return f"PrivateKey({self.name})"


def new_key(name: str, kind: int = ED25519) -> PrivateKey:
    """A new key by the system's random numbers. Raises InvalidInputError where the name cannot be one."""
    return PrivateKey(check_name(name), kind, secrets.token_bytes(32))


def check_name(name: str) -> str:
    """The name. Raises InvalidInputError unless it can be that of a key: no blank, no plus, nothing unprintable."""
    if not (_NAME.fullmatch(name) and name.isprintable()):
        raise InvalidInputError(
            f"{name[:80]!r} cannot be the name of a log or a witness: expected 1 to 255 characters without blanks and +"
        )
    return name


def parse_private_key(text: str) -> PrivateKey:
    """Key of a key file. Raises IntegrityError."""
    parts = text.strip().split("+")
    if len(parts) >= 5 and parts[:2] == ["PRIVATE", "KEY"]:
        name, digest, data = parts[2], parts[3], _decoded("+".join(parts[4:]))
        if data is not None and len(data) == 33 and data[0] in (ED25519, COSIGNATURE):
            key = PrivateKey(name, data[0], data[1:])
            if key.public.id.hex() == digest:
                return key
    raise IntegrityError("this is not a key that signs a log's heads: restore it, or let a new one be made")


def parse_key(text: str) -> PublicKey:
    """Key of a vkey, ``NAME+ID+KEY``. Raises InvalidInputError."""
    name, _, rest = text.strip().partition("+")
    digest, _, encoded = rest.partition("+")
    data = _decoded(encoded)
    if data is None or len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
        raise InvalidInputError(
            f"{text[:80]!r} is not a key of a log or a witness: expected NAME+ID+KEY (Ed25519)"
        )
    key = PublicKey(check_name(name), data[0], data[1:])
    if key.id.hex() != digest:
        raise InvalidInputError(f"{text[:80]!r} is damaged: the name and the key do not have that ID")
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    """Signature line of a note. ``value`` is what follows the key's ID."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{DASH} {self.name} {encode(self.key_id + self.value)}\n"

    def is_of(self, key: PublicKey) -> bool:
        """True where it claims to be of that key."""
        return self.name == key.name and self.key_id == key.id


@dataclass(frozen=True, slots=True)
class Note:
    """Text, which ends in a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(str(one) for one in self.signatures)}"

    def plus(self, signatures: Iterable[Signature]) -> "Note":
        """The note with more signatures; one that it has already is not repeated."""
        more = [one for one in signatures if one not in self.signatures]
        return replace(self, signatures=(*self.signatures, *more))


def parse_note(text: str) -> Note:
    """Note of its text; no signature is verified. Raises InvalidInputError."""
    fault = "this is not a signed note (c2sp.org/signed-note)"
    if len(text) > LONGEST_NOTE or _CONTROL.search(text):
        raise InvalidInputError(fault)
    body, separator, lines = text.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise InvalidInputError(f"{fault}: no signature follows an empty line")
    return Note(body + "\n", parse_signatures(lines))


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Signature lines, each with its newline. Raises InvalidInputError."""
    lines = text.split("\n")
    if lines.pop() or len(lines) > _MOST_SIGNATURES:
        raise InvalidInputError("signature lines end in a newline each, and there are 64 at most")
    return tuple(_parse_signature(line) for line in lines)


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    data = _decoded(encoded)
    if dash != DASH or not _NAME.fullmatch(name) or data is None or len(data) < 5:
        raise InvalidInputError("this is not a signature line: expected an em dash, a name and a signature")
    return Signature(name, data[:4], data[4:])


def signed(text: str, key: PrivateKey) -> Note:
    """A note with the signature of a key."""
    return Note(text, (Signature(key.name, key.public.id, key.sign(text.encode())),))


def check_signed(note: Note, keys: Iterable[PublicKey]) -> PublicKey:
    """The first of the keys that has signed the note. Raises IntegrityError where none has, or where a signature that claims to
    be of one of them is not."""
    found = None
    for key in keys:
        for one in note.signatures:
            if one.is_of(key):
                if not key.verifies(one.value, note.text.encode()):
                    raise IntegrityError(f"the signature of {key.name} is wrong")
                found = found or key
    if found is None:
        raise IntegrityError("no key that is trusted has signed it")
    return found


def encode(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes | None:
    """Bytes of standard base64 in its one right form; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode(data) == text else None


def decode_hash(line: str) -> bytes:
    """A hash of 32 bytes from its base64. Raises InvalidInputError."""
    data = _decoded(line)
    if data is None or len(data) != 32:
        raise InvalidInputError("expected a hash of 32 bytes in base64")
    return data
