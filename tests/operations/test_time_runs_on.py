"""Time in the log does not run back: a stepped clock is bridged and said, and beyond that nothing is changed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import START, Example, make_example
from pilothouse.domain.errors import IntegrityError, NotAllowedError, PilothouseError, UnavailableError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.records import AuditEntry
from pilothouse.operations import authorisation
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits, doctor, sessions, workspaces
from pilothouse.sqlite import driver
from pilothouse.store.log import audit


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    made = make_example(tmp_path / "workspace")
    made.pass_time(hours=1)
    workspaces.grant_role(made.services, made.actor("ada"), "zoe", Role.VIEWER)
    yield made
    made.services.close()


def log(example: Example) -> list[AuditEntry]:
    with example.services.registry.read() as connection:
        return list(audit.iterate(connection))


def test_a_clock_that_stepped_back_a_little_goes_on_from_the_log_and_says_so_once(example: Example) -> None:
    newest = example.time
    example.pass_time(seconds=-90)
    for name in ("eve", "ida"):
        workspaces.grant_role(example.services, example.actor("ada"), name, Role.VIEWER)

    *_, stepped, first, second = log(example)
    assert [e.action for e in (stepped, first, second)] == [
        "clock.stepped_back",
        "role.granted",
        "role.granted",
    ]
    assert {e.recorded_at for e in (stepped, first, second)} == {newest}
    assert stepped.detail["seconds"] == 90
    with example.services.registry.read() as connection:
        rows = connection.execute("SELECT recorded_at FROM grants WHERE actor IN ('eve', 'ida')").fetchall()
    assert {row[0] for row in rows} == {to_us(newest)}
    example.pass_time(seconds=100)
    workspaces.grant_role(example.services, example.actor("ada"), "ole", Role.VIEWER)
    assert log(example)[-1].recorded_at == example.time
    audits.verify(example.services, example.actor("aud"))


def test_beyond_the_tolerance_nothing_is_changed_and_one_line_says_what_to_do(example: Example) -> None:
    before = log(example)
    example.time -= audit.TOLERANCE + timedelta(seconds=1)
    for change in (
        lambda: workspaces.grant_role(example.services, example.actor("ada"), "eve", Role.VIEWER),
        lambda: sessions.open_session(example.services, example.actor("pat"), "xterm"),
    ):
        with pytest.raises(
            UnavailableError, match=r"time does not run back: set the clock right \(NTP\)"
        ) as refused:
            change()
        assert "\n" not in str(refused.value)
    assert log(example) == before
    found = {one.check: one for one in doctor.diagnose(example.services, example.actor("aud"))}
    assert not found["clock"].ok
    assert "set the clock right" in found["clock"].finding


def test_a_request_that_has_expired_does_not_come_back_with_the_clock(example: Example) -> None:
    services = example.services
    example.apply(promotion={"approvals": 1, "expires": "1h"})
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/1")
    example.time = request.expires_at + timedelta(seconds=30)
    workspaces.grant_role(services, example.actor("ada"), "eve", Role.VIEWER)
    example.pass_time(seconds=-60)

    with pytest.raises(PilothouseError, match="expired"):
        promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest)
    with services.registry.read() as connection:
        assert authorisation.present(services, connection) == request.expires_at + timedelta(seconds=30)


def test_a_row_that_is_earlier_than_the_one_before_it_is_found(example: Example) -> None:
    last = log(example)[-1]
    early = to_us(last.recorded_at) - 1
    digest = audit.entry_hash(last.seq + 1, early, "eve", "x", "y", {}, last.hash)
    connection = driver.connect(str(example.services.paths.registry), isolation_level=None)
    connection.execute("DROP TRIGGER audit_times_run_on")
    connection.execute(
        "INSERT INTO audit (seq, recorded_at, actor, action, subject, detail, previous, hash) "
        "VALUES (?, ?, 'eve', 'x', 'y', ?, ?, ?)",
        (last.seq + 1, early, canonical_json({}), last.hash, digest),
    )
    connection.close()

    with pytest.raises(
        IntegrityError, match=f"audit row {last.seq + 1} is earlier than row {last.seq}: time ran back"
    ):
        audits.verify(example.services, example.actor("aud"))
    found = {one.check: one for one in doctor.diagnose(example.services, example.actor("aud"))}
    assert "time ran back" in found["audit chain"].finding


def test_an_entry_of_a_change_inside_of_another_one_is_not_later_than_its_end(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    with authorisation.changing(services, ada, authorisation.Permission.GRANT) as outer:
        example.pass_time(seconds=5)
        workspaces.grant_role(services, ada, "eve", Role.VIEWER)
        outer.record("tests.ended", "workspace")
    assert [e.recorded_at for e in log(example)[-2:]] == [example.time] * 2
    assert example.time > START
    with pytest.raises(NotAllowedError):
        workspaces.grant_role(services, example.actor("vera"), "eve", Role.ADMIN)
