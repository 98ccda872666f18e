"""Statements that were printed to be signed elsewhere."""

from datetime import datetime

from pilothouse.sqlite import Connection
from pilothouse.store.values import insert

_MOST = 50
"""Newest ones of a person that are compared with a signature."""


def add(
    connection: Connection, request_id: int, name: str, verdict: str, statement: bytes, *, at: datetime
) -> None:
    columns = {"request_id": request_id, "name": name, "verdict": verdict, "statement": statement.decode()}
    insert(connection, "printed_statements", {**columns, "recorded_at": at})


def of_person(connection: Connection, request_id: int, name: str, verdict: str) -> list[bytes]:
    """Statements that were printed for a person, newest first."""
    rows = connection.execute(
        "SELECT statement FROM printed_statements WHERE request_id = ? AND name = ? AND verdict = ? "
        "ORDER BY id DESC LIMIT ?",
        (request_id, name, verdict, _MOST),
    )
    return [row["statement"].encode() for row in rows]
