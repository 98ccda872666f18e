"""The tree of the audit log grows with its rows, in their transaction, and gives the same proofs as all rows together."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.sqlite import driver
from pilothouse.store.connection import Registry
from pilothouse.store.log import audit
from pilothouse.store.log.log_tree import Tree
from pilothouse.transparency import merkle
from support import older_registry

AT = datetime(2026, 1, 1, tzinfo=UTC)


def add(registry: Registry, count: int, at: datetime = AT) -> None:
    with registry.transaction() as connection:
        audit.append_all(
            connection, at=at, actor="ada", changes=[("tests.wrote", str(i), {}) for i in range(count)]
        )


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.create(tmp_path / "registry.db")
    yield made
    made.close()


def leaves(registry: Registry) -> list[bytes]:
    with registry.read() as connection:
        rows = connection.execute("SELECT hash FROM audit ORDER BY seq")
        return [merkle.leaf_hash(bytes.fromhex(row[0])) for row in rows]


def stored(registry: Registry) -> list[tuple[int, int]]:
    with registry.read() as connection:
        return [
            (row[0], row[1])
            for row in connection.execute("SELECT level, place FROM log_subtrees ORDER BY 1, 2")
        ]


def test_it_grows_in_the_transaction_of_its_rows(registry: Registry) -> None:
    for count, expected in ((255, []), (1, [(8, 0)]), (1, [(8, 0)]), (600, [(8, 0), (8, 1), (8, 2)])):
        add(registry, count)
        assert stored(registry) == expected
    every = leaves(registry)
    with registry.read() as connection:
        tree = Tree(connection)
        for size in (1, 2, 3, 255, 256, 257, 511, 512, 513, 857):
            assert tree.root(size) == merkle.fold(every[:size])
            proof = merkle.inclusion_proof(size // 2, size, tree.subtree)
            merkle.check_inclusion(size // 2, size, every[size // 2], proof, tree.root(size))
        proof = merkle.consistency_proof(300, 857, tree.subtree)
        merkle.check_consistency(300, 857, tree.root(300), tree.root(857), proof)


def test_what_is_rolled_back_is_not_in_the_tree(registry: Registry) -> None:
    add(registry, 250)

    def give_up() -> None:
        with registry.transaction() as connection:
            audit.append_all(connection, at=AT, actor="ada", changes=[("tests.wrote", "", {})] * 20)
            assert connection.execute("SELECT count(*) FROM log_subtrees").fetchone()[0] == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up()
    assert stored(registry) == []
    add(registry, 6)
    assert stored(registry) == [(8, 0)]


def test_two_levels_and_a_tree_that_is_not_on_record(registry: Registry) -> None:
    add(registry, 65_800)
    assert stored(registry)[-1] == (16, 0)
    assert len(stored(registry)) == 258
    every = leaves(registry)
    with registry.read() as connection:
        expected = merkle.fold(every)
        assert Tree(connection).root(65_800) == expected
        connection.execute(
            "CREATE TEMP VIEW log_subtrees AS SELECT * FROM main.log_subtrees WHERE level = 8 AND place < 3"
        )
        assert Tree(connection).root(65_800) == expected


def test_a_workspace_of_an_older_release_has_its_tree_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "registry.db"
    older_registry.make(path, 1_000, monkeypatch)
    registry = Registry.upgrade(path)
    try:
        assert stored(registry) == [(8, 0), (8, 1), (8, 2)]
        every = leaves(registry)
        assert len(every) == 1_001  # with the entry of the upgrade
        with registry.read() as connection:
            assert Tree(connection).root(1_001) == merkle.fold(every)
        add(registry, 23, datetime.now(UTC))
        assert stored(registry)[-1] == (8, 3)
    finally:
        registry.close()


def test_a_row_that_is_missing_stops_no_change_and_is_named_where_a_proof_needs_it(
    registry: Registry,
) -> None:
    add(registry, 200)
    connection = driver.connect(str(registry.path), isolation_level=None)
    connection.execute("DROP TRIGGER audit_refuses_delete")
    definition = "CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'rows of audit are "
    connection.execute("DELETE FROM audit WHERE seq = 100")
    connection.execute(f"{definition}permanent: DELETE is refused'); END")
    connection.close()
    add(registry, 100)

    assert stored(registry) == []
    with registry.read() as connection:
        assert Tree(connection).root(99) == merkle.fold(leaves(registry)[:99])
        with pytest.raises(IntegrityError, match="audit row 100 is missing"):
            Tree(connection).root(101)
