"""Workspaces: the first admin, who somebody is, roles, the policy, and pausing automation."""

from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.operations import automation_switch
from pilothouse.operations.workspace import audits, workspaces


def newest(example: Example) -> tuple[str, str, dict[str, object]]:
    entry = audits.show(example.services, example.actor("aud"), limit=1)[0]
    return entry.actor, entry.action, entry.detail


def test_a_new_workspace_has_one_admin_and_closed_folders(tmp_path: Path) -> None:
    example = make_example(tmp_path / "new")

    first = audits.show(example.services, example.actor("aud"), before=2)[0]
    assert (first.actor, first.action, first.detail["admin"]) == ("ada", "workspace.created", "ada")
    assert (tmp_path / "new" / "state").stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConflictError, match="is a workspace already"):
        workspaces.initialise(tmp_path / "new", "eve")


@pytest.mark.parametrize("name", ["", "daemon x", "a/b", "x" * 65, "[red]", "\x1b[2J", "-rf"])
def test_a_name_that_no_system_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="not a user name"):
        workspaces.initialise(tmp_path / "new", name)
    assert not (tmp_path / "new" / "state" / "registry.db").exists()


def test_as_is_let_through_in_a_demo_and_the_log_says_how(tmp_path: Path) -> None:
    example = make_example(tmp_path / "demo", demo=True)
    assert workspaces.is_demo(example.services)

    actor = workspaces.identify(example.services, "root", "oscar")
    automation_switch.pause(example.services, actor, "look at this")

    assert newest(example) == (
        "oscar",
        "automation.paused",
        {
            "reason": "look at this",
            "identity": {"kind": "demo", "subject": "root"},
            "before": {"actor": "", "reason": ""},
        },
    )


def test_as_is_refused_elsewhere_but_for_trusted_wrappers(example: Example) -> None:
    with pytest.raises(NotAllowedError, match="cannot act as somebody else"):
        workspaces.identify(example.services, "gate", "oscar")
    assert workspaces.identify(example.services, "oscar", "oscar").name == "oscar"

    workspaces.trust_wrapper(example.services, example.actor("ada"), "gate")
    found = workspaces.identify(example.services, "gate", "oscar")
    assert (found.name, str(found.identity)) == ("oscar", "handed over by the trusted wrapper gate")

    workspaces.trust_wrapper(example.services, example.actor("ada"), "gate", trusted=False)
    with pytest.raises(NotAllowedError):
        workspaces.identify(example.services, "gate", "oscar")


def test_roles_are_granted_and_revoked_with_their_record(example: Example) -> None:
    admin = example.actor("ada")
    workspaces.grant_role(example.services, admin, "svc_ml", Role.OPERATOR, model="delay")
    assert newest(example)[1:] == (
        "role.granted",
        {"role": "operator", "model": "delay", "identity": {"kind": "account", "subject": "ada"}},
    )
    with pytest.raises(ConflictError, match="already"):
        workspaces.grant_role(example.services, admin, "svc_ml", Role.OPERATOR, model="delay")
    with pytest.raises(NotFoundError, match="no model 'nothing'"):
        workspaces.grant_role(example.services, admin, "svc_ml", Role.OPERATOR, model="nothing")

    workspaces.revoke_role(example.services, admin, "svc_ml", Role.OPERATOR, model="delay")
    with pytest.raises(NotFoundError, match="is not operator"):
        workspaces.revoke_role(example.services, admin, "svc_ml", Role.OPERATOR, model="delay")
    assert "svc_ml" not in {actor.name for actor in workspaces.list_roles(example.services, admin)}


def test_the_last_admin_stays(example: Example) -> None:
    admin = example.actor("ada")
    with pytest.raises(ConflictError, match="last admin"):
        workspaces.revoke_role(example.services, admin, "ada", Role.ADMIN)
    workspaces.grant_role(example.services, admin, "eve", Role.ADMIN)

    workspaces.revoke_role(example.services, admin, "ada", Role.ADMIN)

    assert not example.actor("ada").grants or example.actor("ada").role_names == "viewer"


def test_the_policy_keeps_what_is_not_named_and_records_both_sides(example: Example) -> None:
    admin = example.actor("ada")
    default = workspaces.workspace_policy(example.services, admin)
    assert (default.approvals, default.four_eyes, default.allow_automatic, default.set_by) == (
        1,
        True,
        False,
        "",
    )
    workspaces.set_workspace_policy(example.services, admin, approvals=2, reason="audit")
    found = workspaces.set_workspace_policy(
        example.services, admin, allow_automatic=True, reason="audit again"
    )

    assert (found.approvals, found.four_eyes, found.allow_automatic, found.set_by) == (2, True, True, "ada")
    detail = newest(example)[2]
    assert detail["before"] == {"approvals": 2, "four_eyes": True, "allow_automatic": False}
    assert detail["after"] == {"approvals": 2, "four_eyes": True, "allow_automatic": True}
    with pytest.raises(InvalidInputError, match="expected 0 to 100"):
        workspaces.set_workspace_policy(example.services, admin, approvals=-1)


def test_automation_is_paused_with_a_reason_and_resumed(example: Example) -> None:
    operator = example.actor("oscar")
    with pytest.raises(InvalidInputError, match="needs a reason"):
        automation_switch.pause(example.services, operator, "  ")
    found = automation_switch.pause(example.services, operator, "maintenance")
    assert (found.paused, found.reason, found.actor) == (True, "maintenance", "oscar")
    with pytest.raises(ConflictError, match="paused already, by oscar: maintenance"):
        automation_switch.pause(example.services, operator, "again")

    assert not automation_switch.resume(example.services, operator).paused
    with pytest.raises(ConflictError, match="not paused"):
        automation_switch.resume(example.services, operator)


@pytest.mark.parametrize("text", ["x" * 4_001, "half a pair \ud800"])
def test_text_that_cannot_be_kept_is_refused(example: Example, text: str) -> None:
    with pytest.raises(InvalidInputError):
        automation_switch.pause(example.services, example.actor("oscar"), text)
    assert not automation_switch.status(example.services, example.actor("oscar")).paused
