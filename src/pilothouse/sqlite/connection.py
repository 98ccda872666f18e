"""Connections: which SQLite library, whether it may be used here, and with which settings.

``pysqlite3`` and ``apsw`` bring a current SQLite; their exceptions need not be those of the standard module, so every
caller takes the module from here (``driver``).
"""

import importlib
import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from pilothouse.domain.errors import UnavailableError

Connection: TypeAlias = sqlite3.Connection
Row: TypeAlias = sqlite3.Row
"""Row class; like Connection it is the driver's own at run time, and the standard module's has the same interface."""

_DRIVERS = ("pysqlite3.dbapi2", f"{__package__}.apsw_driver", "sqlite3.dbapi2")
"""Modules in the order in which they are tried. pysqlite3 has wheels for x86-64 alone; apsw has them for ARM too, at the
cost of a layer between."""

BUSY_TIMEOUT_MS = 10_000
"""Milliseconds that SQLite itself waits for a lock."""
_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse.", "9p", "afs", "ceph", "glusterfs", "lustre")
_SETTINGS = (
    "foreign_keys = ON",
    "recursive_triggers = ON",  # without it INSERT OR REPLACE deletes past the triggers
    "synchronous = FULL",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "journal_size_limit = 67108864",
    "temp_store = MEMORY",
)


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """True for the SQLite versions whose write-ahead log can corrupt a database (3.7.0 to 3.51.2).

    The fix is in 3.51.3 and was carried back to 3.50.7 and 3.44.6.
    """
    if version >= (3, 51, 3) or version < (3, 7, 0):
        return False
    return not ((3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0))


def choose_driver() -> ModuleType:
    """First module that is installed and sound; the standard one, which ``check_library`` may refuse, where none is."""
    for name in _DRIVERS:
        try:
            module = importlib.import_module(name)
        except ImportError:  # no wheel for this platform, or not installed
            continue
        if not has_wal_reset_bug(module.sqlite_version_info):
            return module
    return importlib.import_module(_DRIVERS[-1])


driver: Any = choose_driver()
"""Module that brings SQLite: its functions and its exceptions."""


def check_library() -> None:
    """Raise UnavailableError where the SQLite library is one that may corrupt a database in WAL mode."""
    if has_wal_reset_bug(driver.sqlite_version_info):
        # apsw, for it has wheels for more platforms than pysqlite3; with this very Python, for there may be several.
        raise UnavailableError(
            f"SQLite {driver.sqlite_version} can corrupt a database in WAL mode: "
            f"run {sys.executable} -m pip install --upgrade apsw, which brings a newer one"
        )


def check_file_system(path: Path) -> None:
    """Raise UnavailableError where ``path`` lies on a network file system: WAL needs shared memory."""
    kind = _file_system_of(path)
    if kind.startswith(_NETWORK_FILE_SYSTEMS):
        raise UnavailableError(
            f"{path} is on a network file system ({kind}), where SQLite's write-ahead log does not work: "
            "put the workspace on a local disk"
        )


def connect(path: Path, *, named_rows: bool = False, read_only: bool = False) -> Connection:
    """Open an existing database, in autocommit. Rows are plain tuples, or ``Row`` with ``named_rows``.

    One thread at a time may use it; another one may close it.
    """
    # mode=rw: a database that has gone is an error, never a new empty file.
    connection: Connection = driver.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,
    )
    if named_rows:
        connection.row_factory = driver.Row
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
    except BaseException:  # no database, or one that is locked: nothing of it stays open
        connection.close()
        raise
    return connection


def enter_wal(connection: Connection) -> None:
    """Set the file to WAL mode, which lasts. Raises UnavailableError where its file system does not allow it."""
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise UnavailableError("this file system refuses SQLite's WAL: keep the workspace on a local disk")


def _file_system_of(path: Path) -> str:
    """Type of the file system that holds ``path``, as the kernel names it; empty where that is not known."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return ""
    wanted, best, kind = f"{path.resolve()}/", -1, ""
    for line in mounts.read_text(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ").rstrip("/") + "/"
        if wanted.startswith(point) and len(point) >= best:
            best, kind = len(point), right.split(" ")[0]
    return kind
