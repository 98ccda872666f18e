"""Dual control: one admin proposes a command, another one runs it by accepting; alone nobody does it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.cli.group import run
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.identity import proposals
from pilothouse.operations.workspace import audits, person_records, workspaces
from pilothouse.store import workspace


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """Two admins under dual control."""
    example = make_example(tmp_path / "w")
    workspaces.grant_role(example.services, example.actor("ada"), "bea", Role.ADMIN)
    proposals.set_dual_control(example.services, example.actor("ada"), on=True, reason="a bank")
    yield example
    example.close()


def roles(example: Example, name: str) -> set[str]:
    return {str(grant.role) for grant in example.actor(name).grants}


def accept(example: Example, by: str, number: int = 1) -> None:
    """Accept as the command line does it, with a grant as the command."""
    actor = example.actor(by)
    with proposals.accepting(example.services, actor, number) as proposal:
        command, name, role = proposal.words
        assert command == "grant"
        workspaces.grant_role(example.services, actor, name, Role(role))


def propose(example: Example, by: str = "ada", *words: str) -> int:
    return proposals.propose(
        example.services, example.actor(by), words or ("grant", "eve", "approver"), "hired"
    ).id


def test_nobody_changes_access_or_rules_alone(example: Example) -> None:
    ada = example.actor("ada")
    for change in (
        lambda: workspaces.grant_role(example.services, ada, "eve", Role.ADMIN),
        lambda: workspaces.revoke_role(example.services, ada, "vera", Role.VIEWER),
        lambda: workspaces.set_workspace_policy(example.services, ada, approvals=0),
        lambda: workspaces.set_break_glass(example.services, ada, allowed=True),
        lambda: proposals.set_dual_control(example.services, ada, on=False),
    ):
        with pytest.raises(NotAllowedError, match="dual control is on"):
            change()


def test_another_admin_accepts_and_the_record_names_both(example: Example) -> None:
    propose(example)
    with pytest.raises(NotAllowedError, match="another admin accepts it"):
        accept(example, "ada")
    assert roles(example, "eve") == {"viewer"}
    accept(example, "bea")
    assert roles(example, "eve") == {"approver"}
    entry = audits.show(example.services, example.actor("aud"), text="role.granted")[0]
    assert (entry.actor, entry.detail["second"], entry.detail["proposal"]) == ("bea", "ada", 1)
    with pytest.raises(ConflictError, match="proposal 1 is accepted"):
        accept(example, "bea")
    assert audits.differing_rows(example.services, example.actor("aud")) == []


def test_two_names_of_one_person_are_one(example: Example) -> None:
    propose(example)
    with (
        example.services.registry.transaction(),
        proposals.accepting(
            example.services, example.actor("bea"), propose(example, "ada", "persons", "join")
        ),
    ):
        person_records.join(example.services, example.actor("bea"), "ada", "bea", "one person")
    with pytest.raises(NotAllowedError, match="another admin accepts it"):
        accept(example, "bea")


def test_who_is_no_admin_any_more_is_no_second(example: Example) -> None:
    propose(example)
    with example.services.registry.transaction() as connection:
        workspace.set_setting(connection, "dual_control", "no")
    workspaces.revoke_role(example.services, example.actor("bea"), "ada", Role.ADMIN)
    with example.services.registry.transaction() as connection:
        workspace.set_setting(connection, "dual_control", "yes")
    with pytest.raises(NotAllowedError, match="ada may not"):
        accept(example, "bea")
    (proposal,) = proposals.list_proposals(example.services, example.actor("vera"))
    assert proposal.status == "open", "what fails is not accepted"


def test_a_proposal_lasts_a_week(example: Example) -> None:
    propose(example)
    example.pass_time(days=7)
    with pytest.raises(ConflictError, match="expired"):
        accept(example, "bea")
    assert proposals.list_proposals(example.services, example.actor("vera"), open_only=True) == []


def test_it_is_rejected_by_others_and_withdrawn_by_oneself(example: Example) -> None:
    first, second = propose(example), propose(example)
    assert proposals.reject(example.services, example.actor("bea"), first, "no").status == "rejected"
    assert proposals.reject(example.services, example.actor("ada"), second, "oh").status == "withdrawn"
    with pytest.raises(NotFoundError, match="no proposal 9"):
        accept(example, "bea", 9)
    with pytest.raises(InvalidInputError, match="cannot be proposed"):
        propose(example, "ada", "init", "x")


def test_files_that_changed_since_are_not_applied(example: Example) -> None:
    models = example.root / "models" / "delay"
    models.mkdir(parents=True)
    (models / "model.toml").write_text("name = 'delay'\n")
    number = propose(example, "ada", "apply")
    (models / "model.toml").write_text("name = 'delay' # another\n")
    with (
        pytest.raises(ConflictError, match="are not what they were"),
        proposals.accepting(example.services, example.actor("bea"), number),
    ):
        raise AssertionError


@pytest.mark.parametrize("file", ["targets.toml", "plans.toml"])
def test_plans_and_targets_that_changed_since_are_not_applied(example: Example, file: str) -> None:
    number = propose(example, "ada", "apply")
    (example.root / file).write_text("# written after the proposal\n")
    with (
        pytest.raises(ConflictError, match="are not what they were"),
        proposals.accepting(example.services, example.actor("bea"), number),
    ):
        raise AssertionError


def test_it_takes_two_admins_to_turn_it_on(tmp_path: Path) -> None:
    example = make_example(tmp_path / "w")
    with pytest.raises(ConflictError, match="needs two admins"):
        proposals.set_dual_control(example.services, example.actor("ada"), on=True)
    example.close()


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "w"
    workspaces.initialise(root, "ada", demo=True)

    def ph(who: str, *words: str) -> str:
        assert run(["-w", str(root), "--as", who, *words]) in (None, 0)
        return capsys.readouterr().out

    ph("ada", "grant", "bea", "admin")
    ph("ada", "policy", "set", "--dual-control", "--reason", "a bank")
    with pytest.raises(NotAllowedError, match="pilothouse propose"):
        ph("ada", "grant", "eve", "approver")
    ph("ada", "propose", "--reason", "hired", "--", "grant", "eve", "approver")
    with pytest.raises(InvalidInputError):
        ph("ada", "propose", "--reason", "x", "--", "grant", "eve", "emperor")
    (open_one,) = json.loads(ph("vera", "proposals", "list", "--open", "--json"))
    assert open_one["words"] == ["grant", "eve", "approver"]
    ph("bea", "proposals", "accept", "1")
    assert any(
        (one["name"], grant["role"]) == ("eve", "approver")
        for one in json.loads(ph("vera", "roles", "--json"))
        for grant in one["grants"]
    )
    ph(
        "bea",
        "propose",
        "--reason",
        "fewer",
        "--",
        "policy",
        "set",
        "--no-dual-control",
        "--reason",
        "alone again",
    )
    ph("ada", "proposals", "accept", "2")
    ph("ada", "grant", "max", "viewer")
    assert json.loads(ph("vera", "policy", "show", "--json"))["dual_control"] is False
