"""Certificates of SSH: a key that an authority has signed for some names and for some time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.ssh_wire import LONGEST, Reader, string
from pilothouse.domain.identity.ssh_keys import CERTIFICATE, KINDS
from pilothouse.signing.keys import PublicKey, check_signature, parse_blob, skip_fields

_USER = 1
_KNOWN_OPTIONS = frozenset({b"force-command", b"source-address", b"verify-required"})
_FOREVER = 2**64 - 1
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate whose authority's signature holds. Whether the authority is known is for the caller to ask."""

    key: PublicKey
    """The key that it certifies."""
    authority: PublicKey
    key_id: str
    serial: int
    principals: tuple[str, ...]
    valid_after: int
    """Seconds since 1970."""
    valid_before: int
    verify_required: bool
    """True where a device must have asked for PIN or finger."""
    restrictions: tuple[str, ...]
    """Options that bind a login to an address or a command, which nobody can hold a signature to."""
    blob: bytes

    @property
    def ends(self) -> datetime | None:
        """When it ends; None: never, or after all the times there are."""
        return datetime.fromtimestamp(self.valid_before, UTC) if self.valid_before <= _LAST_SECOND else None

    def check_unrestricted(self) -> None:
        """Raise InvalidInputError where it is for some logins alone: a signature is none of them."""
        if self.restrictions:
            raise InvalidInputError(
                f"the certificate {self.key_id!r} is restricted to logins ({', '.join(self.restrictions)}): "
                "sign with a certificate without that option"
            )

    def check(self, principal: str, at: datetime) -> None:
        """Raise InvalidInputError unless it is for this name and this time. One for no name is for nobody."""
        if principal not in self.principals:
            named = ", ".join(self.principals) or "nobody"
            raise InvalidInputError(f"the certificate {self.key_id!r} is for {named}, not for {principal}")
        seconds = int(at.timestamp())
        if seconds < self.valid_after:
            raise InvalidInputError(
                f"the certificate {self.key_id!r} is valid from {_shown(self.valid_after)} on"
            )
        if seconds >= self.valid_before:
            raise InvalidInputError(f"the certificate {self.key_id!r} expired at {_shown(self.valid_before)}")


def _shown(seconds: int) -> str:
    return f"{datetime.fromtimestamp(min(seconds, _LAST_SECOND), UTC):%Y-%m-%d %H:%M} UTC"


def is_certificate(blob: bytes) -> bool:
    """True where the bytes say that they are a certificate."""
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length].endswith(CERTIFICATE.encode())


def parse_certificate(blob: bytes) -> Certificate:
    """Certificate of a user of these bytes, with the signature of its authority checked. Raises InvalidInputError."""
    certificate, signed, signature = _read(blob)
    try:
        check_signature(certificate.authority, signature, signed)
    except InvalidInputError:
        raise InvalidInputError(
            f"the certificate {certificate.key_id!r} is not signed by the authority that it names"
        ) from None
    return certificate


def read_certificate(blob: bytes) -> Certificate:
    """Certificate of a user of these bytes, whose signature sshd has checked or will check: it is not checked here. Raises
    InvalidInputError."""
    return _read(blob)[0]


def _read(blob: bytes) -> tuple[Certificate, bytes, bytes]:
    """Certificate, the bytes that its authority has signed, and the signature."""
    if len(blob) > LONGEST:
        raise InvalidInputError("the certificate is too long")
    reader = Reader(blob, "the certificate")
    name = reader.text()
    kind = name.removesuffix(CERTIFICATE)
    if kind.startswith("sk-"):
        kind += "@openssh.com"
    if not name.endswith(CERTIFICATE) or kind not in KINDS:
        raise InvalidInputError(f"the certificate is of the kind {name[:60]!r}, which is not known")
    reader.string()  # a nonce
    key = parse_blob(string(kind) + skip_fields(kind, reader))
    serial, role = reader.uint64(), reader.uint32()
    key_id = reader.text()
    principals = tuple(name.decode("utf-8", "replace") for name in reader.strings())
    valid_after, valid_before = reader.uint64(), reader.uint64()
    options = _names(reader.string())
    reader.string()  # extensions: what a login with it may do
    reader.string()  # reserved
    authority = parse_blob(reader.string())
    signed = blob[: reader.position]
    signature = reader.string()
    reader.end()
    if role != _USER:
        raise InvalidInputError(f"the certificate {key_id!r} is for a host, not for a person")
    if unknown := options - _KNOWN_OPTIONS:
        raise InvalidInputError(
            f"the certificate {key_id!r} has an option that is not known: {min(unknown)[:60]!r}"
        )
    certificate = Certificate(
        key,
        authority,
        key_id,
        serial,
        principals,
        valid_after,
        min(valid_before, _FOREVER),
        b"verify-required" in options,
        tuple(sorted(name.decode() for name in options - {b"verify-required"})),
        blob,
    )
    return certificate, signed, signature


def _names(options: bytes) -> set[bytes]:
    """Names of options, each of which is followed by its value."""
    reader, names = Reader(options, "the certificate"), set()
    while not reader.is_at_end:
        names.add(reader.string())
        reader.string()
    return names
