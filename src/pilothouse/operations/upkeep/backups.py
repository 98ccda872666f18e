"""A consistent copy of a live workspace in one tar.

The order makes the copy consistent without stopping anybody: telemetry, then the registry, then artifacts and model files.
Telemetry never names a version that the registry lacks; every artifact that the registry names was stored before its row and
is never removed. The last entry, ``manifest.json``, lists every file with its digest: a copy without it is not complete. The
copy leaves out data that model files point to outside ``models``, the folders of jobs (a run's files are artifacts) and the
spools of serving processes.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.records import AuditHead
from pilothouse.domain.workspace_files import WORKSPACE_FILES
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep.restores import ARTIFACTS, FORMAT, MANIFEST, MODELS, REGISTRY, TELEMETRY
from pilothouse.sqlite import Progress
from pilothouse.sqlite.database import copy_database
from pilothouse.store.log import audit
from pilothouse.store.models.used_versions import read_as_it_is
from pilothouse.system.destinations import check_outside_state
from pilothouse.system.files import sync_folder
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.turns import turn

_SKIPPED = frozenset({"__pycache__", ".git", ".venv", "venv", "node_modules"})

_BYTES_SAID = 64 << 20
"""Bytes of one file after which it is told how many there are."""
_SAID_EVERY = 1_000
"""Files after which it is told how many there are."""


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """Content of a backup. ``digest`` is the sha256 of the file: keep it elsewhere, with the head of the audit log."""

    file: Path
    digest: str
    bytes: int
    files: int
    audit_count: int
    audit_hash: str
    skipped: tuple[str, ...] = ()
    """Links and special files among the model files, which are not copied."""


@dataclass
class _Archive:
    tar: tarfile.TarFile
    say: Callable[[str], None]
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def add(self, name: str, path: Path, mode: int) -> None:
        """Add a regular file; its digest is that of the bytes written."""
        try:
            with path.open("rb") as stream:
                entry = _entry(name, os.fstat(stream.fileno()).st_size, mode)
                hashing = _Hashing(
                    stream, lambda done: self.say(f"{name}: {done:,} of {entry.size:,} bytes packed")
                )
                self.tar.addfile(entry, hashing)
        except FileNotFoundError:
            raise UnavailableError(f"{path} went away while it was copied: try again") from None
        except OSError as error:
            raise UnavailableError(
                f"{path} cannot be copied: {error}: check the disk, then try again"
            ) from error
        self.files[name] = {"bytes": entry.size, "sha256": hashing.digest.hexdigest()}
        if len(self.files) % _SAID_EVERY == 0:
            self.say(f"{len(self.files):,} files packed")

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a file from memory, without listing it."""
        self.tar.addfile(_entry(name, len(data), 0o600), io.BytesIO(data))


class _Hashing(io.RawIOBase):
    """Reader of a file, or writer of one, that hashes the bytes; ``told`` is told their number now and then."""

    def __init__(self, stream: IO[bytes], told: Callable[[int], None] | None = None) -> None:
        self._stream = stream
        self._told = told
        self._done = self._said = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        self._done += len(data)
        if self._told is not None and self._done - self._said >= _BYTES_SAID:
            self._said = self._done
            self._told(self._done)
        return data

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._stream.write(data)

    def tell(self) -> int:
        return self._stream.tell()


def backup(
    services: Services, actor: Actor, file: Path, tell: Callable[[str], None] | None = None
) -> BackupSummary:
    """Copy the live workspace into ``file``, which must not exist; it appears whole or not at all. ``tell`` is told how far it
    is.

    Raises NotAllowedError, ConflictError (the file exists), InvalidInputError (a path inside
    the copied folders) or UnavailableError (disk, or an erasure is being carried out).
    """
    authorise(services, actor, Permission.BACKUP)
    summary = copy_as_it_is(services.paths, services.artifacts, actor.name, services.now(), file, tell)
    with changing(services, actor, Permission.BACKUP) as change:
        change.record(
            "workspace.backed_up",
            "workspace",
            {"file": file.name, "sha256": summary.digest, "bytes": summary.bytes, "files": summary.files},
        )
    return summary


def copy_as_it_is(
    paths: WorkspacePaths,
    artifacts: ArtifactStore,
    by: str,
    at: datetime,
    file: Path,
    tell: Callable[[str], None] | None = None,
) -> BackupSummary:
    """Copy a workspace, also one of an older release, into ``file``; nothing in it is written. The caller has asked whether
    they may. Raises as ``backup``."""
    file = file.absolute()
    _check_destination(paths, file)
    busy = "an erasure is being carried out, and a copy is of before it or of after it: try again"
    with (
        turn(paths.copying_lock, busy, alone=False),
        _temporary(file) as (stream, scratch),
    ):
        hashing = _Hashing(stream)
        with tarfile.open(fileobj=hashing, mode="w", format=tarfile.PAX_FORMAT) as tar:
            archive = _Archive(tar, tell or (lambda text: None))
            head = _write(
                paths, artifacts, archive, scratch, {"created_at": at.isoformat(), "created_by": by}
            )
        stream.flush()
        os.fsync(stream.fileno())
        _publish(Path(stream.name), file)
    return BackupSummary(
        file,
        hashing.digest.hexdigest(),
        file.stat().st_size,
        len(archive.files),
        head.count,
        head.hash,
        tuple(archive.skipped),
    )


def _write(
    paths: WorkspacePaths, artifacts: ArtifactStore, archive: _Archive, scratch: Path, made: dict[str, str]
) -> AuditHead:
    def copied(name: str) -> Progress:
        return lambda done, total: archive.say(f"{name}: {done:,} of {total:,} pages copied")

    if paths.telemetry.exists():
        copy_database(paths.telemetry, scratch / "telemetry.db", copied(TELEMETRY))
        archive.add(TELEMETRY, scratch / "telemetry.db", 0o600)
        (scratch / "telemetry.db").unlink()  # before the next copy asks for as much room
    copy_database(paths.registry, scratch / "registry.db", copied(REGISTRY))
    archive.add(REGISTRY, scratch / "registry.db", 0o600)
    with read_as_it_is(scratch / "registry.db") as (connection, _):
        head = audit.head(connection)
    for digest in artifacts.digests():
        archive.add(f"{ARTIFACTS}/{digest[:2]}/{digest}", artifacts.path(digest), 0o444)
    for mark in artifacts.marks():
        path = artifacts.mark_path(mark.digest)
        archive.add(f"{ARTIFACTS}/{mark.digest[:2]}/{path.name}", path, 0o444)
    for name in WORKSPACE_FILES:
        if (paths.root / name).is_file():
            archive.add(name, paths.root / name, 0o644)
    for path in _regular_files(paths.models, archive):
        mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
        archive.add(f"{MODELS}/{path.relative_to(paths.models).as_posix()}", path, mode)
    manifest = {
        "format": FORMAT,
        **made,
        "audit": {"count": head.count, "hash": head.hash},
        "files": archive.files,
        "skipped": archive.skipped,
    }
    archive.add_bytes(MANIFEST, json.dumps(manifest, indent=1).encode())
    return head


def _regular_files(folder: Path, archive: _Archive) -> Iterator[Path]:
    todo = [folder] if folder.is_dir() else []
    while todo:
        for entry in sorted(todo.pop().iterdir()):
            if entry.name in _SKIPPED:
                continue
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                todo.append(entry)
            elif stat.S_ISREG(mode):
                yield entry
            else:
                archive.skipped.append(str(entry.relative_to(folder.parent)))


def _entry(name: str, size: int, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry


def _check_destination(paths: WorkspacePaths, file: Path) -> None:
    for folder in (paths.state, paths.models):
        if file.resolve().is_relative_to(folder.resolve()):
            raise InvalidInputError(f"{file} lies in what is backed up: name a path outside {folder}")
    check_outside_state(file)
    if file.exists() or file.is_symlink():
        raise ConflictError(f"{file} exists: a backup never overwrites; name another file")
    if not file.parent.is_dir():
        raise NotFoundError(f"{file.parent} is not a folder: make it, or name another one")


@contextlib.contextmanager
def _temporary(file: Path) -> Iterator[tuple[Any, Path]]:
    """A temporary file in the folder of ``file``, and a folder for copies of the databases; both are removed at the end."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    except OSError as error:
        raise UnavailableError(f"{file.parent} cannot be written: {error.strerror}") from error
    try:
        with (scratch / "backup.tar").open("xb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            yield stream, scratch
    except OSError as error:
        raise UnavailableError(
            f"{file} cannot be written: {error.strerror or error}: check the disk"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(temporary: Path, file: Path) -> None:
    """Give the complete file its name without overwriting another one."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        raise ConflictError(f"{file} exists: a backup never overwrites; name another file") from None
    except OSError:  # a file system without hard links
        if file.exists():
            raise ConflictError(f"{file} exists: a backup never overwrites; name another file") from None
        temporary.replace(file)
    sync_folder(file.parent)
