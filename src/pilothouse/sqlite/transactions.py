"""Frame of a unit of work: all of it is kept, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.sqlite.connection import Connection


@contextmanager
def unit_of_work(connection: Connection, begin: str, commit: str, rollback: str) -> Iterator[None]:
    """Context that runs the block between ``begin`` and ``commit``; on any exception it runs ``rollback`` and lets it
    pass."""
    connection.execute(begin)
    try:
        yield
        connection.execute(commit)
    except BaseException:
        # SQLite itself has rolled back after some errors, a full disk for one.
        if connection.in_transaction:
            connection.execute(rollback)
            if commit.startswith("RELEASE"):  # ROLLBACK TO undoes a savepoint but leaves it open
                connection.execute(commit)
        raise
