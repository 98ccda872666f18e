"""Translation of SQLite's errors by their codes into the program's own, each with advice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, InvalidInputError, UnavailableError
from pilothouse.sqlite.connection import driver

_NO_COLUMN = "No item with that key"
"""Message of a row that is asked for a column by a name that it does not have."""


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Context that turns the library's errors into UnavailableError, IntegrityError or InvalidInputError.

    A violated constraint stays ``driver.IntegrityError`` for its caller, a misuse of the library stays what it is.
    """
    try:
        yield
    except driver.IntegrityError:
        raise
    except UnicodeDecodeError as error:  # the library's error for a bad text in a column without a name
        raise IntegrityError(
            f"{path} is damaged: a text in it is not UTF-8 ({error}): restore a backup into a new folder"
        ) from error
    except OverflowError as error:
        if "int too" not in str(error):
            raise
        raise InvalidInputError(
            "a number is out of range: expected one that 64 bits hold, as those of records are"
        ) from error
    except IndexError as error:
        if str(error) != _NO_COLUMN:
            raise
        raise IntegrityError(
            f"{path} is damaged: a table lacks a column: restore a backup into a new folder"
        ) from error
    except driver.DatabaseError as error:
        named = _name_error(error, path)
        if named is None:
            raise
        raise named from error


def _name_error(error: Exception, path: Path) -> Exception | None:
    """Error of the program for one of the library, by the primary result code, which is the low byte of SQLite's extended
    code."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and str(error).startswith("Could not decode to UTF-8"):
        code = driver.SQLITE_CORRUPT
    if code is None:  # the backup interface gives its errors none
        if str(error) != "database or disk is full":
            return None
        code = driver.SQLITE_FULL
    match code & 0xFF:
        case driver.SQLITE_FULL:
            return UnavailableError(
                f"the disk that holds {path} is full: make room and try again; nothing was changed"
            )
        case driver.SQLITE_BUSY | driver.SQLITE_LOCKED:
            return UnavailableError(f"{path} is locked by another process: try again; nothing was changed")
        case driver.SQLITE_CORRUPT | driver.SQLITE_NOTADB:
            return IntegrityError(
                f"{path} is damaged or is not a database ({error}): restore a backup into a new folder"
            )
        case driver.SQLITE_CANTOPEN:
            return UnavailableError(
                f"{path} cannot be opened: check that it exists and that you may read and write it"
            )
        case driver.SQLITE_READONLY | driver.SQLITE_PERM | driver.SQLITE_AUTH:
            return UnavailableError(
                f"{path} cannot be written: check the permissions of the file and its folder"
            )
        case driver.SQLITE_IOERR:
            return UnavailableError(
                f"reading or writing {path} failed ({error}): check the disk, then try again"
            )
        case _:
            return None
