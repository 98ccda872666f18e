"""Store of files named by the sha256 of their bytes, under ``sha256/ab/…``: read-only, shared by all who refer to them."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from pilothouse.domain.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError
from pilothouse.domain.identifiers import check_digest
from pilothouse.system.files import read_plain_file, sync_file, sync_folder, write_atomically

_CHUNK = 1 << 20


_ERASED = ".erased"
"""End of the name of the mark that stands where a file was that has lost rows."""
_INCOMING = ".incoming-"
"""Beginning of the name of a copy that is not finished."""
_LONGEST_CHAIN = 10_000
_LONGEST_MARK = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands in the place of a file whose rows were erased: how many of them, and the digest of what is left."""

    digest: str
    left: str
    rows: int
    of_rows: int
    plan: str
    """Digest of the erasure's plan."""


class ArtifactStore:
    """Files of one workspace. None is ever changed. One is removed where rows of it are erased (``erase``), and then a mark
    stands in its place, or where nothing names it (``operations/upkeep/unused_files.py``). Its time of change is when it was
    last put."""

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        """``durable``: what is put survives a power cut; otherwise only once it was given to ``sync``."""
        self._folder = root / "sha256"
        self._durable = durable

    def put_bytes(self, data: bytes) -> str:
        """Store ``data`` durably and return its digest. Raises ConflictError (rows of it were erased) or UnavailableError."""
        digest = hashlib.sha256(data).hexdigest()
        self._check_not_erased(digest)
        if not self._is_here(digest):
            with _Incoming(self._folder) as incoming:
                incoming.write(data)
                incoming.keep(self._path_of(digest), durably=self._durable)
        return digest

    def sync(self, digests: Iterable[str]) -> None:
        """Make files that are still here survive a power cut. Raises OSError."""
        for digest in digests:
            path = self._path_of(digest)
            with contextlib.suppress(FileNotFoundError):
                sync_file(path)
                sync_folder(path.parent)
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self._folder)

    def put_file(self, path: Path) -> str:
        """Copy a file in durably and return the digest of the bytes copied. Raises NotFoundError, ConflictError (rows of it
        were erased) or UnavailableError."""
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
            self._check_not_erased(digest.hexdigest())
            if not self._is_here(digest.hexdigest()):
                incoming.keep(self._path_of(digest.hexdigest()))
        return digest.hexdigest()

    def put_chunks(self, chunks: Iterable[bytes], most: int) -> tuple[str, int] | None:
        """Store what comes in parts, durably; returns its digest and size, None where it is larger than ``most`` bytes.

        Raises ConflictError (rows of it were erased), UnavailableError, and what ``chunks`` raises.
        """
        parts = iter(chunks)
        head = bytearray()
        for chunk in parts:
            head += chunk
            if len(head) > most:
                return None
            if len(head) >= _CHUNK:
                break
        else:
            return self.put_bytes(bytes(head)), len(head)
        digest, size = hashlib.sha256(head), len(head)
        with _Incoming(self._folder) as incoming:
            incoming.write(bytes(head))
            for chunk in parts:
                size += len(chunk)
                if size > most:
                    return None
                digest.update(chunk)
                incoming.write(chunk)
            name = digest.hexdigest()
            self._check_not_erased(name)
            if not self.has(name):
                incoming.keep(self._path_of(name))
        return name, size

    def erase(self, mark: Mark, rest: bytes) -> None:
        """Replace a file by what is left of it, under its own digest, and by a mark. Twice is as good as once, also after an
        end in the middle. Raises IntegrityError where ``rest`` has not the digest that the mark says, UnavailableError (disk).
        """
        if self.put_bytes(rest) != mark.left:
            raise IntegrityError(
                f"what is left of artifact {mark.digest} has another digest than {mark.left}"
            )
        path = self._mark_of(mark.digest)
        try:
            if not path.exists():
                write_atomically(path, json.dumps(asdict(mark), sort_keys=True).encode(), 0o444)
            self._path_of(mark.digest).unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise _failed(path, error) from error

    def mark(self, digest: str) -> Mark | None:
        """Mark in the place of a file that has lost rows; None for any other. Raises IntegrityError where it is no mark."""
        path = self._mark_of(digest)
        if not path.exists():
            return None
        try:
            plain = json.loads(read_plain_file(path, _LONGEST_MARK))
            mark = Mark(**plain)
            if mark.digest != digest or check_digest(mark.left) == digest:
                raise ValueError("it is of another file")
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"{path} is no mark of an erasure ({error}); restore a backup") from None
        return mark

    def left_of(self, digest: str) -> str:
        """Digest of what is left of a file after all erasures; its own where it has lost nothing."""
        for _ in range(_LONGEST_CHAIN):
            mark = None if self.has(digest) else self.mark(digest)
            if mark is None:
                return digest
            digest = mark.left
        raise IntegrityError(f"artifact {digest}: the marks of its erasures lead nowhere; restore a backup")

    def marks(self) -> Iterator[Mark]:
        """Every mark, in the order of the files."""
        for path in sorted(self._folder.glob(f"[0-9a-f][0-9a-f]/*{_ERASED}")):
            mark = self.mark(path.name.removesuffix(_ERASED))
            if mark is not None:
                yield mark

    def mark_path(self, digest: str) -> Path:
        """Path of a file's mark, which need not be there."""
        return self._mark_of(digest)

    def read(self, digest: str) -> bytes:
        """Bytes of an artifact, hashed after they were read. Raises NotFoundError, or IntegrityError where they have
        changed."""
        try:
            data = self.path(digest).read_bytes()
        except OSError as error:
            raise UnavailableError(f"artifact {digest} cannot be read: {error.strerror}") from error
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise _damaged(digest, actual)
        return data

    def open_verified(self, digest: str) -> tuple[IO[bytes], int]:
        """The file, opened at its begin after all of it was hashed, and its size; for one that is too large to be held.
        Raises as ``read`` does."""
        path = self.path(digest)
        try:
            file = path.open("rb")
        except OSError as error:
            raise UnavailableError(f"artifact {digest} cannot be read: {error.strerror}") from error
        try:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
        except OSError as error:
            file.close()
            raise UnavailableError(f"artifact {digest} cannot be read: {error.strerror}") from error
        if actual != digest:
            file.close()
            raise _damaged(digest, actual)
        return file, size

    def path(self, digest: str) -> Path:
        """Path of the file. Raises InvalidInputError (not a digest) or NotFoundError."""
        path = self._path_of(digest)
        if not path.is_file():
            if (mark := self.mark(digest)) is not None:
                raise NotFoundError(
                    f"artifact {digest} is not there any more: {mark.rows:,} of its {mark.of_rows:,} rows were erased, and "
                    f"what is left has the digest {mark.left}; pilothouse erase list names the tombstone"
                )
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

    def files(self) -> Iterator[Path]:
        """Paths of all files in order, and of copies that are on their way or were never finished; not of marks."""
        yield from sorted(self._folder.glob(f"{_INCOMING}*"))
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if len(path.name) == 64 or path.name.startswith(_INCOMING):
                    yield path

    def _is_here(self, digest: str) -> bool:
        """True where the file is there already; it counts as put anew, so that it is not removed as old."""
        try:
            os.utime(self._path_of(digest))
        except FileNotFoundError:
            return False
        except OSError:  # a disk that cannot be written, or another's file: then nobody removes it either
            return self.has(digest)
        return True

    def _check_not_erased(self, digest: str) -> None:
        """Raise ConflictError where a file has lost rows, so that it is not to come back whole."""
        if (mark := self.mark(digest)) is not None:
            raise ConflictError(
                f"{mark.rows:,} of these {mark.of_rows:,} rows were erased (pilothouse erase list), and are still in what they "
                "were read from: erase them there, then run it again"
            )

    def _path_of(self, digest: str) -> Path:
        return self._folder / check_digest(digest)[:2] / digest

    def _mark_of(self, digest: str) -> Path:
        path = self._path_of(digest)
        return path.with_name(path.name + _ERASED)


class _Incoming:
    """Temporary file in the store's folder: written, flushed to disk, then renamed to its digest; removed if anything
    fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "_Incoming":
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_INCOMING, dir=self._folder)
        except OSError as error:
            raise _failed(self._folder, error) from error
        self._file, self._path = os.fdopen(handle, "wb"), Path(name)
        return self

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _failed(self._folder, error) from error

    def keep(self, path: Path, *, durably: bool = True) -> None:
        try:
            self._file.flush()
            with contextlib.suppress(PermissionError):  # a confined process may not change modes
                os.fchmod(self._file.fileno(), 0o444)
            if durably:
                os.fsync(self._file.fileno())
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                if durably:
                    sync_folder(path.parent.parent)  # the new folder's name must survive a power cut too
            self._move(path)
            if durably:
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


def _damaged(digest: str, actual: str) -> IntegrityError:
    return IntegrityError(
        f"artifact {digest} is damaged: its bytes have the digest {actual}; restore it from a backup"
    )


def _failed(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path} cannot be written: {error.strerror}: check the disk, then try again")
