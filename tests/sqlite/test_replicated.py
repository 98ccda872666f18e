"""A database that Litestream replicates has two tables of its, and nothing else may be odd."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import driver
from pilothouse.store.connection import Registry


def changed(path: Path, *statements: str) -> Registry:
    Registry.create(path).close()
    connection = driver.connect(str(path), isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return Registry.upgrade(path)


def test_the_tables_of_the_replication_are_known(tmp_path: Path) -> None:
    registry = changed(
        tmp_path / "registry.db",
        "CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);",
        "CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);",
    )
    registry.check()
    registry.close()


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE _litestream_lock (id INTEGER, more TEXT)", "CREATE TABLE planted (id)"]
)
def test_any_other_table_is_odd(tmp_path: Path, statement: str) -> None:
    registry = changed(tmp_path / "registry.db", statement)
    with pytest.raises(IntegrityError, match="taken out or changed"):
        registry.check()
    registry.close()
