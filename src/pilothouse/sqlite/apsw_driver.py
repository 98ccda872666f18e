"""Driver with the part of ``sqlite3.dbapi2`` that the program uses, over APSW: for machines that ``pysqlite3`` has no
wheel for.

Connections are always in autocommit; a caller that wants a transaction begins one. Other differences: ``rowcount`` is -1
after ``executemany``, a value that SQLite has no type for is a TypeError, and a name that a mapping of parameters lacks
is a KeyError. The exceptions are the standard module's own, so that a library which knows only that one (sqlite-utils)
recognises them.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from sqlite3 import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 - the interface's name for it
)
from typing import Any, Self, TypeAlias

import apsw
from apsw import (
    SQLITE_AUTH,
    SQLITE_BUSY,
    SQLITE_CANTOPEN,
    SQLITE_CORRUPT,
    SQLITE_DENY,
    SQLITE_FULL,
    SQLITE_FUNCTION,
    SQLITE_IOERR,
    SQLITE_LOCKED,
    SQLITE_NOTADB,
    SQLITE_OK,
    SQLITE_PERM,
    SQLITE_READ,
    SQLITE_READONLY,
    SQLITE_RECURSIVE,
    SQLITE_SELECT,
)
from apsw import complete as complete_statement

from pilothouse.sqlite.apsw_errors import FAILURES, as_ours, translated
from pilothouse.sqlite.named_rows import Row, columns_named

__all__ = [
    "SQLITE_AUTH", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_DENY", "SQLITE_FULL", "SQLITE_FUNCTION",
    "SQLITE_IOERR", "SQLITE_LOCKED", "SQLITE_NOTADB", "SQLITE_OK", "SQLITE_PERM", "SQLITE_READ", "SQLITE_READONLY",
    "SQLITE_RECURSIVE", "SQLITE_SELECT",
    "Connection", "Cursor", "DataError", "DatabaseError", "Error", "IntegrityError", "InterfaceError", "InternalError",
    "NotSupportedError", "OperationalError", "ProgrammingError", "Row", "Warning",
    "complete_statement", "connect", "sqlite_version", "sqlite_version_info",
]  # fmt: skip

sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(int(part) for part in sqlite_version.split("."))

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

_CACHED_STATEMENTS = 128
"""Prepared statements that a connection keeps."""
_NOTHING = re.compile(r"(?:[ \t\n\f\r;]|--[^\n]*|/\*.*?(?:\*/|$))*", re.DOTALL)
"""Text that may stand behind a statement: SQLite finds no other one in it."""
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
"""Statements after which ``rowcount`` is known."""


def connect(
    database: str | os.PathLike[str],
    *,
    timeout: float = 5.0,
    isolation_level: None = None,
    uri: bool = False,
    check_same_thread: bool = True,
) -> "Connection":
    """Open a database. ``isolation_level`` can only be None, and any thread may use the connection, one at a time; both
    parameters are there so that a call fits the other drivers too."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | (apsw.SQLITE_OPEN_URI if uri else 0)
    with translated():
        inner = apsw.Connection(os.fspath(database), flags=flags, statementcachesize=_CACHED_STATEMENTS)
        inner.set_busy_timeout(int(timeout * 1000))
    return Connection(inner)


class Connection:
    """Open database in autocommit."""

    def __init__(self, inner: apsw.Connection) -> None:
        self._inner = inner
        self.isolation_level = None
        self.row_factory: type[Row] | None = None
        """``Row``, or None for plain tuples; cursors made from now on have it too."""
        self.traced: Callable[[str], object] | None = None

    @property
    def in_transaction(self) -> bool:
        """True while a transaction is open."""
        try:
            return self._inner.in_transaction
        except apsw.Error as error:
            raise as_ours(error) from error

    @property
    def total_changes(self) -> int:
        """Number of rows changed since the connection was opened."""
        try:
            return self._inner.total_changes()
        except apsw.Error as error:
            raise as_ours(error) from error

    def cursor(self) -> "Cursor":
        try:
            return Cursor(self, self._inner)
        except apsw.Error as error:
            raise as_ours(error) from error

    def execute(self, sql: str, parameters: Parameters = ()) -> "Cursor":
        """Run one statement by a new cursor."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> "Cursor":
        """Run one statement for each of the rows by a new cursor."""
        return self.cursor().executemany(sql, rows)

    def executescript(self, script: str) -> "Cursor":
        """Run the statements of a script, inside the transaction if one is open."""
        with translated():
            for _ in self._inner.execute(script):
                pass
        return self.cursor()

    def commit(self) -> None:
        """End the transaction, if one is open."""
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""
        if self.in_transaction:
            self.execute("ROLLBACK")

    def __enter__(self) -> Self:
        """Begin a transaction for the block; inside another one a savepoint of that."""
        with translated():
            self._inner.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        with translated():
            self._inner.__exit__(*raised)

    def backup(
        self,
        target: "Connection",
        *,
        pages: int = -1,
        progress: Callable[[int, int, int], object] | None = None,
    ) -> None:
        """Copy the whole database into ``target``, so many pages at once; ``progress`` is told a status, how many pages are
        left, and of how many."""
        with translated(), target._inner.backup("main", self._inner, "main") as copy:
            while not copy.done:
                copy.step(pages)
                if progress is not None:
                    progress(101 if copy.done else 0, copy.remaining, copy.page_count)

    def set_authorizer(self, judge: Callable[..., int] | None) -> None:
        """Call ``judge`` before each action of a statement that is prepared; it answers SQLITE_OK or SQLITE_DENY."""
        with translated():
            self._inner.set_authorizer(judge)

    def set_progress_handler(self, handler: Callable[[], Any] | None, steps: int) -> None:
        """Call ``handler`` every so many steps of SQLite's virtual machine; a true answer interrupts the statement."""
        with translated():
            self._inner.set_progress_handler(handler, steps)

    def set_trace_callback(self, callback: Callable[[str], object] | None) -> None:
        """Call ``callback`` with each statement that runs, with the values in it."""
        self.traced = callback

    def close(self) -> None:
        """Close the database and all cursors; any thread may do so. Closing again does nothing."""
        with translated():
            self._inner.close()


class Cursor:
    """One statement at a time, and its rows."""

    __slots__ = ("_connection", "_inner", "_names", "_sql", "lastrowid", "row_factory", "rowcount")

    def __init__(self, connection: Connection, opened: apsw.Connection) -> None:
        self._connection = connection
        self._inner = opened.cursor()
        self._names: tuple[str, ...] = ()
        self._sql = ""
        self.lastrowid: int | None = None
        self.row_factory = connection.row_factory
        self.rowcount = -1
        """Number of rows that INSERT, UPDATE, DELETE or REPLACE changed; -1 after any other statement."""

    @property
    def description(self) -> tuple[tuple[Any, ...], ...] | None:
        """Tuple for each column of the rows, which begins with its name; None where the statement returns no rows."""
        return tuple((name, None, None, None, None, None, None) for name in self._names) or None

    def execute(self, sql: str, parameters: Parameters = ()) -> Self:
        """Run a statement up to its first row."""
        inner, opened = self._inner, self._connection._inner
        self._sql, self._names = sql, ()
        try:
            inner.exec_trace = self._begin
            try:
                inner.execute(sql, parameters)
            finally:  # else cursor and callback would keep each other alive, and the statement its lock
                inner.exec_trace = None
            self.lastrowid = opened.last_insert_rowid()
            self.rowcount = opened.changes() if sql.lstrip()[:7].upper().startswith(_WRITES) else -1
        except apsw.Error as error:
            raise as_ours(error) from error
        return self

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> Self:
        """Run a statement for each of the rows; rows that it returns are dropped."""
        inner = self._inner
        self._sql, self._names, self.lastrowid, self.rowcount = sql, (), None, -1
        try:
            # A call for each row would cost as much as writing it; without a semicolon there cannot be two statements.
            inner.exec_trace = self._begin if ";" in sql or self._connection.traced else None
            try:
                for _ in inner.executemany(sql, rows):
                    pass
            finally:
                inner.exec_trace = None
        except apsw.Error as error:
            raise as_ours(error) from error
        return self

    def fetchone(self) -> Any:
        """Next row; None after the last."""
        try:
            return self._inner.fetchone()
        except FAILURES as error:
            raise as_ours(error) from error

    def fetchall(self) -> list[Any]:
        """All remaining rows."""
        try:
            return self._inner.fetchall()
        except FAILURES as error:
            raise as_ours(error) from error

    def __iter__(self) -> Iterator[Any]:
        try:
            for row in self._inner:  # noqa: UP028 - yield from would close the cursor when a loop ends early
                yield row
        except FAILURES as error:
            raise as_ours(error) from error

    def __next__(self) -> Any:
        try:
            return next(self._inner)
        except FAILURES as error:
            raise as_ours(error) from error

    def close(self) -> None:
        """Abandon the statement and its remaining rows."""
        with translated():
            self._inner.close(True)

    def _begin(self, inner: apsw.Cursor, statement: str, _: Any) -> bool:
        """Refuse a text with two statements: APSW would run both. It is called when the first is prepared and nothing has
        run yet."""
        if self._connection.traced is not None:
            self._connection.traced(inner.expanded_sql)
        sql, self._sql = self._sql, ""
        if not sql:  # the next row of ``executemany``, or the comment behind the statement
            return True
        if len(statement) != len(sql) and not _NOTHING.fullmatch(sql, len(statement)):
            raise Warning("You can only execute one statement at a time.")
        self._names = tuple([column[0] for column in inner.get_description()])
        inner.row_trace = functools.partial(Row, columns_named(self._names)) if self.row_factory else None
        return True
