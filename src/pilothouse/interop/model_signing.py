"""Signature over the files of a model in the form of OpenSSF Model Signing 1.0: a Sigstore bundle around an in-toto statement.

``model_signing verify key FOLDER --signature FILE --public_key KEY`` checks it.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"


def statement(name: str, digests: Mapping[str, str]) -> dict[str, Any]:
    """In-toto statement about the files of a folder, by their paths in it: sha256 of each, and of all of these in order."""
    ordered = sorted(digests)
    whole = hashlib.sha256(b"".join(bytes.fromhex(digests[path]) for path in ordered)).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "resources": [{"name": path, "algorithm": "sha256", "digest": digests[path]} for path in ordered],
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [],
            },
        },
    }


def pre_authentication_encoding(payload: bytes) -> bytes:
    """The bytes that are signed (DSSE 1.0)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def bundle(
    name: str, digests: Mapping[str, str], *, public: bytes, sign: Callable[[bytes], bytes]
) -> dict[str, Any]:
    """Bundle with the signature. ``public``: the key's public part as PEM, by whose sha256 verifiers know it."""
    payload = json.dumps(statement(name, digests)).encode()
    signature = sign(pre_authentication_encoding(payload))
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(public).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }
