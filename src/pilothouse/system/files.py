"""Files that are whole or absent, and digests of the bytes that are really in them."""

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError, NotFoundError
from pilothouse.domain.formats import bounded_json

_CHUNK = 1 << 20
_TEMPORARY_MODE = 0o600
"""Mode that mkstemp(3) gives a file."""


def write_atomically(path: Path, data: bytes, mode: int = 0o600, *, durably: bool = True) -> None:
    """Write ``data`` to ``path``: readers see the old bytes or all of the new ones; where it is done ``durably``, also after a
    power cut."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if mode != _TEMPORARY_MODE:  # a confined process may not change modes
                os.fchmod(stream.fileno(), mode)
            if durably:  # before the rename: else a power cut may leave the new name with empty bytes
                os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk is told of the descriptor alone
        raise
    if durably:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make the bytes of a file survive a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames and removals inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> str:
    """sha256 of the file's bytes, 64 lower-case hex digits. The file is read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """Content of a JSON file. Raises NotFoundError where there is none, IntegrityError where it is not JSON."""
    return parse_json(read_bytes(path), path)


def read_plain_file(path: Path, limit: int) -> bytes:
    """Bytes of a file that a less trusted process wrote: never through a link, never a device, never too long.

    Raises NotFoundError where there is none, IntegrityError where it is not a regular file within ``limit`` bytes.
    """
    try:
        # O_NONBLOCK: opening a FIFO would otherwise wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file") from None
    except OSError as error:
        raise IntegrityError(f"{path}: expected a regular file: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise IntegrityError(f"{path}: expected a regular file, found something else")
        if facts.st_size > limit:
            raise IntegrityError(f"{path}: {facts.st_size:,} bytes, expected at most {limit:,}")
        return stream.read(limit)


def read_bytes(path: Path) -> bytes:
    """Bytes of a file. Raises NotFoundError where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file") from None


def parse_json(data: bytes, path: Path) -> Any:
    """Content of JSON bytes that came from ``path``. Raises IntegrityError."""
    try:
        return bounded_json.parse_json(data)
    except bounded_json.JsonError as error:
        raise IntegrityError(f"{path}: not JSON: {error}") from None
