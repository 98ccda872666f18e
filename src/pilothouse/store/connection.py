"""The registry's file: opening it safely, one connection a thread, every unit of work in an immediate transaction."""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, NotFoundError, UnavailableError
from pilothouse.sqlite import driver
from pilothouse.sqlite.connection import check_file_system, check_library

from .engine import Connection, errors_named
from .migrations import APPLICATION_ID, SCHEMA_VERSION, apply_migrations

BUSY_TIMEOUT_MS = 10_000

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # without it INSERT OR REPLACE deletes past the triggers
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA journal_size_limit = 67108864",
)


class Registry:
    """``registry.db``. Safe to share between threads: each gets a connection of its own.

    ``with registry.transaction() as connection`` writes, ``with registry.read() as connection`` reads one consistent
    state. Keep both short: no prompt, no await, no output inside.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing registry of the current schema.

        Raises NotFoundError (no file), UnavailableError (newer or older schema, unsafe SQLite or place, permissions)
        or IntegrityError (not a registry).
        """
        self.path = path
        self._local = threading.local()
        self._open: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._watcher: Connection | None = None
        self._lock = threading.Lock()
        _check_file(path)
        version = self._schema_version()
        if version != SCHEMA_VERSION:
            self.close()
            raise UnavailableError(
                f"{path} has schema {version}, this Pilothouse knows schema {SCHEMA_VERSION}: "
                + (
                    "install a newer Pilothouse"
                    if version > SCHEMA_VERSION
                    else "open it once with this release's upgrade"
                )
            )

    @classmethod
    def create(cls, path: Path) -> "Registry":
        """Make a new, empty registry, or open the one that another process made at the same moment.

        Raises UnavailableError where the place or the library is unsafe.
        """
        check_library()
        check_file_system(path.parent)
        # Made beside its place and then linked into it: nobody ever opens a registry without its schema.
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with errors_named(path):
                os.close(os.open(draft, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
                connection = driver.connect(draft, isolation_level=None)
                try:
                    _migrate(connection)
                finally:
                    connection.close()
            with suppress(FileExistsError):
                os.link(draft, path)
        except OSError as error:
            raise UnavailableError(
                f"{path} cannot be made: {error.strerror}: check the folder and the disk"
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        return cls.upgrade(path)

    @classmethod
    def upgrade(cls, path: Path) -> "Registry":
        """Open a registry, first bringing an older schema up to date. Safe when several processes do so at once."""
        _check_file(path)
        with errors_named(path):
            connection = driver.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
            try:
                if _pragma(connection, "application_id") == APPLICATION_ID:
                    if _pragma(connection, "user_version") < SCHEMA_VERSION:
                        _migrate(connection)
                    else:
                        _enter_wal(connection)  # a copy made by copy_to is not in it
            finally:
                connection.close()
        return cls(path)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One unit of work: begins immediate, commits at the end, rolls back on any exception.

        Inside another one of the same thread it is a savepoint of that. Raises UnavailableError (locked, disk full),
        ConflictError (a constraint refused the change) or IntegrityError (damaged file).
        """
        connection = self._connection()
        with errors_named(self.path):
            if not connection.in_transaction:
                with _scope(connection, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"):
                    self._local.writing = True
                    try:
                        yield connection
                    finally:
                        self._local.writing = False
                return
            if not getattr(self._local, "writing", False):
                raise RuntimeError(
                    "a transaction cannot begin inside read(): read inside the transaction instead"
                )
            with _scope(connection, "SAVEPOINT unit", "RELEASE unit", "ROLLBACK TO unit"):
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent state to read; inside a transaction of this thread it is that transaction."""
        connection = self._connection()
        with errors_named(self.path):
            if connection.in_transaction:
                yield connection
                return
            with _scope(connection, "BEGIN", "COMMIT", "ROLLBACK"):
                yield connection

    def data_version(self) -> int:
        """A number that changes when anybody has written; costs microseconds. A checkpoint may move it too."""
        with self._lock, errors_named(self.path):
            if self._watcher is None:
                self._watcher = self._connect()
            return _pragma(self._watcher, "data_version")

    def check(self) -> None:
        """Have SQLite examine the whole file. Raises IntegrityError with its first finding."""
        with self.read() as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
        if found != "ok" or orphan:
            raise IntegrityError(
                f"{self.path} is damaged: {found if found != 'ok' else f'a row of {orphan[0]} points nowhere'}; "
                "restore a backup into a new folder"
            )

    def copy_to(self, path: Path) -> None:
        """A sound copy of the live database in one file, by SQLite's backup interface."""
        with errors_named(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600))
            destination = driver.connect(path, isolation_level=None)
            try:
                source = self._connect()
                try:
                    source.backup(destination)
                finally:
                    source.close()
                destination.execute("PRAGMA journal_mode = DELETE")
            finally:
                destination.close()

    def close(self) -> None:
        """Close the connections of all threads. Nobody may be using them."""
        with self._lock:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
        for held in list(self._open):
            held.connection.close()
        self._open.clear()
        self._local = threading.local()

    def _schema_version(self) -> int:
        connection = self._connection()
        with errors_named(self.path):
            if _pragma(connection, "application_id") != APPLICATION_ID:
                self.close()
                raise IntegrityError(
                    f"{self.path} is not a registry of Pilothouse: name the workspace's own folder"
                )
            return _pragma(connection, "user_version")

    def _connection(self) -> Connection:
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or held.process != os.getpid():
            held = _Held(self._connect())
            self._local.held = held
            self._open.add(held)
        return held.connection

    def _connect(self) -> Connection:
        with errors_named(self.path):
            # mode=rw: a registry that has gone is an error, never a new empty file.
            connection: Connection = driver.connect(
                f"{self.path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=BUSY_TIMEOUT_MS / 1000,
                check_same_thread=False,  # each thread has its own; only close() comes from another
            )
            connection.row_factory = driver.Row
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            return connection


class _Held:
    """A thread's connection; closed when the thread is gone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.process = os.getpid()

    def __del__(self) -> None:
        if self.process == os.getpid():
            self.connection.close()


@contextmanager
def _scope(connection: Connection, begin: str, commit: str, rollback: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute(commit)
    except BaseException:
        # SQLite itself has rolled back after some errors, a full disk for one.
        if connection.in_transaction:
            connection.execute(rollback)
            if commit.startswith("RELEASE"):
                connection.execute(commit)
        raise


def _enter_wal(connection: Connection) -> None:
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise UnavailableError("this file system refuses SQLite's WAL: keep the workspace on a local disk")


def _migrate(connection: Connection) -> None:
    _enter_wal(connection)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    with _scope(connection, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"):
        apply_migrations(connection)


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _check_file(path: Path) -> None:
    check_library()
    if not path.exists():
        raise NotFoundError(f"{path} does not exist: this is not a workspace; make one with pilothouse init")
    check_file_system(path)
    if path.stat().st_mode & 0o022:
        raise UnavailableError(
            f"{path} can be written by others than its owner, who could forge any row: run chmod 600 {path}"
        )
