"""Public keys of SSH, and whether a signature is theirs."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.ssh_wire import LONGEST, Reader
from pilothouse.domain.identity.ssh_keys import (
    CURVES,
    ED25519,
    HARDWARE,
    KINDS,
    RSA,
    SK_ECDSA,
    SK_ED25519,
    fingerprint_of,
    read_fields,
)

_RSA_SIGNATURES = frozenset({"rsa-sha2-256", "rsa-sha2-512"})
"""Signatures of RSA keys; ``ssh-rsa``, which is over SHA-1, is none of them."""

PRESENT, VERIFIED = 0x01, 0x04
"""Flags of a device: it was touched; its PIN or its reader of fingers was asked."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Public key as one blob; of a certificate the key in it."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` as ssh-keygen prints it."""
        return fingerprint_of(self.blob)

    @property
    def in_hardware(self) -> bool:
        return self.kind in HARDWARE

    @property
    def line(self) -> str:
        """Kind and key as they stand in a ``.pub`` file, without the comment."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True)
class Device:
    """What the device of a hardware key signed beside the message."""

    flags: int
    counter: int

    @property
    def touched(self) -> bool:
        return bool(self.flags & PRESENT)

    @property
    def verified(self) -> bool:
        return bool(self.flags & VERIFIED)


def parse_blob(blob: bytes) -> PublicKey:
    """Public key of these bytes; of a kind that can be checked, and whole. Raises InvalidInputError."""
    if len(blob) > LONGEST:
        raise InvalidInputError("the key is too long")
    reader = Reader(blob, "the key")
    kind = reader.text()
    if kind not in KINDS:
        raise InvalidInputError(f"the key is of the kind {kind[:60]!r}; expected one of {', '.join(KINDS)}")
    read_fields(kind, reader)
    reader.end()
    return PublicKey(kind, blob)


def skip_fields(kind: str, reader: Reader) -> bytes:
    """Bytes of the fields of a key, which are read past."""
    before = reader.position
    read_fields(kind, reader)
    return reader.since(before)


def check_signature(key: PublicKey, signature: bytes, message: bytes) -> Device | None:
    """Raise InvalidInputError unless the signature blob is the key's over the message. Returns what a device added, None of
    a key in a file."""
    reader = Reader(signature, "the signature")
    algorithm, raw = reader.text(), reader.string()
    device = None
    if key.in_hardware:
        device = Device(reader.byte(), reader.uint32())
    reader.end()
    if algorithm != key.kind and not (key.kind == RSA and algorithm in _RSA_SIGNATURES):
        raise InvalidInputError(
            f"the signature is of the kind {algorithm[:60]!r}, and the key is of {key.kind}"
        )
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    fields = Reader(key.blob, "the key")
    fields.string()
    try:
        _check(key.kind, read_fields(key.kind, fields), algorithm, raw, message, device)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise InvalidInputError("the signature is not over these bytes by this key") from None
    if device is not None and not device.touched:
        raise InvalidInputError("the signature was made without touching the hardware key")
    return device


def _check(
    kind: str, fields: dict[str, Any], algorithm: str, raw: bytes, message: bytes, device: Device | None
) -> None:
    """Raise InvalidSignature or ValueError unless it holds."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if device is not None:
        message = (
            hashlib.sha256(fields["application"]).digest()
            + bytes([device.flags])
            + device.counter.to_bytes(4, "big")
            + hashlib.sha256(message).digest()
        )
    if kind == RSA:
        public = rsa.RSAPublicNumbers(fields["exponent"], fields["modulus"]).public_key()
        size = (fields["modulus"].bit_length() + 7) // 8
        digest = hashes.SHA256() if algorithm == "rsa-sha2-256" else hashes.SHA512()
        public.verify(raw.rjust(size, b"\0"), message, padding.PKCS1v15(), digest)
    elif kind in (ED25519, SK_ED25519):
        Ed25519PublicKey.from_public_bytes(fields["point"]).verify(raw, message)
    else:
        bits = 256 if kind == SK_ECDSA else CURVES[kind]
        if fields["curve"] != f"nistp{bits}":
            raise ValueError("another curve")
        curves: dict[int, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
            256: (ec.SECP256R1(), hashes.SHA256()),
            384: (ec.SECP384R1(), hashes.SHA384()),
            521: (ec.SECP521R1(), hashes.SHA512()),
        }
        curve, digest_of_curve = curves[bits]
        pair = Reader(raw, "the signature")
        r, s = pair.number(), pair.number()
        pair.end()
        public_point = ec.EllipticCurvePublicKey.from_encoded_point(curve, fields["point"])
        public_point.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest_of_curve))
