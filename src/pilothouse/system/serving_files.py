"""Files that say who may ask a serving process and how: tokens of clients, certificate and key, at paths that a target names.

A serving process sees its own folder alone, so whoever starts it brings copies of them there, and again once they have changed.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.system.files import write_atomically
from pilothouse.system.paths import CLIENT_TOKENS, TLS_CERTIFICATE, TLS_KEY

_COPIES = "copied-files"
"""File in a process's folder that names the files which were brought there, a line each."""
_LARGEST_FILE = 1 << 20

Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ServingFiles:
    """Paths that a target names; empty where it names none."""

    tls_certificate: str = ""
    tls_key: str = ""
    client_tokens: str = ""

    def sources(self, root: Path) -> dict[str, Path]:
        """Files by their names in the folder of a process. Paths are relative to the workspace's folder."""
        named = {
            TLS_CERTIFICATE: self.tls_certificate,
            TLS_KEY: self.tls_key,
            CLIENT_TOKENS: self.client_tokens,
        }
        return {name: root / path for name, path in named.items() if path}


def in_force(root: Path, folder: Path, files: ServingFiles) -> dict[str, Path]:
    """Files that a process of ``folder`` is to be started with: those that its target names, and those that lie there."""
    copied = _copied(folder)
    own = {
        name: folder / name
        for name in (TLS_CERTIFICATE, TLS_KEY, CLIENT_TOKENS)
        if name not in copied and (folder / name).exists()
    }
    return own | files.sources(root)


def bring(root: Path, folder: Path, files: ServingFiles) -> None:
    """Copy the named files into the folder of a process, where they differ, and remove copies of those that are named no more.

    Raises UnavailableError where one cannot be read: what was copied before stays.
    """
    content = {name: _read(path) for name, path in files.sources(root).items()}
    before = _copied(folder)
    for name, data in content.items():
        here = folder / name
        if not here.is_file() or here.read_bytes() != data:
            write_atomically(here, data)
    for name in before - content.keys():
        (folder / name).unlink(missing_ok=True)
    if before != content.keys():
        write_atomically(folder / _COPIES, "".join(f"{name}\n" for name in sorted(content)).encode())


def marks(root: Path, files: ServingFiles) -> Mapping[str, Mark | None]:
    """Marks of the named files, which differ once one of them has changed; links are followed."""
    return {name: _mark(path) for name, path in files.sources(root).items()}


def faults(files: Mapping[str, Path], now: datetime) -> Iterator[str]:
    """What is wrong with the files of a process, by their names: each in one line."""
    readable = set()
    for name, path in files.items():
        try:
            _read(path)
            readable.add(name)
        except PilothouseError as error:
            yield str(error)
    pair = {TLS_CERTIFICATE, TLS_KEY}
    if len(pair & files.keys()) == 1:
        (there,) = pair & files.keys()
        yield f"{files[there]}: the {'key' if there == TLS_CERTIFICATE else 'certificate'} that belongs to it is missing"
    if not pair <= readable:
        return
    certificate, key = files[TLS_CERTIFICATE], files[TLS_KEY]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None)
        why = (
            "the key is not the certificate's"
            if reason == "KEY_VALUES_MISMATCH"
            else one_line(str(error), 200)
        )
        yield f"{certificate} with {key} cannot be used: {why}"
        return
    begins, ends = validity(certificate)
    if ends <= now:
        yield f"{certificate} expired on {ends:%Y-%m-%d %H:%M} UTC"
    elif begins > now:
        yield f"{certificate} is not valid before {begins:%Y-%m-%d %H:%M} UTC"


def validity(certificate: Path) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid: of its chain the time that all are. Raises UnavailableError."""
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(_read(certificate))
    except ValueError as error:
        raise UnavailableError(f"{certificate} is no certificate: {one_line(str(error), 200)}") from None
    return max(one.not_valid_before_utc for one in chain), min(one.not_valid_after_utc for one in chain)


def _no_password() -> str:
    raise ValueError("the key is encrypted; expected one without a password")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST_FILE:
        raise UnavailableError(f"{path} is longer than {_LARGEST_FILE:,} bytes")
    return data


def _copied(folder: Path) -> frozenset[str]:
    try:
        return frozenset((folder / _COPIES).read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()


def _mark(path: Path) -> Mark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
