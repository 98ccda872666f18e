"""Insertion of one row by the names of its columns."""

from collections.abc import Mapping

from pilothouse.sqlite.connection import Connection


def insert(connection: Connection, table: str, columns: Mapping[str, object]) -> int:
    """Insert a row and return its key."""
    marks = ", ".join("?" * len(columns))
    added = connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - names of our own schemas
        tuple(columns.values()),
    )
    assert added.lastrowid is not None
    return added.lastrowid
