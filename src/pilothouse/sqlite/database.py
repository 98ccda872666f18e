"""A database file: one connection a thread, units of work that begin with the write lock, consistent reads."""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, UnavailableError

from .connection import Connection, connect, driver


class Database:
    """Connections to one file. Connections are bound to the thread that asked; ``close`` closes them all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._watcher: Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A unit of work under BEGIN IMMEDIATE: it waits for other writers, then commits, or rolls back on an error.

        Inside another transaction of this thread it joins that one. Raises UnavailableError when the lock is not to be
        had, IntegrityError when the file is damaged.
        """
        with translate_errors(self.path):
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose statements all see the same state. Keep it short: an open reader makes the log grow."""
        with translate_errors(self.path):
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def data_version(self) -> int:
        """A number that changes when anybody commits. Costs microseconds; compare it with the one before."""
        with translate_errors(self.path), self._lock:
            if self._watcher is None:
                self._watcher = connect(self.path, any_thread=True)
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])

    def copy_to(self, path: Path) -> None:
        """A sound copy of the live database in one new file, by SQLite's backup interface."""
        with translate_errors(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600))
            copy = driver.connect(str(path), isolation_level=None)
            try:
                with self.read() as connection:
                    connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            finally:
                copy.close()

    def close(self) -> None:
        """Close every connection that this object has opened, in whatever thread."""
        with self._lock:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
            for held in list(self._open):
                held.connection.close()
            self._open.clear()
            self._local = threading.local()

    def _connection(self) -> Connection:
        held: _Held | None = getattr(self._local, "held", None)
        if held is None:
            # any_thread only so that close() may close it: each thread still uses its own
            held = self._local.held = _Held(connect(self.path, any_thread=True))
            with self._lock:
                self._open.add(held)
        return held.connection


class _Held:
    """A thread's connection; closed when the thread is gone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn the library's errors into ours; a violated constraint stays ``driver.IntegrityError`` for its caller."""
    try:
        yield
    except driver.IntegrityError:
        raise
    except driver.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise UnavailableError(
                f"{path} is busy: another process has held its lock too long; try again"
            ) from error
        if "full" in text:
            raise UnavailableError(
                f"{path} cannot grow: the disk is full; free space and try again"
            ) from error
        if "unable to open" in text or "readonly" in text or "disk I/O" in text:
            raise UnavailableError(
                f"{path} cannot be opened or written: {text}; check the disk and its rights"
            ) from error
        raise
    except driver.DatabaseError as error:
        if "malformed" in str(error) or "not a database" in str(error):
            raise IntegrityError(f"{path} is damaged ({error}): restore it from a backup") from error
        raise
