"""Heads of a log (c2sp.org/tlog-checkpoint), signed by the log, and cosigned by witnesses (c2sp.org/tlog-cosignature)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.transparency.notes import (
    COSIGNATURE,
    Note,
    PrivateKey,
    PublicKey,
    Signature,
    check_signed,
    decode_hash,
    encode,
    parse_note,
    signed,
)

LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Head of the log ``origin``: so many leaves, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """Head with the note that carries it."""

    checkpoint: Checkpoint
    note: Note

    def __str__(self) -> str:
        return str(self.note)


def number(text: str) -> int:
    """A decimal without leading zeroes. Raises InvalidInputError."""
    if not (text.isascii() and text.isdecimal() and str(int(text[:20])) == text and int(text) <= LARGEST):
        raise InvalidInputError("expected a decimal number without leading zeroes")
    return int(text)


def parse(text: str) -> SignedCheckpoint:
    """Signed head of its text; no signature is verified. Raises InvalidInputError."""
    note = parse_note(text)
    lines = note.text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise InvalidInputError(
            "this is not a head of a log (c2sp.org/tlog-checkpoint): expected three lines and more"
        )
    return SignedCheckpoint(Checkpoint(lines[0], number(lines[1]), decode_hash(lines[2])), note)


def sign(checkpoint: Checkpoint, key: PrivateKey) -> SignedCheckpoint:
    """The head, signed by the log's key."""
    return SignedCheckpoint(checkpoint, signed(checkpoint.text, key))


def check(head: SignedCheckpoint, keys: Iterable[PublicKey]) -> PublicKey:
    """The key of the log that has signed the head. Raises IntegrityError."""
    return check_signed(head.note, [key for key in keys if key.name == head.checkpoint.origin])


def _message(time: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosign(head: SignedCheckpoint, key: PrivateKey, time: int) -> Signature:
    """Cosignature of a witness at a time in seconds since 1970."""
    public = key.public
    if public.kind != COSIGNATURE:
        raise IntegrityError(f"the key of {key.name} does not sign for a witness")
    value = struct.pack(">Q", time) + key.sign(_message(time, head.note.text))
    return Signature(key.name, public.id, value)


def cosigned_at(head: SignedCheckpoint, key: PublicKey) -> int | None:
    """Time of the witness's cosignature, None where it has none. Raises IntegrityError where there is one that is wrong."""
    for one in head.note.signatures:
        if one.is_of(key):
            return check_cosignature(head.note.text, one, key)
    return None


def check_cosignature(text: str, signature: Signature, key: PublicKey) -> int:
    """Time of a cosignature over a head's text. Raises IntegrityError where it is not the key's."""
    if key.kind == COSIGNATURE and len(signature.value) == 72 and signature.is_of(key):
        time: int = struct.unpack(">Q", signature.value[:8])[0]
        if time and key.verifies(signature.value[8:], _message(time, text)):
            return time
    raise IntegrityError(f"the cosignature of {key.name} is wrong")
