"""Auditors look at the registry with the SQLite of their system, which may be older than ours."""

import sqlite3
from pathlib import Path

import pytest

from support import example

_OLDEST = (3, 40, 1)
"""Debian 12's."""


@pytest.mark.skipif(sqlite3.sqlite_version_info < _OLDEST, reason="older than what is promised")
def test_every_table_and_view_is_read_by_python_s_own_sqlite(tmp_path: Path) -> None:
    example.build(tmp_path)
    connection = sqlite3.connect(tmp_path / "state" / "registry.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}
    connection.close()
    assert {"incident_standings", "deployment_states", "alerts", "audit"} <= {
        name for name in rows if rows[name]
    }
