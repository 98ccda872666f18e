"""The daily examination: rows in parts while others write, in a process of its own, and what follows of what it finds."""

import threading

import pytest

from fixtures.registries import Example
from pilothouse.daemon.examining import examiner
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import DAEMON, Permission, Role
from pilothouse.operations.authorisation import changing
from pilothouse.operations.jobs import trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits, workspaces, write_state
from pilothouse.sqlite import driver
from pilothouse.store.log import audit, row_walk, seals


def deploy(example: Example) -> None:
    example.apply()
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)


def past_pilothouse(example: Example, *statements: str) -> None:
    """What the owner of the file can do: past the triggers, and without a trace of that."""
    connection = driver.connect(str(example.services.paths.registry), isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0
    for _, text in triggers:
        connection.execute(text)
    connection.close()
    example.reopen()


def newest_seal(example: Example) -> int:
    with example.services.registry.read() as connection:
        entry = audit.newest_of(connection, seals.ACTION)
    return entry.seq if entry is not None else 0


@pytest.mark.parametrize("part", [1, 2, 7])
def test_however_small_the_parts_the_same_rows_are_found(
    example: Example, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    deploy(example)
    workspaces.grant_role(example.services, example.actor("ada"), "zoe", Role.VIEWER)
    with changing(example.services, DAEMON, Permission.RUN_DAEMON) as change:
        change.connection.execute("INSERT INTO settings VALUES ('größe', '1')")
        change.record("daemon.measured", "größe")
    monkeypatch.setattr(row_walk, "PART", part)
    assert audits.differing_rows(example.services, DAEMON) == []
    past_pilothouse(
        example,
        "UPDATE versions SET model_bytes = model_bytes + 1 WHERE id = 1",
        "INSERT INTO settings VALUES ('ünïque', 'yes')",
        "DELETE FROM grants WHERE actor = 'zoe'",
        "UPDATE row_digests SET name = 'another' WHERE id = (SELECT min(id) FROM row_digests)",
        "INSERT INTO row_digests (seq, tbl, key, name) VALUES (1000000, 'jobs', '[999]', 'one that no entry covers')",
    )
    found = audits.differing_rows(example.services, DAEMON)
    assert sorted(
        {(one.difference, one.row) for one in found if one.difference != "its digest was forged"}
    ) == [
        ("changed", "version delay/1"),
        ("deleted", "the role viewer of zoe"),
        ("inserted", "the setting ünïque"),
    ]
    forged = [one.text for one in found if one.difference == "its digest was forged"]
    assert any("audit row 1 covers" in text for text in forged)
    assert "one that no entry covers: its digest is not the one that audit row 1000000 covers" in forged


def test_rows_may_change_while_they_are_compared(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(example)
    monkeypatch.setattr(row_walk, "PART", 2)
    monkeypatch.setattr(row_walk, "_TOLD_EVERY", 1)
    queued: list[int] = []

    def train(done: int, total: int) -> None:
        assert done <= total
        if done % 5 == 0 and len(queued) < 12:
            reason = f"the {len(queued)}th while rows are compared"
            queued.append(
                trainings.start_training(example.services, example.actor("sam"), "delay", reason=reason).id
            )

    assert audits.differing_rows(example.services, DAEMON, progress=train) == []
    assert len(queued) == 12, "each was written between two parts"


def test_a_seal_in_parts_is_the_seal_at_once_and_goes_on_from_the_one_before(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(example)
    with example.services.registry.read() as connection:
        at_once = seals.take(connection)
    monkeypatch.setattr(row_walk, "PART", 2)
    read = example.services.registry.read
    assert seals.walk(read, None)[1] == at_once
    trainings.start_training(example.services, example.actor("sam"), "delay", reason="one more")
    rows, anew = seals.walk(read, at_once)
    assert rows == sum(table["rows"] for table in at_once.values())
    assert anew["jobs"]["rows"] == at_once["jobs"]["rows"] + 1
    with example.services.registry.read() as connection:
        assert anew == seals.take(connection)


def test_a_seal_that_was_taken_during_an_examination_stands(example: Example) -> None:
    deploy(example)
    found = write_state.examine(example.services)
    write_state.verify(example.services)
    newest = newest_seal(example)
    assert "are sound" in write_state.conclude(example.services, found)
    assert newest_seal(example) == newest


def test_a_process_of_its_own_examines_and_the_daemon_seals(example: Example) -> None:
    deploy(example)
    assert "are sound" in examiner.examine(example.services, threading.Event())
    assert newest_seal(example) > 0
    past_pilothouse(example, "UPDATE jobs SET reason = 'another' WHERE id = 1")
    said = examiner.examine(example.services, threading.Event())
    assert "job 1 was changed" in said
    mark = write_state.state(example.services)
    assert mark is not None
    assert (mark.cause, mark.reason) == ("check", said)


def test_a_daemon_that_stops_waits_for_no_examination(example: Example) -> None:
    stop = threading.Event()
    stop.set()
    assert examiner.examine(example.services, stop) == ""
    assert newest_seal(example) == 0


def test_an_examination_that_dies_is_an_error_that_says_so(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examiner, "_MODULE", "pilothouse.there_is_no_such_module")
    with pytest.raises(UnavailableError, match=r"ended with exit code 1: .*there_is_no_such_module"):
        examiner.examine(example.services, threading.Event())
    assert write_state.state(example.services) is None
