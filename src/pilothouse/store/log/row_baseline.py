"""Digests of all rows that decide, taken when a release brings the registry up to date: the audit entry ``rows.sealed``."""

import time

from pilothouse.domain.audit.entries import AuditEntry
from pilothouse.domain.formats.time_units import from_us
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, audit_agreement, row_agreement, row_digests, row_walk
from pilothouse.store.log.row_agreement import Difference
from pilothouse.store.log.row_digests import Watched

ACTOR = "pilothouse"
_NAMED = 100


def is_begun(connection: Connection) -> bool:
    """True where there are digests of rows."""
    found = connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'row_digests'").fetchone()
    return found is not None


def walked(connection: Connection) -> int:
    """Rows and digests that ``differences`` and ``seal`` walk together, about."""
    if not is_begun(connection):
        return 0
    return row_walk.total(connection) + row_digests.count(connection)


def differences(connection: Connection, watched: Watched = iter) -> list[Difference] | None:
    """Rows that are not what their digests say, before a release changes them; None where there are no digests yet."""
    return list(row_agreement.differences(connection, watched)) if is_begun(connection) else None


def seal(connection: Connection, before: list[Difference] | None, watched: Watched = iter) -> None:
    """Store the digests of the rows that have none or another one, with an entry that names what disagreed before, and, of
    the time before the digests, which entries are earlier than the one before them.

    Rows that differed ``before`` keep their digest, so that they go on differing. It is None where there were no digests:
    then it is what the entries say that counts, which goes on being compared.
    """
    newest = audit.newest_recorded(connection)
    if newest is None:
        return
    head = audit.head(connection)
    known = {(one.table, one.key) for one in before or ()}
    changed = [row for row in row_walk.unsealed(connection, watched) if (row.table, row.key) not in known]
    differing = _by_the_log(connection) if before is None else [str(one) for one in before]
    detail = {
        "rows": len(changed),
        "disagreements": differing[:_NAMED],
        "disagreeing": len(differing),
        "ran_back": audit.ran_back(connection) if before is None else [],
    }
    at = max(from_us(time.time_ns() // 1_000), newest)
    entry = AuditEntry(head.count + 1, at, ACTOR, audit.SEALED, "registry", detail, head.hash, "")
    audit.add(connection, entry, row_digests.digest_of(changed) if changed else None)
    row_digests.store(connection, entry.seq, changed)


def _by_the_log(connection: Connection) -> list[str]:
    try:
        return list(audit_agreement.disagreements(connection))
    except (LookupError, TypeError, AttributeError, ValueError) as error:  # entries that we never wrote
        return [f"the rows cannot be compared with the audit log: {error!r}"]
