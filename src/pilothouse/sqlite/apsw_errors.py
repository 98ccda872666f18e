"""Translation of APSW's errors into the classes and codes of ``sqlite3.dbapi2``."""

import contextlib
import sqlite3
from collections.abc import Iterator

import apsw

FAILURES = (apsw.Error, UnicodeDecodeError)
"""Errors that reading rows may raise: a text that is not UTF-8 is no error of APSW's own."""

_KINDS: dict[type[Exception], type[Exception]] = {
    apsw.NoMemError: MemoryError,
    apsw.TooBigError: sqlite3.DataError,
    **dict.fromkeys((apsw.ConstraintError, apsw.MismatchError), sqlite3.IntegrityError),
    **dict.fromkeys((apsw.InternalError, apsw.NotFoundError), sqlite3.InternalError),
    **dict.fromkeys(
        (apsw.AbortError, apsw.BusyError, apsw.CantOpenError, apsw.EmptyError, apsw.FullError, apsw.InterruptError,
         apsw.IOError, apsw.LockedError, apsw.PermissionsError, apsw.ProtocolError, apsw.ReadOnlyError,
         apsw.SchemaChangeError, apsw.SQLError),
        sqlite3.OperationalError,
    ),
    **dict.fromkeys(
        (apsw.BindingsError, apsw.ConnectionClosedError, apsw.CursorClosedError, apsw.IncompleteExecutionError,
         apsw.MisuseError, apsw.ThreadingViolationError),
        sqlite3.ProgrammingError,
    ),
}  # fmt: skip
"""Standard class of each APSW error; any other (a damaged file, a refused action) is a DatabaseError."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Context that raises APSW's errors as the standard ones. Too slow where rows are read one by one: use ``as_ours``
    there."""
    try:
        yield
    except FAILURES as error:
        raise as_ours(error) from error


def as_ours(error: Exception) -> Exception:
    """Standard error for one of APSW's, with the primary code and its name where it comes from SQLite."""
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.OperationalError(f"Could not decode to UTF-8: {error}")
    named = _KINDS.get(type(error), sqlite3.DatabaseError)(str(error))
    code = getattr(error, "result", None)
    if code is not None and isinstance(named, sqlite3.Error):
        named.sqlite_errorcode = code
        named.sqlite_errorname = str(apsw.mapping_result_codes[code])
    return named
