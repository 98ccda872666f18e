"""What tests put into a registry past the operations, with an audit entry of its own, as the program demands."""

from datetime import UTC, datetime

from pilothouse.sqlite import Connection
from pilothouse.store import audit, row_digests
from pilothouse.store.row_digests import RowDigest

REFUSE = row_digests.refuse_unrecorded
"""What the program does."""
ACTION = "tests.wrote"


def _record(connection: Connection, changed: list[RowDigest]) -> None:
    at = audit.newest_recorded(connection) or datetime(2026, 1, 1, tzinfo=UTC)
    audit.append(
        connection,
        at=at,
        actor="tests",
        action=ACTION,
        subject=changed[0].table,
        detail={"rows": len(changed)},
    )


def allow() -> None:
    """Let transactions of this process change rows without saying so: an entry is written for them."""
    row_digests.refuse_unrecorded = _record
