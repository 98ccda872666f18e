"""Public keys and certificates of OpenSSH as lines and blobs (RFC 4253, PROTOCOL.certkeys): read and checked, never signed."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.domain.errors import InvalidInputError

HARDWARE = "sk-"
"""How the type of a key begins whose private part is in a device."""
_CERTIFICATE = "-cert-v01@openssh.com"
_FIELDS = {
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "ssh-rsa": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""Types of keys that are taken, each with the number of fields of its blob after the type."""
_SMALLEST_RSA = 2048
_LONGEST_LINE = 16_384
_LONGEST_COMMENT = 200
_FOR_USERS = 1
"""Type of a certificate for users, not for hosts."""
_NEVER_ENDS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: its type, its blob in base64, its comment."""

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
        return self.key_type.startswith(HARDWARE)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for a user: whose key, signed by which authority, for which names and how long (None: without end)."""

    key: PublicKey
    authority: PublicKey
    key_id: str
    serial: int
    principals: tuple[str, ...]
    valid_after: datetime
    valid_before: datetime | None


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
    if key_type.endswith(_CERTIFICATE):
        raise InvalidInputError("this is a certificate: add the key of the authority that signs such")
    if key_type not in _FIELDS:
        expected = ", ".join(_FIELDS)
        raise InvalidInputError(f"the line does not begin with a type of key that is taken: {expected}")
    return key_of(key_type, blob, comment.strip())


def key_of(key_type: str, text: str, comment: str = "") -> PublicKey:
    """Key of a type and a blob in base64. Raises InvalidInputError where they are not a whole key of that type."""
    blob = _decoded(text)
    reader = _Reader(blob)
    if reader.text() != key_type or key_type not in _FIELDS:
        raise InvalidInputError(f"the key's data are not those of a key of the type {key_type}")
    fields = [reader.string() for _ in range(_FIELDS[key_type])]
    reader.end()
    if key_type == "ssh-rsa" and (bits := int.from_bytes(fields[1]).bit_length()) < _SMALLEST_RSA:
        raise InvalidInputError(f"an RSA key of {bits} bits is too short: expected {_SMALLEST_RSA} at least")
    return PublicKey(key_type, base64.b64encode(blob).decode(), comment[:_LONGEST_COMMENT])


def is_certificate(key_type: str) -> bool:
    """True for the type of a certificate."""
    return key_type.endswith(_CERTIFICATE)


def read_certificate(key_type: str, text: str) -> Certificate:
    """Certificate of a type and a blob in base64. Its signature is sshd's to check. Raises InvalidInputError."""
    reader = _Reader(_decoded(text))
    plain_type = key_type.removesuffix(_CERTIFICATE)
    if plain_type.startswith(HARDWARE):
        plain_type += "@openssh.com"
    if reader.text() != key_type or plain_type not in _FIELDS:
        raise InvalidInputError(f"the data are not those of a certificate of the type {key_type}")
    reader.string()  # the nonce
    own = b"".join(_packed(part) for part in (plain_type.encode(), *_fields(reader, plain_type)))
    serial, kind = reader.number(8), reader.number(4)
    key_id = reader.text()
    listed = _Reader(reader.string())
    principals: list[str] = []
    while not listed.is_at_end:
        principals.append(listed.text())
    after, before = reader.number(8), reader.number(8)
    reader.string(), reader.string(), reader.string()  # critical options, extensions, reserved
    authority = reader.string()
    if kind != _FOR_USERS:
        raise InvalidInputError("the certificate is not one for users")
    return Certificate(
        key_of(plain_type, base64.b64encode(own).decode()),
        key_of(_Reader(authority).text(), base64.b64encode(authority).decode()),
        key_id,
        serial,
        tuple(principals),
        _time(after),
        None if before == _NEVER_ENDS else _time(before),
    )


def _fields(reader: "_Reader", plain_type: str) -> list[bytes]:
    return [reader.string() for _ in range(_FIELDS[plain_type])]


def _packed(part: bytes) -> bytes:
    return len(part).to_bytes(4) + part


def _time(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError("the key's data are not base64: copy the whole line again") from None


class _Reader:
    """Values of SSH's binary form, one after the other. Raises InvalidInputError at a value that is cut off."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._blob)

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def string(self) -> bytes:
        return self._take(self.number(4))

    def text(self) -> str:
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise InvalidInputError("the key's data hold a text that is not UTF-8") from None

    def end(self) -> None:
        if not self.is_at_end:
            raise InvalidInputError("the key's data do not end where the key ends: copy the line again")

    def _take(self, size: int) -> bytes:
        taken = self._blob[self._at : self._at + size]
        if len(taken) != size:
            raise InvalidInputError("the key's data are cut off: copy the whole line again")
        self._at += size
        return taken
