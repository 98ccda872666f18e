"""Rows of a SQLite file that belongs to another program: opened read-only, and never locked for longer than one query.

The file may be written meanwhile by its owner. MLflow's runs with a rollback journal, where a reader that stays keeps the owner
from committing: so every query is read to its end at once, and the caller asks for pages.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.sqlite.connection import driver

_WAIT_S = 20.0


class ForeignFile:
    """Database of another program. Raises NotFoundError, InvalidInputError (no SQLite file)."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFoundError(f"{path} does not exist; expected the SQLite file of a tracking server")
        self.path = path.resolve()
        allowed = {driver.SQLITE_SELECT, driver.SQLITE_READ, driver.SQLITE_FUNCTION}
        try:
            self._connection = driver.connect(f"{self.path.as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
        except driver.Error as error:
            raise UnavailableError(f"{path} cannot be opened: {one_line(str(error))}") from None
        self._connection.text_factory = lambda data: data.decode("utf-8", "replace")
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.set_authorizer(
            lambda action, *_: driver.SQLITE_OK if action in allowed else driver.SQLITE_DENY
        )
        self._columns: dict[str, frozenset[str]] = {}
        try:
            self._tables = {
                str(name) for (name,) in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
            }
        except BaseException:
            self._connection.close()
            raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises InvalidInputError, IntegrityError (damaged) or UnavailableError (locked)."""
        try:
            return self._connection.execute(query, tuple(values)).fetchall()  # type: ignore[no-any-return]
        except driver.Error as error:
            raise self._named(error) from None

    def columns(self, table: str) -> frozenset[str]:
        """Names of a table's columns; none where there is no such table. ``table`` is a name of our own."""
        if table not in self._columns:
            found: frozenset[str] = frozenset()
            if table in self._tables:
                try:
                    cursor = self._connection.execute(f'SELECT * FROM "{table}" LIMIT 0')  # noqa: S608 - a name of our own
                except driver.Error as error:
                    raise self._named(error) from None
                found = frozenset(column[0] for column in cursor.description)
            self._columns[table] = found
        return self._columns[table]

    def close(self) -> None:
        self._connection.close()

    def _named(self, error: Exception) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) or 0
        said = one_line(str(error))
        match code & 0xFF:
            case driver.SQLITE_BUSY:
                return UnavailableError(
                    f"{self.path} is locked by another program: try again, or name a copy of it"
                )
            case driver.SQLITE_NOTADB:
                return InvalidInputError(
                    f"{self.path} is no SQLite file; expected the database of a tracking server"
                )
            case driver.SQLITE_CORRUPT:
                return IntegrityError(f"{self.path} is damaged: {said}; nothing of this page was taken")
        return InvalidInputError(f"{self.path} is not as expected of MLflow's database: {said}")
