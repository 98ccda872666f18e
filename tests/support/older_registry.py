"""A registry of the release before the transparency log, with an audit log of some rows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.sqlite import driver
from pilothouse.store import migrations
from pilothouse.store.connection import Registry
from pilothouse.store.log import audit, log_tree
from pilothouse.store.migrations import MIGRATIONS

BEFORE = 16
"""Version of its schema."""
_AT_ONCE = 10_000
AT = datetime(2026, 1, 1, tzinfo=UTC)


def make(path: Path, rows: int, patch: pytest.MonkeyPatch) -> None:
    """Make the file."""
    with patch.context() as older:
        older.setattr(migrations, "MIGRATIONS", dict(list(MIGRATIONS.items())[:BEFORE]))
        older.setattr(log_tree, "grow", lambda *_: None)
        Registry.create(path).close()
        connection = driver.connect(str(path), isolation_level=None)
        connection.row_factory = driver.Row
        connection.execute("BEGIN")
        audit.make_room(connection)
        for first in range(0, rows, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, rows))
            changes = [("tests.wrote", str(number), {"reason": "a large registry"}) for number in numbers]
            audit.append_all(connection, at=AT, actor="ada", changes=changes)
        audit.publish(connection)
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA user_version = {BEFORE}")
        connection.close()
