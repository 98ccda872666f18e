"""What tests put into a registry past the operations, with an audit entry of its own, as the program demands."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, row_digests
from pilothouse.store.log.row_digests import RowDigest

REFUSE = row_digests.refuse_unrecorded
"""What the program does."""
ACTION = "tests.wrote"
_TESTS = str(Path(__file__).resolve().parent.parent)
_BETWEEN = ("/row_digests.py", "/connection.py", "/contextlib.py", "/raw_writes.py")


def _record(connection: Connection, changed: list[RowDigest]) -> None:
    if not _is_a_test():
        REFUSE(connection, changed)
    at = audit.newest_recorded(connection) or datetime(2026, 1, 1, tzinfo=UTC)
    audit.append(
        connection,
        at=at,
        actor="tests",
        action=ACTION,
        subject=changed[0].table,
        detail={"rows": len(changed)},
    )


def _is_a_test() -> bool:
    """True where the transaction that ends was begun by a test, or by what prepares it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and Path(frame.f_code.co_filename).name in _BETWEEN:
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(_TESTS)


def allow() -> None:
    """Let the tests of this process change rows without saying so: an entry is written for them. The program itself is
    refused as ever."""
    row_digests.refuse_unrecorded = _record
