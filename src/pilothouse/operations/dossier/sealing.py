"""Seal of a folder that is handed out: a signed list of the sha256 of every file, and the program that checks it."""

from collections.abc import Mapping
from importlib import resources

from pilothouse.interop import signing_keys

MANIFEST, SIGNATURE, KEY = "manifest.sha256", "manifest.sig", "signing-key.pem"
_VERIFIER = ("verify.sh", "verify.py", "verify_folder.py", "verify_requests.py")
_PACKAGE = "pilothouse.operations.dossier.verifier"


def verifier_files() -> dict[str, bytes]:
    """``verify.sh`` and ``verify.py`` with its parts, which verify the folder in which they lie."""
    return {name: resources.files(_PACKAGE).joinpath(name).read_bytes() for name in _VERIFIER}


def seal(digests: Mapping[str, str], private: bytes) -> dict[str, bytes]:
    """Manifest of files by the sha256 of each, and its signature."""
    manifest = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()
    return {MANIFEST: manifest, SIGNATURE: signing_keys.sign(private, manifest)}
