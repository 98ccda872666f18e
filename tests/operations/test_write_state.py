"""Read-only workspaces: by wish, for want of room, for damage; what is refused then, and who lifts it."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, NotAllowedError, UnavailableError
from pilothouse.domain.identity.roles import Grant, Role
from pilothouse.operations.jobs import trainings
from pilothouse.operations.workspace import audits, workspaces, write_state
from pilothouse.sqlite import driver

Usage = namedtuple("Usage", "total used free")


def actions(example: Example) -> list[str]:
    return [entry.action for entry in audits.show(example.services, example.actor("ada"), limit=3)]


def test_a_person_closes_and_opens_it_and_both_are_on_record(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    write_state.make_read_only(services, ada, "the disk is being changed")
    with pytest.raises(UnavailableError, match=r"read-only since .* the disk is being changed"):
        workspaces.grant_role(services, ada, "zoe", Role.OPERATOR)
    with pytest.raises(UnavailableError, match="read-only"), services.telemetry.transaction():
        pass
    assert Grant(Role.OPERATOR) not in example.actor("zoe").grants
    with pytest.raises(NotAllowedError):
        write_state.make_writable(services, example.actor("vera"), "I would like to")
    write_state.make_writable(services, ada, "it is back")
    workspaces.grant_role(services, ada, "zoe", Role.OPERATOR)
    assert actions(example)[1:] == ["workspace.writable", "workspace.read_only"]
    with pytest.raises(ConflictError, match="not read-only"):
        write_state.make_writable(services, ada, "again")


def test_a_full_disk_closes_it_and_room_opens_it(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1 << 20
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 0, free))
    mark = write_state.watch_disk(example.services)
    assert mark is not None
    assert "1 MiB free, of at least 64" in mark.message
    with pytest.raises(UnavailableError, match="make room; the daemon then lifts it"):
        trainings.start_training(example.services, example.actor("sam"), "delay", reason="now")
    free = 100 << 20  # more than the least, and not twice of it: no flutter
    assert write_state.watch_disk(example.services) == mark
    free = 200 << 20
    assert write_state.watch_disk(example.services) is None
    trainings.start_training(example.services, example.actor("sam"), "delay", reason="now")


def test_the_daemon_does_not_lift_what_a_person_closed(example: Example) -> None:
    write_state.make_read_only(example.services, example.actor("oscar"), "hands off")
    assert write_state.watch_disk(example.services) is not None


def test_a_changed_log_closes_it(example: Example) -> None:
    assert "are sound" in write_state.verify(example.services)
    connection = driver.connect(str(example.services.paths.registry), isolation_level=None)
    connection.execute("PRAGMA recursive_triggers = OFF")
    (trigger,) = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE name = 'audit_refuses_update'"
    ).fetchone()
    connection.execute("DROP TRIGGER audit_refuses_update")
    connection.execute("UPDATE audit SET actor = 'mallory' WHERE seq = 2")
    connection.execute(trigger)
    connection.close()
    said = write_state.verify(example.services)
    assert "row 2" in said or "seq 2" in said or "entry 2" in said
    found = write_state.state(example.services)
    assert found is not None
    assert found.cause == "check"


def test_a_mark_that_cannot_be_read_still_closes(example: Example) -> None:
    Path(example.services.paths.read_only).write_text("{")
    with pytest.raises(UnavailableError, match=r"read-only\.json cannot be read"):
        trainings.start_training(example.services, example.actor("sam"), "delay", reason="now")
