"""Seal of the registry: a digest of everything in its tables that never changes, as of the last examination.

SQLite finds a damaged page, not a changed letter. A seal is written to the audit log, whose chain protects it; whatever
was stored then must still be there to the byte: whole rows of append-only tables, and of rows that go through states the
columns that are written once.
"""

import hashlib
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import Connection
from pilothouse.store.log import row_walk
from pilothouse.store.log.row_digests import Watched
from pilothouse.store.log.row_walk import Read
from pilothouse.store.migrations import MIGRATIONS

Seal = dict[str, dict[str, Any]]
"""Of each table: number of rows, the last by the column that grows, their digest, and the columns it is of."""

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


def take(connection: Connection) -> Seal:
    """Seal of all tables now, in the caller's read."""
    return walk(row_walk.within(connection), None)[1]


def check(connection: Connection, seal: Seal) -> int:
    """Number of rows that are as they were sealed. Raises IntegrityError that names the first table that is not."""
    return walk(row_walk.within(connection), seal, anew=False)[0]


def walk(read: Read, sealed: Seal | None, *, anew: bool = True, watched: Watched = iter) -> tuple[int, Seal]:
    """Number of rows that are as they were ``sealed``, and the seal of all tables now, from one walk in reads of a part each:
    what is sealed never changes, and what is added meanwhile comes behind it. Not ``anew``: rows that came since are not
    walked, and there is no new seal.

    Raises IntegrityError that names the first table that is not as it was sealed.
    """
    if sealed is None and not anew:
        return 0, {}
    with read() as connection:
        tables = sealed_tables(connection)
    total, now = 0, {}
    for table, grows in tables.items():
        before = (
            sealed.get(table) if sealed is not None else None
        )  # None: made by a newer release than the seal
        with read() as connection:
            columns = _columns(connection, table)
            (last,) = connection.execute(f"SELECT coalesce(max({grows}), 0) FROM {table}").fetchone()  # noqa: S608
        walked = _Digest(table, grows, columns)
        if before is not None:
            known = (
                walked if before.get("columns") == columns else _Digest(table, grows, before.get("columns"))
            )
            known.go_on(read, int(before["last"]), watched)
            if (current := known.seal(int(before["last"]))) != before:
                raise IntegrityError(
                    f"the table {table} is not what it was when it was examined ({current['rows']} of {before['rows']} rows, "
                    "another digest): pilothouse audit verify names the rows that differ; restore a backup"
                )
            total += current["rows"]
        if anew:
            walked.go_on(read, last, watched)
            now[table] = walked.seal(last)
    return total, now


def _columns(connection: Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return [row["name"] for row in rows if row["name"] not in _WRITTEN_AGAIN.get(table, ())]


class _Digest:
    """Digest of a table's rows, as far as it has gone. ``columns`` are named, for a later release may add one; None: all (a
    seal of an older release has no names)."""

    def __init__(self, table: str, grows: str, columns: list[str] | None) -> None:
        self._columns = columns
        names = ", ".join(f'"{name}"' for name in columns) if columns is not None else "*"
        order = "rowid" if grows == "rowid" else "1, 2, 3"
        rest = f"FROM {table} WHERE {grows} > ? AND {grows} <= ?"
        self._last = f"SELECT max(g) FROM (SELECT {grows} AS g {rest} ORDER BY {grows} LIMIT {row_walk.PART})"  # noqa: S608 - ours
        self._rows = f"SELECT {names} {rest} ORDER BY {order}"
        self._digest, self._count = hashlib.sha256(), 0
        self.reached: float = -1e19  # below every number of a row

    def go_on(self, read: Read, last: int, watched: Watched) -> None:
        """Take in the rows that come after those so far, up to ``last``."""
        while self.reached < last:
            with read() as connection:
                (until,) = connection.execute(self._last, (self.reached, last)).fetchone()
                if until is None:
                    return
                for row in watched(connection.execute(self._rows, (self.reached, until))):
                    self._digest.update(repr(tuple(row)).encode())
                    self._count += 1
            self.reached = until

    def seal(self, last: int) -> dict[str, Any]:
        """Seal of the rows so far, which are those up to ``last``."""
        seal = {"rows": self._count, "last": last, "digest": self._digest.hexdigest()}
        return seal if self._columns is None else {**seal, "columns": list(self._columns)}
