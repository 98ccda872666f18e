"""Database file: one connection a thread, units of work that begin with the write lock, consistent reads."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Self

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.sqlite.connection import Connection, connect, driver
from pilothouse.sqlite.errors import errors_named
from pilothouse.sqlite.schema import (
    Progress,
    Schema,
    check_file,
    check_schema,
    create_file,
    definitions_of,
    expected_definitions,
    pragma,
    upgrade_file,
)
from pilothouse.sqlite.transactions import unit_of_work
from pilothouse.sqlite.write_queue import WriteQueue

OF_REPLICATION = frozenset(
    {
        ("table", "_litestream_seq", "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"),
        ("table", "_litestream_lock", "CREATE TABLE _litestream_lock (id INTEGER)"),
    }
)
"""Tables that Litestream puts into a database that it replicates. They decide nothing; with any other text they are odd."""


_PAGES_AT_ONCE = 4_096
"""Pages that are copied before it is told how far a copy is."""


def copy_database(source: Path, file: Path, progress: Progress | None = None) -> None:
    """Copy a live database of any schema into one new file, by SQLite's backup interface: of one state, whatever others write
    meanwhile. ``progress`` is told how many pages of how many are copied."""

    def copied(_: int, left: int, total: int) -> None:
        if progress is not None:
            progress(total - left, total)

    with errors_named(file):
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600))
        destination = driver.connect(file, isolation_level=None)
        try:
            with closing(connect(source)) as connection:
                # a read of its own around all steps: without it each write of others begins the copy anew
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                connection.backup(destination, pages=_PAGES_AT_ONCE, progress=copied)
                connection.execute("COMMIT")
            destination.execute("PRAGMA journal_mode = DELETE")
        finally:
            destination.close()


class Database:
    """Connections to one file of a known schema. Safe to share between threads: each gets a connection of its own.

    ``with database.transaction() as connection`` writes, ``with database.read() as connection`` reads one consistent
    state. Keep both short: no prompt, no await, no output inside. A subclass sets ``schema``.
    """

    schema: Schema
    named_rows = False
    """True for rows with columns by name (``Row``), False for plain tuples."""
    guard: Callable[[], None] | None = None
    """Function called before each unit of work that writes; it raises where nothing may be written now."""

    def __init__(self, path: Path, prepare: Callable[[Connection], None] | None = None) -> None:
        """Open an existing file of the current schema. ``prepare`` is applied to each new connection before its first
        use.

        Raises NotFoundError (no file), UnavailableError (newer or older schema, unsafe SQLite or file system,
        permissions) or IntegrityError (damaged, or another kind of file).
        """
        self.path = path
        self._prepare = prepare
        self._local = threading.local()
        self._open: weakref.WeakSet[_OpenConnection] = weakref.WeakSet()
        self._watcher: Connection | None = None
        self._closed = False
        self._lock = threading.Lock()
        check_file(path, self.schema)
        try:
            with self._errors():
                check_schema(self._open_connection().connection, path, self.schema)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new, empty file, or open the one that another process made at the same moment.

        Raises UnavailableError where the file system or the library is unsafe.
        """
        create_file(path, cls.schema)
        return cls.upgrade(path)

    @classmethod
    def upgrade(
        cls, path: Path, before: Callable[[], None] | None = None, progress: Progress | None = None
    ) -> Self:
        """Open a file, first bringing an older schema up to date. Safe when several processes do so at once.

        ``before`` is called where the schema is older; what it raises keeps the file as it is. ``progress`` is told how far it
        is where that takes long.
        """
        upgrade_file(path, cls.schema, before, progress)
        return cls(path)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Unit of work: begins immediate, commits at the end, rolls back on any exception.

        Inside another one of the same thread it is a savepoint of that. Raises UnavailableError (locked, disk full,
        closed) or IntegrityError (damaged file).
        """
        with self._working() as opened:
            connection = opened.connection
            if not connection.in_transaction:
                if self.guard is not None:
                    self.guard()
                with opened.queue.turn(), unit_of_work(connection, "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"):
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
            with unit_of_work(connection, "SAVEPOINT unit", "RELEASE unit", "ROLLBACK TO unit"):
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Consistent state to read; inside a transaction of this thread it is that transaction."""
        with self._working() as opened:
            connection = opened.connection
            if connection.in_transaction:
                yield connection
                return
            with unit_of_work(connection, "BEGIN", "COMMIT", "ROLLBACK"):
                yield connection

    @contextmanager
    def committed(self) -> Iterator[Connection]:
        """State before this thread's transaction, which another connection still sees."""
        with self._working() as opened, unit_of_work(opened.beside(self.path), "BEGIN", "COMMIT", "ROLLBACK"):
            yield opened.beside(self.path)

    def data_version(self) -> int:
        """Number that changes when any process has written; costs microseconds. A checkpoint may change it too."""
        with self._lock, self._errors():
            self._check_open()
            if self._watcher is None:
                self._watcher = connect(self.path)
            return pragma(self._watcher, "data_version")

    def check(self, *, indexes: bool = True, pages: bool = True) -> None:
        """Check the whole file with SQLite, and that its definitions are complete. Raises IntegrityError.

        Without ``indexes`` it is not compared whether each index has what its table has, which takes most of the time; without
        ``pages`` the definitions alone are looked at, which takes no longer for a large file.
        """
        with self.read() as connection:
            if pages:
                self._check_pages(connection, "integrity_check" if indexes else "quick_check")
            definitions = definitions_of(connection)
        odd = sorted((definitions ^ expected_definitions(self.schema)) - OF_REPLICATION)
        if odd:
            raise IntegrityError(
                f"{self.path}: the {odd[0][0]} {odd[0][1]} was taken out or changed, so rows could be changed unseen; "
                "compare the audit log with a head that was kept elsewhere"
            )

    def _check_pages(self, connection: Connection, check: str) -> None:
        (verdict,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
        if verdict != "ok" or orphan:
            raise IntegrityError(
                f"{self.path} is damaged: {verdict if verdict != 'ok' else f'a row of {orphan[0]} points nowhere'}; "
                "restore a backup into a new folder"
            )

    def copy_to(self, path: Path) -> None:
        """Copy the live database into one new file."""
        copy_database(self.path, path)

    def rewrite(self) -> bool:
        """Write the file anew and empty its write-ahead log, so that nothing of rows that were deleted or changed is left in
        either. Others wait meanwhile. False where a reader keeps the log from being emptied; try again.

        Not inside of a unit of work. VACUUM: https://www.sqlite.org/lang_vacuum.html
        """
        with self._working() as opened, opened.queue.turn():
            if self.guard is not None:
                self.guard()
            # of its own: VACUUM copies into a temporary file, and a change of where that lies drops temporary tables
            with closing(connect(self.path)) as connection:
                connection.execute("PRAGMA temp_store = FILE")
                connection.execute("VACUUM")
                (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Close the connections of all threads, for good. One that is in use is closed by its thread when that is done.

        SQLite does not survive it when a statement runs on a connection that another thread closes.
        """
        with self._lock:
            self._closed = True
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
            connections = list(self._open)
            self._open.clear()
        for connection in connections:
            connection.close_unless_busy()

    def _errors(self) -> AbstractContextManager[None]:
        """Context that translates the library's errors; a subclass may add to it."""
        return errors_named(self.path)

    @contextmanager
    def _working(self) -> Iterator["_OpenConnection"]:
        """This thread's connection, which nobody closes meanwhile."""
        opened = self._open_connection()
        try:
            with opened.busy, self._errors():
                if opened.closed:  # by another thread, before ``busy`` was taken
                    self._check_open()
                yield opened
        finally:
            if self._closed:
                opened.close_unless_busy()

    def _open_connection(self) -> "_OpenConnection":
        opened: _OpenConnection | None = getattr(self._local, "opened", None)
        if opened is None or opened.process != os.getpid() or not opened.at_work:
            self._check_open()  # but a unit of work that was open when the database was closed may finish
        if opened is None or opened.process != os.getpid():
            with self._errors():
                opened = _OpenConnection(
                    connect(self.path, named_rows=self.named_rows), WriteQueue(self.path)
                )
                try:
                    if self._prepare is not None:
                        self._prepare(opened.connection)
                except BaseException:
                    opened.close()
                    raise
            with self._lock:
                self._open.add(opened)
            self._local.opened = opened
        return opened

    def _check_open(self) -> None:
        """Raise UnavailableError where this database was closed."""
        if self._closed:
            raise UnavailableError(f"{self.path} was closed: open the workspace again")


class _OpenConnection:
    """Connection of one thread; closed when the thread is gone. A forked child leaves its parent's alone."""

    def __init__(self, connection: Connection, queue: WriteQueue) -> None:
        self.connection = connection
        self.queue = queue
        self.busy = threading.RLock()
        """Lock that its thread holds while it works on the connection."""
        self.process = os.getpid()
        self.closed = False
        self.is_prepared_to_write = False
        """Noted by a database whose connections need that once."""
        self._beside: Connection | None = None

    def beside(self, path: Path) -> Connection:
        """Second connection of the thread, with plain rows, made when it is first needed."""
        if self._beside is None:
            self._beside = connect(path)
        return self._beside

    @property
    def at_work(self) -> bool:
        """True while a unit of work is open on it. Only its thread may ask, or a holder of ``busy``."""
        return not self.closed and self.connection.in_transaction

    def close_unless_busy(self) -> None:
        """Close it, unless a thread works on it: that one does so when it is done."""
        if self.busy.acquire(blocking=False):
            try:
                if not self.at_work:
                    self.close()
            finally:
                self.busy.release()

    def close(self) -> None:
        """Close connection and queue, once: the end of its thread and the end of its database may come at the same
        moment, and SQLite does not survive a connection that two threads close."""
        with self.busy:
            if self.closed:
                return
            self.closed = True
            self.connection.close()
            if self._beside is not None:
                self._beside.close()
            self.queue.close()

    def __del__(self) -> None:
        if self.process == os.getpid():
            self.close()
