"""The SQLite library in use: which module, whether its WAL is safe, where a database may lie, what its errors mean."""

import importlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from pilothouse.domain.errors import ConflictError, IntegrityError, UnavailableError

Connection: TypeAlias = sqlite3.Connection
Row: TypeAlias = sqlite3.Row


def _choose_module() -> ModuleType:
    """``pysqlite3`` brings a current SQLite; where it has no wheel the standard module serves behind the same gate."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return importlib.import_module("sqlite3")


sqlite = _choose_module()
"""The one module whose connections and exceptions the store uses; theirs are not each other's subclasses."""

_NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "beegfs",
        "fuse",
    }
)


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """False for SQLite releases whose WAL reset can corrupt a database: 3.7.0 to 3.51.2 without the back-ported fix."""
    for branch, fixed in (((3, 44), 6), ((3, 50), 7)):
        if version[:2] == branch:
            return version[2] >= fixed
    return version[:3] >= (3, 51, 3) or version[:3] < (3, 7, 0)


def check_library(version: tuple[int, ...] | None = None) -> None:
    """Raise UnavailableError where the SQLite in use could corrupt the database."""
    version = version or sqlite.sqlite_version_info
    if not wal_is_safe(version):
        raise UnavailableError(
            f"SQLite {'.'.join(map(str, version))} has the WAL-reset bug, which corrupts databases; expected 3.51.3 or "
            "later (or 3.50.7, 3.44.6): install the package pysqlite3, or a newer SQLite"
        )


def file_system_of(path: Path, mounts: str | None = None) -> str:
    """The kind of file system that ``path`` lies on, from the kernel's mount table; empty where that is unknown."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text()
        except OSError:
            return ""
    place, found, best = path.resolve(), "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mount = Path(fields[4].encode().decode("unicode_escape"))
        # Of two mounts on one place the later one hides the earlier.
        if (place == mount or mount in place.parents) and len(mount.parts) >= best:
            found, best = after.split()[0], len(mount.parts)
    return found


def check_place(path: Path, mounts: str | None = None) -> None:
    """Raise UnavailableError where ``path`` lies on a network file system: WAL's shared memory does not work there."""
    kind = file_system_of(path, mounts)
    if kind in _NETWORK_FILE_SYSTEMS or kind.startswith("fuse."):
        raise UnavailableError(
            f"{path} lies on {kind}, a network or user-space file system, where SQLite's WAL is unsafe: "
            "keep the workspace on a local disk"
        )


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Turn the library's errors into ours, each with what to do. A misuse of the library stays what it is."""
    try:
        yield
    except sqlite.IntegrityError as error:
        raise ConflictError(f"the registry refused the change: {error}; look again and repeat it") from error
    except sqlite.DatabaseError as error:
        named = _name_error(error, path)
        if named is None:
            raise
        raise named from error


def _name_error(error: Exception, path: Path) -> Exception | None:
    """The primary result code is the low byte of SQLite's extended code."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    match code & 0xFF:
        case sqlite.SQLITE_FULL:
            return UnavailableError(
                f"the disk that holds {path} is full: make room and try again; nothing was changed"
            )
        case sqlite.SQLITE_BUSY | sqlite.SQLITE_LOCKED:
            return UnavailableError(f"{path} is locked by another process: try again; nothing was changed")
        case sqlite.SQLITE_CORRUPT | sqlite.SQLITE_NOTADB:
            return IntegrityError(
                f"{path} is damaged or is not a registry ({error}): restore a backup into a new folder"
            )
        case sqlite.SQLITE_CANTOPEN:
            return UnavailableError(
                f"{path} cannot be opened: check that it exists and that you may read and write it"
            )
        case sqlite.SQLITE_READONLY | sqlite.SQLITE_PERM | sqlite.SQLITE_AUTH:
            return UnavailableError(
                f"{path} cannot be written: check the permissions of the file and its folder"
            )
        case sqlite.SQLITE_IOERR:
            return UnavailableError(
                f"reading or writing {path} failed ({error}): check the disk, then try again"
            )
        case _:
            return None
