"""A workspace of one person: four eyes is off, is said, and holds again once somebody else may approve."""

from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.presentation.texts import policy_text
from pilothouse.store import workspace


@pytest.fixture
def solo(example: Example) -> Example:
    """A workspace that sam runs, who trains, asks and approves."""
    workspaces.grant_role(example.services, example.actor("ada"), "sam", Role.APPROVER)
    with example.services.registry.transaction() as connection:
        workspace.set_solo(connection, "sam")
    example.add_version()
    return example


def ask(example: Example) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), "delay")


def sign(example: Example, request: PromotionRequest) -> PromotionRequest:
    actor = example.actor("sam")
    return promotions.approve(example.services, actor, request.id, request.evidence_digest, "fine")


def test_a_solo_workspace_is_made_with_an_admin_who_may_approve(tmp_path: Path) -> None:
    workspaces.initialise(tmp_path / "new", "ada", solo=True)
    services = open_workspace(tmp_path / "new")
    try:
        ada = workspaces.identify(services, "ada")
        assert {grant.role for grant in ada.grants} == {Role.ADMIN, Role.APPROVER}
        assert workspaces.solo_person(services) == "ada"
        granted, created = audits.show(services, ada)
        assert (created.action, created.detail["solo"]) == ("workspace.created", True)
        rules = {"approvals": 1, "four_eyes": False, "allow_automatic": False}
        assert created.detail["policy"] == rules
        assert (granted.action, granted.detail["role"]) == ("role.granted", "approver")
    finally:
        services.close()


def test_one_person_approves_what_they_asked_for_and_the_record_says_why(solo: Example) -> None:
    request = ask(solo)
    assert (request.policy.four_eyes, request.policy.solo) == (False, True)
    assert "four eyes off: one person runs this workspace" in policy_text(request.policy)
    made = next(e for e in audits.show(solo.services, solo.actor("aud")) if e.action == "request.made")
    assert made.detail["policy"] == request.policy.to_plain()
    assert made.detail["policy"]["solo"] is True
    assert request.policy.digest == request.policy_digest
    assert sign(solo, request).status is RequestStatus.DEPLOYED


def test_four_eyes_holds_once_somebody_else_may_approve_for_open_requests_too(solo: Example) -> None:
    request = ask(solo)
    workspaces.grant_role(solo.services, solo.actor("ada"), "vera", Role.OPERATOR)
    assert workspaces.solo_person(solo.services) == "sam"

    workspaces.grant_role(solo.services, solo.actor("ada"), "vera", Role.APPROVER, model="delay")

    assert workspaces.solo_person(solo.services) == ""
    actions = [entry.action for entry in audits.show(solo.services, solo.actor("aud"), limit=4)]
    assert actions == ["request.withdrawn", "alias.dropped", "solo.ended", "role.granted"]
    closed = promotions.get_request(solo.services, solo.actor("sam"), request.id)
    assert closed.status is RequestStatus.WITHDRAWN
    again = promotions.request_again(solo.services, solo.actor("sam"), request.id)
    assert again.policy.four_eyes
    with pytest.raises(NotAllowedError, match="four eyes"):
        sign(solo, again)
    workspaces.revoke_role(solo.services, solo.actor("ada"), "vera", Role.APPROVER, model="delay")
    assert workspaces.solo_person(solo.services) == "", "four eyes stays once it holds"


def test_a_policy_that_was_set_while_one_person_was_alone_gets_four_eyes_too(solo: Example) -> None:
    workspaces.set_workspace_policy(solo.services, solo.actor("ada"), approvals=2, reason="audit")
    assert not workspaces.workspace_policy(solo.services, solo.actor("ada")).four_eyes

    workspaces.grant_role(solo.services, solo.actor("ada"), "vera", Role.APPROVER)

    policy = workspaces.workspace_policy(solo.services, solo.actor("ada"))
    assert (policy.approvals, policy.four_eyes) == (2, True)
    newest = next(e for e in audits.show(solo.services, solo.actor("aud")) if e.action == "policy.set")
    assert newest.detail["reason"] == "vera may approve now, so that four eyes holds"


def test_four_eyes_of_the_workspace_itself_holds_for_one_person_too(solo: Example) -> None:
    workspaces.set_workspace_policy(solo.services, solo.actor("ada"), four_eyes=True, reason="audit")
    request = ask(solo)
    assert (request.policy.four_eyes, request.policy.solo) == (True, False)
    with pytest.raises(NotAllowedError, match="four eyes"):
        sign(solo, request)
