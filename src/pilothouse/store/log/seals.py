"""Seal of the registry: a digest of everything in its tables that never changes, as of the last examination.

SQLite finds a damaged page, not a changed letter. A seal is written to the audit log, whose chain protects it; whatever
was stored then must still be there to the byte: whole rows of append-only tables, and of rows that go through states the
columns that are written once.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Connection
from pilothouse.store.migrations import MIGRATIONS

ACTION = "workspace.examined"
"""Action of the audit row that carries a seal: ``{"tables": {name: {"rows", "last", "digest"}}}``."""


_WITH_THEIR_PARENT = {
    "version_metrics": "version_id",
    "version_gates": "version_id",
    "run_artifacts": "run_id",
    "request_authors": "request_id",
    "erased_files": "erasure_id",
}
"""Tables without row numbers whose rows are all written with their parent, whose number grows."""


_WRITTEN_AGAIN = {
    "alerts": ("status", "handled_by", "handled_at", "note", "resolved_at", "retrain_job", "incident_id", "joined_because"),
    "deployments": ("ended_at", "ended_effective_at"),
    "grants": ("revoked_at", "revoked_by"),
    "holds": ("lifted_at", "lifted_by", "lift_reason"),
    "incidents": (
        "assignee", "merged_into", "state", "severity", "since", "inside", "place",
        "judged_at", "cause", "cost_tier", "cost_weight", "cost_words",
    ),
    "jobs": (
        "status", "step", "progress", "message", "started_at", "ended_at", "attempt", "lease_owner", "lease_until",
        "cancel_requested_at", "cancel_requested_by", "version_id", "error", "result", "not_before", "failures",
    ),
    "legal_holds": ("lifted_by", "lifted_at", "lift_reason"),
    "log_anchors": ("removed_by", "removed_at"),
    "snapshots": ("columns",),
    "step_results": ("record",),
    "promotion_requests": ("status", "closed_at", "closed_by", "superseded_by"),
    "sessions": ("closed_at", "ending"),
    "remote_tokens": ("revoked_at", "revoked_by"),
    "target_tokens": ("revoked_at",),
    "user_keys": ("revoked_at", "revoked_by", "revoked_why"),
    "users": ("disabled_at", "disabled_by", "disabled_why"),
}  # fmt: skip
"""Columns that change, of tables whose rows go through states."""

_OF_THE_LIBRARY = ("_sqlite_migrations",)
"""Table in which sqlite-utils records the applied migrations; it only grows."""


def sealed_tables(connection: Connection) -> dict[str, str]:
    """Tables of which something never changes, and the column by which each grows; the audit log has its own chain, which
    covers the digests of rows."""
    names = {name for migration in MIGRATIONS.values() for name in migration.append_only} - {
        "audit",
        "row_digests",
    }
    names |= {*_WRITTEN_AGAIN, *_OF_THE_LIBRARY}
    rows = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT wr"
    ).fetchall()
    numbered = {row["name"]: "rowid" for row in rows if row["name"] in names}
    return dict(sorted((numbered | _WITH_THEIR_PARENT).items()))


def take(connection: Connection) -> dict[str, dict[str, Any]]:
    """Seal of all tables now."""
    seal = {}
    for table, grows in sealed_tables(connection).items():
        columns = [
            row["name"]
            for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            if row["name"] not in _WRITTEN_AGAIN.get(table, ())
        ]
        (last,) = connection.execute(f"SELECT coalesce(max({grows}), 0) FROM {table}").fetchone()  # noqa: S608
        seal[table] = _digest(connection, table, grows, last, columns)
    return seal


def check(connection: Connection, seal: dict[str, dict[str, Any]]) -> int:
    """Number of rows that are as they were sealed. Raises IntegrityError that names the first table that is not."""
    total = 0
    for table, grows in sealed_tables(connection).items():
        sealed = seal.get(table)
        if sealed is None:
            continue  # made by a newer release than the seal
        current = _digest(connection, table, grows, int(sealed["last"]), sealed.get("columns"))
        if current != sealed:
            raise IntegrityError(
                f"the table {table} is not what it was when it was examined ({current['rows']} of {sealed['rows']} rows, "
                "another digest): pilothouse audit verify names the rows that differ; restore a backup"
            )
        total += current["rows"]
    return total


def _digest(
    connection: Connection, table: str, grows: str, last: int, columns: Sequence[str] | None
) -> dict[str, Any]:
    """Digest of a table's rows up to ``last``. ``columns`` are named, for a later release may add one; None: all (a seal
    of an older release has no names)."""
    order = "rowid" if grows == "rowid" else "1, 2, 3"
    names = ", ".join(f'"{name}"' for name in columns) if columns is not None else "*"
    digest, rows = hashlib.sha256(), 0
    query = f"SELECT {names} FROM {table} WHERE {grows} <= ? ORDER BY {order}"  # noqa: S608 - names of our own schema
    for row in connection.execute(query, (last,)):
        digest.update(repr(tuple(row)).encode())
        rows += 1
    seal = {"rows": rows, "last": last, "digest": digest.hexdigest()}
    return seal if columns is None else {**seal, "columns": list(columns)}
