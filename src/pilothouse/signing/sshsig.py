"""SSHSIG (``PROTOCOL.sshsig``): signatures of files by SSH keys, as ``ssh-keygen -Y`` makes and checks them."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.ssh_wire import Reader, string
from pilothouse.signing.certificates import Certificate, is_certificate, parse_certificate
from pilothouse.signing.keys import Device, PublicKey, check_signature, parse_blob

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_WIDTH = 70
_LONGEST = 64 << 10
_HASHES = ("sha512", "sha256")


@dataclass(frozen=True, slots=True)
class SshSignature:
    """Signature over some bytes in a namespace, which has not been checked yet."""

    key: PublicKey
    certificate: Certificate | None
    namespace: str
    hash_algorithm: str
    signature: bytes

    def check(self, message: bytes, namespace: str) -> Device | None:
        """Raise InvalidInputError unless it is over the message in the namespace; returns what a hardware key added."""
        if self.namespace != namespace:
            raise InvalidInputError(
                f"the signature is of the namespace {self.namespace[:60]!r}; "
                f"expected {namespace!r} (ssh-keygen -Y sign -n {namespace})"
            )
        device = check_signature(
            self.key, self.signature, bytes_to_sign(message, namespace, self.hash_algorithm)
        )
        if self.certificate and self.certificate.verify_required and not (device and device.verified):
            raise InvalidInputError(
                "the certificate asks for the PIN of the hardware key, which was not asked for"
            )
        return device


def bytes_to_sign(message: bytes, namespace: str, hash_algorithm: str = "sha512") -> bytes:
    """Bytes that a key signs in place of the message."""
    digest = hashlib.new(hash_algorithm, message).digest()
    return _MAGIC + string(namespace) + string(b"") + string(hash_algorithm) + string(digest)


def armored(key_blob: bytes, namespace: str, signature: bytes, hash_algorithm: str = "sha512") -> str:
    """Text of a signature as ssh-keygen writes it; ``key_blob`` of a certificate where one was used."""
    blob = (
        _MAGIC
        + _VERSION.to_bytes(4, "big")
        + string(key_blob)
        + string(namespace)
        + string(b"")
        + string(hash_algorithm)
        + string(signature)
    )
    return _wrapped(blob)


def by_plain_key(signature: SshSignature) -> str:
    """Text of a signature that names the key alone, without the certificate that was handed in with it: ssh-keygen looks for
    either among the allowed signers, not for both."""
    return armored(signature.key.blob, signature.namespace, signature.signature, signature.hash_algorithm)


def normalised(text: str) -> str:
    """Text of a signature as ssh-keygen takes it, whatever terminals and mails made of it: other line ends, blanks round it, no
    last newline. Raises InvalidInputError where it holds no signature."""
    if len(text) > _LONGEST:
        raise InvalidInputError(f"the signature has {len(text):,} characters; expected {_LONGEST:,} at most")
    found = re.search(rf"{_BEGIN}(.*?){_END}", text, re.DOTALL)
    if found is None:
        raise InvalidInputError(f"no signature is there: expected the lines from {_BEGIN} to {_END}")
    encoded = re.sub(r"[\s\ufeff>]+", "", found[1])
    try:
        return _wrapped(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidInputError("the signature is damaged: what is between its lines is not base64") from None


def parse(text: str) -> SshSignature:
    """Signature of a text. Raises InvalidInputError."""
    body = normalised(text).removeprefix(_BEGIN).strip().removesuffix(_END)
    reader = Reader(base64.b64decode(body), "the signature")
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise InvalidInputError("the signature is not one of ssh-keygen -Y sign")
    version = reader.uint32()
    if version != _VERSION:
        raise InvalidInputError(f"the signature is of version {version}; expected {_VERSION}")
    blob, namespace = reader.string(), reader.text()
    reader.string()  # reserved
    hash_algorithm, signature = reader.text(), reader.string()
    reader.end()
    if hash_algorithm not in _HASHES:
        raise InvalidInputError(f"the signature is over {hash_algorithm[:60]!r}; expected sha512 or sha256")
    certificate = parse_certificate(blob) if is_certificate(blob) else None
    key = certificate.key if certificate else parse_blob(blob)
    return SshSignature(key, certificate, namespace, hash_algorithm, signature)


def _wrapped(blob: bytes) -> str:
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[start : start + _WIDTH] for start in range(0, len(encoded), _WIDTH)]
    return "\n".join((_BEGIN, *lines, _END)) + "\n"
