"""Files that nothing names: listed, removed with a record, and never one that a row names or that was put just now."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import ADMIN, Example
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.operations.upkeep import unused_files
from pilothouse.operations.workspace import audits
from pilothouse.store.named_digests import named_digests
from pilothouse.system.turns import turn

DAY = timedelta(days=1)


def aged(path: Path) -> None:
    """Make a file two days old."""
    then = time.time() - 2 * 86_400
    os.utime(path, (then, then))


def test_what_nothing_names_is_listed_and_removed_and_recorded(example: Example) -> None:
    services = example.services
    lost = services.artifacts.put_bytes(b"left by a job that was killed")
    path = services.artifacts.path(lost)
    half = path.parent.parent / ".incoming-half"
    half.write_bytes(b"half")
    assert unused_files.list_unused(services, example.actor(ADMIN), DAY) == []
    aged(path)
    aged(half)
    before = {digest for digest in services.artifacts.digests() if digest != lost}

    found = unused_files.list_unused(services, example.actor(ADMIN), DAY)
    assert [(one.digest, one.bytes) for one in found] == [("", 4), (lost, 29)]
    assert path.exists()
    removed = unused_files.remove_unused(services, example.actor(ADMIN), DAY)
    assert [one.path for one in removed] == [half, path]
    assert not path.exists()
    assert not half.exists()
    assert set(services.artifacts.digests()) == before
    entry = audits.show(services, example.actor(ADMIN), limit=1)[0]
    assert (entry.action, entry.detail["digests"], entry.detail["bytes"]) == ("files.removed", [lost], 33)


def test_a_file_that_any_row_names_stays_however_old(example: Example) -> None:
    services = example.services
    named = services.artifacts.put_bytes(b"named by an entry of the log alone")
    with services.registry.transaction() as connection:
        connection.execute("CREATE TABLE later (detail TEXT) STRICT")
        connection.execute("INSERT INTO later VALUES (?)", (f'{{"digest": "{named}", "of": 1}}',))
    for path in services.artifacts.files():
        aged(path)
    with services.registry.read() as connection:
        assert named in set(named_digests(connection))

    removed = unused_files.remove_unused(services, example.actor(ADMIN), DAY)
    assert named not in {one.digest for one in removed}
    assert services.artifacts.has(named)


def test_a_file_that_is_put_again_is_young_again(example: Example) -> None:
    services = example.services
    lost = services.artifacts.put_bytes(b"put twice")
    aged(services.artifacts.path(lost))
    assert services.artifacts.put_bytes(b"put twice") == lost

    assert unused_files.remove_unused(services, example.actor(ADMIN), DAY) == []
    assert services.artifacts.read(lost) == b"put twice"


def test_less_than_an_hour_and_the_past_are_refused_and_a_backup_is_waited_for(example: Example) -> None:
    services = example.services
    with pytest.raises(InvalidInputError, match="less than an hour"):
        unused_files.list_unused(services, example.actor(ADMIN), timedelta(minutes=5))
    with (
        turn(services.paths.copying_lock, "busy", alone=False),
        pytest.raises(UnavailableError, match="a backup or an erasure is on its way"),
    ):
        unused_files.remove_unused(services, example.actor(ADMIN), DAY)
