"""Columns of a query on a SQLite file of the user's: read-only, without running it."""

from pathlib import Path
from urllib.parse import quote

from pilothouse.sqlite.connection import driver

_STEPS = 1_000_000
"""Steps of SQLite's virtual machine after which the query is stopped: one that is only prepared takes a few dozen."""


class QueryError(Exception):
    """Query that a source may not have; the message is one line."""


def query_columns(path: Path, query: str) -> list[str]:
    """Names of the columns that ``query`` returns on the database at ``path``. Raises QueryError.

    The rules are those under which the training reads it: one SELECT, nothing written, no other file opened.
    """
    allowed = {driver.SQLITE_SELECT, driver.SQLITE_READ, driver.SQLITE_FUNCTION, driver.SQLITE_RECURSIVE}
    try:
        connection = driver.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    except driver.Error as error:
        raise QueryError(f"{path} cannot be opened: {error}") from None
    try:
        connection.set_authorizer(
            lambda action, *_: driver.SQLITE_OK if action in allowed else driver.SQLITE_DENY
        )
        connection.set_progress_handler(lambda: 1, _STEPS)
        # Prepared by itself first: two statements, or a bracket that closes ours, must not pass inside the SELECT below.
        connection.execute(f"EXPLAIN {query}").close()
        cursor = connection.execute(f"SELECT * FROM ({query.strip().rstrip(';')}\n) LIMIT 0")  # noqa: S608
        return [column[0] for column in cursor.description]
    except (driver.Error, driver.Warning, ValueError) as error:
        raise QueryError(f"{error}; expected one SELECT on {path.name}") from None
    finally:
        connection.close()
