"""Bundles of OpenSSF Model Signing, beside one that ``model-signing`` 1.1.1 made."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pilothouse.interop import model_signing, signing_keys

STORED = Path(__file__).parent / "signed_by_model_signing"


def _check(public: bytes, bundle: dict[str, object]) -> dict[str, object]:
    """Statement of a bundle whose signature holds. Raises InvalidSignature."""
    envelope = bundle["dsseEnvelope"]
    assert isinstance(envelope, dict)
    payload = base64.b64decode(envelope["payload"])
    key = load_pem_public_key(public)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signed = model_signing.pre_authentication_encoding(payload)
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed, ec.ECDSA(hashes.SHA256()))
    statement: dict[str, object] = json.loads(payload)
    return statement


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_our_statement_is_that_of_the_reference_implementation() -> None:
    stored = json.loads((STORED / "model.sig").read_text())
    theirs = _check((STORED / "key.pem").read_bytes(), stored)
    theirs["predicate"]["serialization"]["ignore_paths"] = []  # type: ignore[index]  # its own default
    ours = model_signing.statement("model", _digests(STORED / "model"))
    assert ours == theirs
    bundle = model_signing.bundle(
        "model", _digests(STORED / "model"), public=(STORED / "key.pem").read_bytes(), sign=lambda data: b"x"
    )
    assert bundle.keys() == stored.keys()
    assert bundle["mediaType"] == stored["mediaType"]
    assert bundle["verificationMaterial"] == stored["verificationMaterial"]
    assert bundle["dsseEnvelope"].keys() == stored["dsseEnvelope"].keys()


def test_a_bundle_holds_for_its_files_and_its_key_alone() -> None:
    private = signing_keys.make_key()
    public = signing_keys.public_part(private)
    made = model_signing.bundle(
        "m", {"b": "22" * 32, "a": "11" * 32}, public=public, sign=lambda d: signing_keys.sign(private, d)
    )
    statement = _check(public, made)
    assert [one["name"] for one in statement["predicate"]["resources"]] == ["a", "b"]  # type: ignore[index]
    with pytest.raises(InvalidSignature):
        _check(signing_keys.public_part(signing_keys.make_key()), made)


def test_a_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="P-256"):
        signing_keys.sign(other, b"data")
