"""Certificates of the tests' own, signed by themselves."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def made_certificate(
    now: datetime,
    days: int = 30,
    begins: int = -9,
    encryption: serialization.KeySerializationEncryption | None = None,
    names: Sequence[str] = ("jfk.example",),
) -> tuple[bytes, bytes]:
    """A certificate that begins and ends so many days from ``now``, and its key, in PEM. ``names``: those it is for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
    )
    return certificate.public_bytes(pem), private
