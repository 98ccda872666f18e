"""Digests of all rows that decide, taken when a release brings the registry up to date: the audit entry ``rows.sealed``."""

import time

from pilothouse.domain.records import AuditEntry
from pilothouse.domain.time_units import from_us
from pilothouse.sqlite import Connection
from pilothouse.store import audit, audit_agreement, row_agreement, row_digests

ACTOR = "pilothouse"
_NAMED = 100


def disagreements(connection: Connection) -> list[str] | None:
    """Rows that are not what their digests say, before a release changes them; None where there are no digests yet."""
    begun = connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'row_digests'").fetchone()
    return [str(row) for row in row_agreement.differences(connection)] if begun else None


def seal(connection: Connection, differing: list[str] | None) -> None:
    """Store the digests of the rows that have none or another one, with an entry that names what disagreed before, and which
    entries are earlier than the one before them. ``differing`` is None where there were no digests: then it is what the
    entries say that counts."""
    newest = audit.newest_recorded(connection)
    if newest is None:
        return
    head = audit.head(connection)
    if differing is None:
        try:
            differing = list(audit_agreement.disagreements(connection))
        except (LookupError, TypeError, AttributeError, ValueError) as error:  # entries that we never wrote
            differing = [f"the rows cannot be compared with the audit log: {error!r}"]
    changed = row_digests.seal(connection)
    detail = {
        "rows": len(changed),
        "disagreements": differing[:_NAMED],
        "disagreeing": len(differing),
        "ran_back": audit.ran_back(connection),
    }
    at = max(from_us(time.time_ns() // 1_000), newest)
    entry = AuditEntry(head.count + 1, at, ACTOR, audit.SEALED, "registry", detail, head.hash, "")
    audit.add(connection, entry, row_digests.digest_of(changed) if changed else None)
    row_digests.store(connection, entry.seq, changed)
