"""The frame of a unit of work: it is kept whole, or nothing of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.sqlite.connection import Connection


@contextmanager
def unit_of_work(connection: Connection, begin: str, commit: str, rollback: str) -> Iterator[None]:
    """Run the block between ``begin`` and ``commit``; on any exception ``rollback`` and let it pass."""
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
