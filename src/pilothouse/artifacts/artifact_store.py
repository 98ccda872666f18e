"""Store of files named by the sha256 of their bytes, under ``sha256/ab/…``: read-only, shared by all who refer to them."""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, NotFoundError, UnavailableError
from pilothouse.domain.identifiers import check_digest
from pilothouse.system.files import sync_folder

_CHUNK = 1 << 20


class ArtifactStore:
    """Files of one workspace. None is ever changed or removed here."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "sha256"

    def put_bytes(self, data: bytes) -> str:
        """Store ``data`` durably and return its digest. Raises UnavailableError (disk)."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            with _Incoming(self._folder) as incoming:
                incoming.write(data)
                incoming.keep(self._path_of(digest))
        return digest

    def put_file(self, path: Path) -> str:
        """Copy a file in durably and return the digest of the bytes copied. Raises NotFoundError, UnavailableError."""
        digest = hashlib.sha256()
        # Hashed while it is copied: what is stored is what was hashed, even if the file changes meanwhile.
        with _Incoming(self._folder) as incoming:
            try:
                source = path.open("rb")
            except OSError as error:
                raise NotFoundError(f"{path} cannot be read: {error.strerror}") from error
            with source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    incoming.write(chunk)
            if not self.has(digest.hexdigest()):
                incoming.keep(self._path_of(digest.hexdigest()))
        return digest.hexdigest()

    def read(self, digest: str) -> bytes:
        """Bytes of an artifact, hashed after they were read. Raises NotFoundError, or IntegrityError where they have
        changed."""
        try:
            data = self.path(digest).read_bytes()
        except OSError as error:
            raise UnavailableError(f"artifact {digest} cannot be read: {error.strerror}") from error
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise IntegrityError(
                f"artifact {digest} is damaged: its bytes have the digest {actual}; restore it from a backup"
            )
        return data

    def path(self, digest: str) -> Path:
        """Path of the file. Raises InvalidInputError (not a digest) or NotFoundError."""
        path = self._path_of(digest)
        if not path.is_file():
            raise NotFoundError(
                f"there is no artifact {digest}: it was never stored here, or its file was removed"
            )
        return path

    def has(self, digest: str) -> bool:
        """True if the file exists. Raises InvalidInputError."""
        return self._path_of(digest).is_file()

    def size(self, digest: str) -> int:
        """Size of the file in bytes. Raises InvalidInputError or NotFoundError."""
        return self.path(digest).stat().st_size

    def digests(self) -> Iterator[str]:
        """Every digest, in order."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(file.name for file in folder.iterdir() if len(file.name) == 64)

    def _path_of(self, digest: str) -> Path:
        return self._folder / check_digest(digest)[:2] / digest


class _Incoming:
    """Temporary file in the store's folder: written, flushed to disk, then renamed to its digest; removed if anything
    fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "_Incoming":
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".incoming-", dir=self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error
        self._file, self._path = os.fdopen(handle, "wb"), Path(name)
        return self

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _failed(self._folder, error) from error

    def keep(self, path: Path) -> None:
        try:
            self._file.flush()
            with contextlib.suppress(PermissionError):  # a confined process may not change modes
                os.fchmod(self._file.fileno(), 0o444)
            os.fsync(self._file.fileno())
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                sync_folder(path.parent.parent)  # the new folder's name must survive a power cut too
            self._move(path)
            sync_folder(path.parent)
        except OSError as error:
            raise _failed(path, error) from error

    def _move(self, path: Path) -> None:
        try:
            self._path.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # Under the first version of Landlock no file changes its folder: it is written again beside its place.
            beside = path.with_name(self._path.name)
            with self._path.open("rb") as source, beside.open("xb") as copy:
                shutil.copyfileobj(source, copy, _CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            beside.replace(path)
            self._path.unlink()

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # the write that failed has been reported; closing flushes, and fails, once more
        finally:
            self._path.unlink(missing_ok=True)


def _failed(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path} cannot be written: {error.strerror}: check the disk, then try again")
