"""Public keys of OpenSSH as lines and blobs (RFC 4253, RFC 5656, PROTOCOL.u2f): read and checked, never signed with."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.ssh_wire import Reader

ED25519, RSA = "ssh-ed25519", "ssh-rsa"
SK_ED25519, SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
CURVES = {f"ecdsa-sha2-nistp{bits}": bits for bits in (256, 384, 521)}
"""Kinds of ECDSA keys, each with the bits of its curve."""
HARDWARE = frozenset({SK_ED25519, SK_ECDSA})
"""Kinds whose private key never leaves a device, which wants to be touched."""
KINDS = (ED25519, *CURVES, RSA, SK_ED25519, SK_ECDSA)
"""Kinds of keys that are taken."""
CERTIFICATE = "-cert-v01@openssh.com"
"""How the kind of a certificate ends."""
_SHORTEST_RSA, _LONGEST_RSA = 2_048, 16_384
"""Bits of a modulus; longer ones take seconds."""
_LONGEST_LINE = 16_384
_LONGEST_COMMENT = 200


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: its kind, its blob in base64, its comment."""

    key_type: str
    public_key: str
    comment: str = ""

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``, as ``ssh-keygen -l`` prints it."""
        return fingerprint_of(base64.b64decode(self.public_key))

    @property
    def is_hardware(self) -> bool:
        """True where the private part is in a device."""
        return self.key_type in HARDWARE


def fingerprint_of(blob: bytes) -> str:
    """sha256 of a blob as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def read_key(text: str) -> PublicKey:
    """Public key of one line ``TYPE BASE64 COMMENT``, as a ``.pub`` file has it. Raises InvalidInputError."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if len(lines) != 1:
        raise InvalidInputError(f"found {len(lines)} lines; expected one public key, as in id_ed25519.pub")
    (line,) = lines
    if "PRIVATE KEY" in line:
        raise InvalidInputError("this is a private key, which stays with its owner: give the file .pub")
    if len(line) > _LONGEST_LINE:
        raise InvalidInputError("the line is too long for a public key")
    key_type, _, rest = line.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if is_certificate(key_type):
        raise InvalidInputError("this is a certificate: add the key of the authority that signs such")
    if key_type not in KINDS:
        expected = ", ".join(KINDS)
        raise InvalidInputError(f"the line does not begin with a type of key that is taken: {expected}")
    return key_of(key_type, blob, comment.strip())


def key_of(key_type: str, text: str, comment: str = "") -> PublicKey:
    """Key of a kind and a blob in base64. Raises InvalidInputError where they are not a whole key of that kind."""
    blob = decoded(text)
    reader = Reader(blob, "the key's data (copy the whole line again)")
    if reader.text() != key_type or key_type not in KINDS:
        raise InvalidInputError(f"the key's data are not those of a key of the type {key_type}")
    read_fields(key_type, reader)
    reader.end()
    return PublicKey(key_type, base64.b64encode(blob).decode(), comment[:_LONGEST_COMMENT])


def read_fields(kind: str, reader: Reader) -> dict[str, Any]:
    """Fields of a key after its kind, which a certificate of it has too. Raises InvalidInputError."""
    if kind == RSA:
        exponent, modulus = reader.number(), reader.number()
        if not _SHORTEST_RSA <= (bits := modulus.bit_length()) <= _LONGEST_RSA:
            raise InvalidInputError(
                f"the RSA key has {bits} bits; expected {_SHORTEST_RSA} to {_LONGEST_RSA}"
            )
        return {"exponent": exponent, "modulus": modulus}
    fields: dict[str, Any] = {}
    if kind in CURVES or kind == SK_ECDSA:
        fields["curve"] = reader.text()
    fields["point"] = reader.string()
    if kind in HARDWARE:
        fields["application"] = reader.string()
    return fields


def is_certificate(key_type: str) -> bool:
    """True for the kind of a certificate."""
    return key_type.endswith(CERTIFICATE)


def decoded(text: str) -> bytes:
    """Blob of its base64. Raises InvalidInputError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError("the key's data are not base64: copy the whole line again") from None
