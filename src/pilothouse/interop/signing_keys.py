"""Keys of the curve P-256 with which a workspace signs what it hands out. Everybody's tools read their PEM."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def make_key() -> bytes:
    """A new private key as PKCS #8 PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_part(private: bytes) -> bytes:
    """The public key of a private one as PEM. Raises ValueError where it is no P-256 key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _loaded(private).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(private: bytes, data: bytes) -> bytes:
    """Signature over data (ECDSA with SHA-256, as DER). Raises ValueError where it is no P-256 key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return _loaded(private).sign(data, ec.ECDSA(hashes.SHA256()))


def fingerprint(public: bytes) -> str:
    """sha256 over the PEM of a public key: the name that Model Signing gives it."""
    return hashlib.sha256(public).hexdigest()


def verifies(public: bytes, data: bytes, signature: bytes) -> bool:
    """True where the signature is one of the key over data. Raises ValueError where it is no P-256 key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("not a public key of the curve P-256")
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _loaded(private: bytes) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("not a private key of the curve P-256")
    return key
