"""Rows of one SELECT on a SQLite file, opened so that nothing can be written and no other file opened."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError, NotFoundError

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
"""Actions that the authorizer lets a query take: reading alone, no ATTACH, no PRAGMA."""


def read_query(path: Path, query: str) -> pa.Table:
    """Rows of ``query`` on the database at ``path``. Raises InvalidInputError, NotFoundError.

    The file is opened read-only and immutable, so that no lock file is made beside it. A write-ahead log that still holds
    changes would not be seen then, so such a file is refused rather than read without them.
    """
    if not path.is_file():
        raise NotFoundError(f"data.source: {path} does not exist; expected a SQLite file")
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise InvalidInputError(
            f"data.source: {log.name} holds changes that are not in {path.name} yet; "
            "run PRAGMA wal_checkpoint(TRUNCATE) on it, or name a copy made by VACUUM INTO"
        )
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    try:
        connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
        )
        cursor = connection.execute(query)
        if cursor.description is None:
            raise InvalidInputError("data.query: expected one SELECT that gives rows")
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise InvalidInputError(f"data.query: {error}; expected one SELECT on {path.name}") from None
    finally:
        connection.close()
    values = list(zip(*rows, strict=True)) or [()] * len(names)
    if len(set(names)) != len(names):
        raise InvalidInputError("data.query: two columns have the same name; expected each once (use AS)")
    return pa.table({name: _column(name, column) for name, column in zip(names, values, strict=True)})


def _column(name: str, values: tuple[object, ...]) -> pa.Array:
    if any(isinstance(value, float) for value in values):
        values = tuple(float(value) if isinstance(value, int) else value for value in values)
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        raise InvalidInputError(
            f"data.query: column {name!r} mixes {' and '.join(kinds)}; expected one type (use CAST)"
        ) from None
