"""Approvals by team: two teams are two people, and the request waits until both have spoken."""

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.identity import users
from pilothouse.operations.promotion import freezes, promotions, statements, teams
from pilothouse.operations.promotion.components import Signed
from pilothouse.operations.workspace import audits, person_records, workspaces
from pilothouse.presentation.pages.request_page import approvers_text
from pilothouse.presentation.tables.work_rows import request_table
from pilothouse.presentation.texts import policy_text
from support.soft_keys import SoftKey


def join(example: Example, **of_team: str) -> None:
    for name, team in of_team.items():
        teams.add_member(example.services, example.actor("ada"), team, name, "hired for it")


def ask(example: Example, **promotion: object) -> PromotionRequest:
    example.apply(promotion=promotion)
    example.add_version()
    return promotions.request_promotion(example.services, example.actor("sam"), "delay", reason="first")


def approve(example: Example, request: PromotionRequest, name: str) -> PromotionRequest:
    return promotions.approve(
        example.services, example.actor(name), request.id, request.evidence_digest, "fine"
    )


def missing(request: PromotionRequest) -> dict[str, int]:
    assert request.in_force is not None
    return dict(request.in_force.missing_teams)


def test_two_teams_are_two_people(example: Example) -> None:
    join(example, pat="risk", pia="product")
    request = ask(example, teams={"risk": 1, "product": 1})
    assert request.approvals_needed == 2
    assert "2 approvals, among them 1 of product and 1 of risk" in policy_text(request.policy)
    first = approve(example, request, "pat")
    assert (first.status, missing(first)) == (RequestStatus.OPEN, {"product": 1})
    assert approve(example, request, "pia").status is RequestStatus.DEPLOYED


def test_two_of_one_team_are_not_two_teams(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "pol", Role.APPROVER)
    join(example, pat="risk", pia="risk", pol="product")
    request = ask(example, teams={"risk": 1, "product": 1})
    approve(example, request, "pat")
    second = approve(example, request, "pia")
    assert (second.status, missing(second)) == (RequestStatus.OPEN, {"product": 1})
    assert approve(example, request, "pol").status is RequestStatus.DEPLOYED


def test_two_names_of_one_person_stand_for_one_team(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "patricia", Role.APPROVER)
    join(example, pat="risk", patricia="product")
    request = ask(example, teams={"risk": 1, "product": 1})
    approve(example, request, "pat")
    approve(example, request, "patricia")
    person_records.join(example.services, example.actor("ada"), "pat", "patricia", "one person")
    found = promotions.get_request(example.services, example.actor("vera"), request.id)
    assert found.status is RequestStatus.DEPLOYED, "they were two when they decided"
    request = ask(example, teams={"risk": 1, "product": 1})
    again = approve(example, request, "pat")
    assert again.status is RequestStatus.OPEN


def test_who_left_the_team_counts_for_it_no_more(example: Example) -> None:
    join(example, pat="risk", pia="product")
    request = ask(example, teams={"risk": 1, "product": 1})
    approve(example, request, "pat")
    teams.remove_member(example.services, example.actor("ada"), "risk", "pat", "moved on")
    second = approve(example, request, "pia")
    assert (second.status, missing(second)) == (RequestStatus.OPEN, {"risk": 1})


def test_the_workspace_asks_every_model_and_a_model_may_ask_more(example: Example) -> None:
    join(example, pat="risk", pia="risk")
    request = ask(example)
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), teams={"risk": 2}, reason="a regulator asks"
    )
    first = approve(example, request, "pat")
    assert (first.status, missing(first)) == (RequestStatus.OPEN, {"risk": 1})
    assert first.in_force is not None
    assert any("approved by 2 of risk since the policy of" in text for text in first.in_force.tightened)
    assert approve(example, request, "pia").status is RequestStatus.DEPLOYED
    workspaces.set_workspace_policy(example.services, example.actor("ada"), teams={"risk": 0}, reason="over")
    assert workspaces.workspace_policy(example.services, example.actor("vera")).teams == {}


def test_a_team_rules_automatic_deployment_out(example: Example) -> None:
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), approvals=0, four_eyes=False, allow_automatic=True
    )
    request = ask(example, automatic=True, approvals=0, four_eyes=False, teams={"risk": 1})
    assert request.status is RequestStatus.OPEN


def test_memberships_are_on_record(example: Example) -> None:
    join(example, pat="risk")
    with pytest.raises(ConflictError, match="already"):
        join(example, pat="risk")
    teams.remove_member(example.services, example.actor("ada"), "risk", "pat", "left")
    with pytest.raises(NotFoundError, match="not in the team"):
        teams.remove_member(example.services, example.actor("ada"), "risk", "pat", "left")
    with pytest.raises(InvalidInputError, match="no name of a team"):
        join(example, pat="Risk Team")
    actions = [entry.action for entry in audits.show(example.services, example.actor("aud"))]
    assert actions[:2] == ["team.left", "team.joined"]
    assert audits.differing_rows(example.services, example.actor("aud")) == []


def test_a_team_without_members_is_asked_nothing(example: Example) -> None:
    with pytest.raises(ConflictError, match="the team rsik has no member"):
        workspaces.set_workspace_policy(example.services, example.actor("ada"), teams={"rsik": 1}, reason="x")


def left_to_deploy(example: Example, **promotion: object) -> PromotionRequest:
    """A request with two approvals, to which the team that was missing came by a new member."""
    join(example, pat="risk")
    request = ask(example, teams={"risk": 1}, approvals=2, **promotion)
    approve(example, request, "pat")
    teams.remove_member(example.services, example.actor("ada"), "risk", "pat", "moved on")
    assert approve(example, request, "pia").status is RequestStatus.OPEN
    join(example, pia="risk")
    return promotions.get_request(example.services, example.actor("vera"), request.id)


def test_a_team_that_comes_later_deploys_nothing_by_itself_and_who_approved_does(example: Example) -> None:
    request = left_to_deploy(example)
    assert (request.status, request.approvals, missing(request)) == (RequestStatus.OPEN, 2, {})
    said = "all approvals are there: deploys at the next approval, or once more by who approved"
    assert approvers_text(request) == f"{said} (pat, pia)"
    table = request_table([request], frozenset(), example.time)
    assert any("all approvals are there" in cell.text for row in table.rows for cell in row.cells)
    done = approve(example, request, "pia")
    assert done.status is RequestStatus.DEPLOYED
    assert [d.actor for d in done.decisions] == ["pat", "pia"], "nobody decided twice"
    newest = [
        e for e in audits.show(example.services, example.actor("aud")) if e.subject == f"request {request.id}"
    ]
    completed = next(e for e in newest if e.action == "request.completed")
    assert (completed.actor, completed.detail["approvals"], completed.detail["needed"]) == ("pia", 2, 2)
    with pytest.raises(ConflictError, match="deployed already"):
        approve(example, request, "pat")


def test_while_an_approval_is_missing_nobody_approves_twice(example: Example) -> None:
    join(example, pat="risk", pia="product")
    request = ask(example, teams={"risk": 1, "product": 1})
    approve(example, request, "pat")
    with pytest.raises(NotAllowedError, match="pat has decided on request 1 already: another person's"):
        approve(example, request, "pat")


def test_what_all_have_approved_waits_for_the_end_of_a_freeze_and_for_the_right_evidence(
    example: Example,
) -> None:
    request = left_to_deploy(example)
    with pytest.raises(ConflictError, match="is not the one on file"):
        promotions.approve(example.services, example.actor("pia"), request.id, "0" * 64)
    freezes.set_freeze(
        example.services,
        example.actor("ada"),
        "weekend",
        "Fri 16:00",
        "mon 08:00",
        "UTC",
        model="",
        reason="quiet",
    )
    with pytest.raises(ConflictError, match="is frozen by the window weekend"):
        approve(example, request, "pia")
    example.pass_time(hours=20)
    assert approve(example, request, "pat").status is RequestStatus.DEPLOYED


def test_an_approval_that_counts_no_more_completes_nothing(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "pol", Role.APPROVER)
    request = left_to_deploy(example)
    workspaces.revoke_role(example.services, example.actor("ada"), "pat", Role.APPROVER)
    with pytest.raises(NotAllowedError):
        approve(example, request, "pat")
    with pytest.raises(NotAllowedError, match="pia has decided"):
        approve(example, request, "pia")
    assert approve(example, request, "pol").status is RequestStatus.DEPLOYED


def test_an_approval_without_the_signature_that_is_asked_for_by_now_completes_nothing(
    example: Example,
) -> None:
    request = left_to_deploy(example)
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), signature=Component.KEY, reason="a bank"
    )
    with pytest.raises(NotAllowedError, match="pia has decided"):
        approve(example, request, "pia")


def test_a_signature_that_comes_with_it_must_hold_and_the_signed_approval_itself_is_enough(
    example: Example,
) -> None:
    services, ada = example.services, example.actor("ada")
    keys = {"pat": SoftKey(), "pia": SoftKey()}
    for name, soft in keys.items():
        users.add_user(services, ada, name, keys=[read_key(soft.line)])
    example.pass_time(minutes=1)
    join(example, pat="risk")
    request = ask(example, teams={"risk": 1}, approvals=2, signature="key")

    def signed(name: str, by: SoftKey) -> Signed:
        own = keys[name].public.fingerprint
        printed = statements.print_statement(services, example.actor(name), request.id, "approve", "", own)
        return Signed(by.sshsig(printed.text.encode()))

    def decide(name: str, component: Signed | None) -> PromotionRequest:
        digest = request.evidence_digest
        return promotions.approve(services, example.actor(name), request.id, digest, "", component)

    decide("pat", signed("pat", keys["pat"]))
    teams.remove_member(services, ada, "risk", "pat", "moved on")
    decide("pia", signed("pia", keys["pia"]))
    join(example, pia="risk")
    with pytest.raises(NotAllowedError, match="the statement names the key"):
        decide("pia", signed("pia", SoftKey()))
    assert decide("pia", None).status is RequestStatus.DEPLOYED
    assert audits.differing_rows(services, example.actor("aud")) == []
