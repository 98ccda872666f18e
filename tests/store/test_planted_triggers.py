"""A trigger that somebody planted would have Pilothouse make, and account for, a change of theirs."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import driver
from pilothouse.sqlite.schema import expected_definitions
from pilothouse.store import workspace
from pilothouse.store.connection import TRIGGERS, Registry, trigger_digest
from pilothouse.store.migrations import SCHEMA

PLANT = "CREATE TRIGGER planted AFTER INSERT ON settings BEGIN UPDATE grants SET role = 'admin'; END"
OTHER_BODY = "CREATE TRIGGER grants_end_once BEFORE UPDATE ON grants BEGIN SELECT 1; END"


def test_the_digest_is_of_the_triggers_that_the_migrations_make() -> None:
    assert trigger_digest(expected_definitions(SCHEMA)) == TRIGGERS


@pytest.mark.parametrize(
    "statements", [[PLANT], ["DROP TRIGGER grants_end_once"], ["DROP TRIGGER grants_end_once", OTHER_BODY]]
)
def test_nothing_is_written_under_triggers_of_somebody_else(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "registry.db"
    registry = Registry.create(path)

    def write(value: str) -> None:
        with registry.transaction() as connection:
            workspace.set_setting(connection, "value", value)

    write("before")
    stranger = driver.connect(str(path), isolation_level=None)
    (kept,) = stranger.execute("SELECT sql FROM sqlite_schema WHERE name = 'grants_end_once'").fetchone()
    for statement in statements:  # under an open connection, as beside a daemon
        stranger.execute(statement)
    with pytest.raises(IntegrityError, match="its triggers are not those of this release"):
        write("after")
    stranger.execute("DROP TRIGGER IF EXISTS planted")
    stranger.execute("DROP TRIGGER IF EXISTS grants_end_once")
    stranger.execute(kept)
    stranger.close()
    write("again")
    with registry.read() as connection:
        assert workspace.setting(connection, "value") == "again"
    registry.close()
