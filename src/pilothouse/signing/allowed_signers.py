"""Files that ssh-keygen reads when it verifies: allowed signers, and keys that were revoked (KRL)."""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.domain.formats.ssh_wire import string
from pilothouse.signing.keys import PublicKey

_KRL_MAGIC = b"SSHKRL\n\0"
_KRL_VERSION = 1
_EXPLICIT_KEYS = 2
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._@+-]")


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """Key of a person, valid from a time on and up to another one. ``is_authority``: it signs certificates for the name."""

    name: str
    key: PublicKey
    valid_after: datetime | None = None
    valid_before: datetime | None = None
    is_authority: bool = False


def principal(name: str) -> str:
    """Name of a person as it stands in the file and after ``-I``: what is a pattern or a separator there is written as its
    number."""
    return "".join(
        c if _PLAIN_NAME.fullmatch(c) else "".join(f"%{b:02X}" for b in c.encode("utf-8")) for c in name
    )


def time_option(at: datetime) -> str:
    """Time as ssh-keygen reads it, also in ``-Overify-time=``."""
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}Z"


def allowed_signers(signers: Iterable[AllowedSigner], namespace: str) -> str:
    """Content of the file."""
    lines = []
    for signer in signers:
        options = ["cert-authority"] if signer.is_authority else []
        options.append(f'namespaces="{namespace}"')
        if signer.valid_after is not None:
            options.append(f'valid-after="{time_option(signer.valid_after)}"')
        if signer.valid_before is not None:
            options.append(f'valid-before="{time_option(signer.valid_before)}"')
        lines.append(f"{principal(signer.name)} {','.join(options)} {signer.key.line}\n")
    return "".join(lines)


def revocation_list(keys: Iterable[PublicKey], at: datetime) -> bytes:
    """Key revocation list of whole keys (``PROTOCOL.krl``), as of a time."""
    blobs = sorted({key.blob for key in keys})
    section = b"".join(string(blob) for blob in blobs)
    seconds = int(at.timestamp())
    header = _KRL_MAGIC + struct.pack(">IQQQ", _KRL_VERSION, 1, seconds, 0) + string(b"") + string(b"")
    return header + (bytes([_EXPLICIT_KEYS]) + string(section) if blobs else b"")
