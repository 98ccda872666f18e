"""A digest of every table whose rows never change, as far as it reached when it was examined last.

SQLite finds a damaged page, not a changed letter. A seal is put into the audit log, whose chain keeps it; whatever was there
then must still be there to the byte.
"""

import hashlib
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Connection

from .migrations import MIGRATIONS

ACTION = "workspace.examined"
"""The audit row that carries a seal: ``{"tables": {name: {"rows", "last", "digest"}}}``."""


_WITH_THEIR_PARENT = {
    "version_metrics": "version_id",
    "version_gates": "version_id",
    "run_artifacts": "run_id",
}
"""Tables without row numbers whose rows are all written with their parent, whose number grows."""


def sealed_tables(connection: Connection) -> dict[str, str]:
    """The append-only tables and the column by which they grow; the audit log has its own chain."""
    names = {name for migration in MIGRATIONS.values() for name in migration.append_only} - {"audit"}
    rows = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT wr"
    ).fetchall()
    numbered = {row["name"]: "rowid" for row in rows if row["name"] in names}
    return dict(sorted((numbered | _WITH_THEIR_PARENT).items()))


def take(connection: Connection) -> dict[str, dict[str, Any]]:
    """The seal of all tables now."""
    seal = {}
    for table, grows in sealed_tables(connection).items():
        (last,) = connection.execute(f"SELECT coalesce(max({grows}), 0) FROM {table}").fetchone()  # noqa: S608
        seal[table] = _digest(connection, table, grows, last)
    return seal


def check(connection: Connection, seal: dict[str, dict[str, Any]]) -> int:
    """How many rows are as they were sealed. Raises IntegrityError that names the first table that is not."""
    total = 0
    for table, grows in sealed_tables(connection).items():
        said = seal.get(table)
        if said is None:
            continue  # made by a newer release than the seal
        found = _digest(connection, table, grows, int(said["last"]))
        if found != said:
            raise IntegrityError(
                f"the table {table} is not what it was when it was examined ({found['rows']} of {said['rows']} rows, "
                "another digest): restore a backup, or find the row by comparing with one"
            )
        total += found["rows"]
    return total


def _digest(connection: Connection, table: str, grows: str, last: int) -> dict[str, Any]:
    order = "rowid" if grows == "rowid" else "1, 2, 3"
    digest, rows = hashlib.sha256(), 0
    for row in connection.execute(f"SELECT * FROM {table} WHERE {grows} <= ? ORDER BY {order}", (last,)):  # noqa: S608
        digest.update(repr(tuple(row)).encode())
        rows += 1
    return {"rows": rows, "last": last, "digest": digest.hexdigest()}
