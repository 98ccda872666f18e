"""A person is one subject: case, a renamed account and a second name do not make another."""

import sqlite3

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.persons import PersonName, Persons, folded
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.operations.authorisation import as_now
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits, person_records, workspaces
from pilothouse.store import workspace
from pilothouse.store.log import row_agreement


def act(example: Example, name: str, uid: int) -> Actor:
    """Act once from an account of the system: a comment on the first request."""
    actor = workspaces.identify(example.services, name, uid=uid)
    promotions.comment(example.services, actor, 1, "seen")
    return workspaces.identify(example.services, name, uid=uid)


def request(example: Example) -> None:
    example.add_version()
    promotions.request_promotion(example.services, example.actor("sam"), "delay")


def differences(example: Example) -> list[str]:
    with example.services.registry.read() as connection:
        return [str(line) for line in row_agreement.differences(connection)]


def test_names_of_one_person_by_case_and_unicode_form() -> None:
    assert folded("Petra") == folded("petra") == folded("ＰＥＴＲＡ")
    assert folded("ren\u00e9") == folded("RENE\u0301")
    assert folded("petra") != folded("petrb")


def test_records_join_names_and_accounts_in_any_order() -> None:
    known = Persons.of(
        [
            PersonName("a", 1, None),
            PersonName("c", None, "d"),
            PersonName("b", 1, None),
            PersonName("D", None, "B"),
        ]
    )

    assert set(known.names("A")) == {"a", "b", "c", "d"}
    assert {known.subject(name) for name in "abcd"} == {known.subject("a")}
    assert known.subject("e") == "e"
    assert set(known.names("new", 1)) == {"new", "a", "b", "c", "d"}


def test_a_renamed_account_stays_the_same_person(example: Example) -> None:
    request(example)
    act(example, "pat", 1001)
    workspaces.grant_role(example.services, example.actor("ada"), "patricia", Role.APPROVER)
    renamed = workspaces.identify(example.services, "patricia", uid=1001)
    assert renamed.names == {"pat", "patricia"}, "before it has acted too"

    act(example, "patricia", 1001)

    assert example.actor("pat").names == example.actor("patricia").names == {"pat", "patricia"}
    entry = next(e for e in audits.show(example.services, example.actor("aud")) if e.action == "person.known")
    assert (entry.subject, entry.detail["uid"], entry.detail["same_as"]) == ("patricia", 1001, ["pat"])
    assert differences(example) == []


def test_the_first_change_of_an_account_may_be_an_approval(example: Example) -> None:
    example.add_version()
    asked = promotions.request_promotion(example.services, example.actor("sam"), "delay")
    pat = workspaces.identify(example.services, "pat", uid=1001)
    done = promotions.approve(example.services, pat, asked.id, asked.shown_digest)
    assert done.status == "deployed"
    assert differences(example) == []


def test_an_account_is_recorded_once_and_a_handed_over_name_is_no_account(example: Example) -> None:
    request(example)
    act(example, "pat", 1001)
    act(example, "pat", 1001)
    with example.services.registry.transaction() as connection:
        workspace.set_setting(connection, "trusted_wrappers", "svc")
    handed = workspaces.identify(example.services, "svc", "pat", uid=77)
    assert handed.uid is None
    promotions.comment(example.services, handed, 1, "seen")

    (one,) = [p for p in person_records.list_persons(example.services, handed) if p.accounts]
    assert (one.name, one.names, one.accounts) == ("pat", ("pat",), (1001,))


def test_an_admin_joins_two_names_for_good(example: Example) -> None:
    ada = example.actor("ada")
    person = person_records.join(example.services, ada, "pia", "pat", "she married")

    assert person.names == ("pat", "pia")
    with example.services.registry.read() as connection:
        assert as_now(connection, Actor("pat")).names == {"pat", "pia"}
    assert differences(example) == []
    with pytest.raises(ConflictError, match="one person already"):
        person_records.join(example.services, ada, "pat", "pia")
    with pytest.raises(NotFoundError, match="nobody's name here"):
        person_records.join(example.services, ada, "pat", "nobody")
    with pytest.raises(InvalidInputError, match="daemon"):
        person_records.join(example.services, ada, "pat", "Daemon")
    with pytest.raises(NotAllowedError):
        person_records.join(example.services, example.actor("pat"), "pat", "vera")
    with (
        pytest.raises(Exception, match="permanent: DELETE is refused"),
        example.services.registry.transaction() as connection,
    ):
        connection.execute("DELETE FROM person_names")


def test_a_join_past_the_log_is_found(example: Example) -> None:
    with sqlite3.connect(example.services.paths.registry) as connection:
        connection.execute(
            "INSERT INTO person_names (name, same_as, recorded_by, recorded_at) VALUES ('pat', 'pia', 'ada', 1)"
        )
    assert differences(example) == ["the person pat, who is pia was inserted"]


def test_no_role_for_a_name_that_differs_only_by_case(example: Example) -> None:
    with pytest.raises(
        ConflictError, match=r"Pat differs only by case from pat, who is known: grant it to pat"
    ):
        workspaces.grant_role(example.services, example.actor("ada"), "Pat", Role.OPERATOR)
    workspaces.revoke_role(example.services, example.actor("ada"), "pat", Role.APPROVER)
    with pytest.raises(ConflictError, match="differs only by case"):
        workspaces.grant_role(example.services, example.actor("ada"), "PAT", Role.APPROVER)
    workspaces.grant_role(example.services, example.actor("ada"), "pat", Role.APPROVER)


def test_the_daemon_has_no_second_name(example: Example) -> None:
    with pytest.raises(NotAllowedError, match="daemon's own name"):
        workspaces.identify(example.services, "Daemon")
    with pytest.raises(InvalidInputError, match="belong to the daemon"):
        workspaces.grant_role(example.services, example.actor("ada"), "DAEMON", Role.OPERATOR)


def test_a_second_name_does_not_end_a_workspace_of_one_person(example: Example) -> None:
    with example.services.registry.transaction() as connection:
        workspace.set_solo(connection, "sam")
    ada = example.actor("ada")
    workspaces.grant_role(example.services, ada, "samuel", Role.VIEWER)
    person_records.join(example.services, ada, "samuel", "sam")

    workspaces.grant_role(example.services, ada, "samuel", Role.APPROVER)
    assert workspaces.solo_person(example.services) == "sam"
    workspaces.grant_role(example.services, ada, "pia", Role.APPROVER, model="delay")
    assert workspaces.solo_person(example.services) == ""
