"""Promotion: what is asked, who decides on what evidence, and what goes live in which transaction."""

from dataclasses import replace

import pytest

from fixtures.registries import Harbour
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.evaluation import GateOutcome
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.roles import DAEMON, Role
from pilothouse.operations import automation_switch, catalogue
from pilothouse.operations.promotion import deployments, promotions, request_filing
from pilothouse.operations.workspace import audits, workspaces


def ask(harbour: Harbour, reference: str = "delay", **rest: object) -> PromotionRequest:
    return promotions.request_promotion(harbour.services, harbour.actor("sam"), reference, **rest)  # type: ignore[arg-type]


def sign(harbour: Harbour, request: PromotionRequest, name: str = "pat") -> PromotionRequest:
    return promotions.approve(
        harbour.services, harbour.actor(name), request.id, request.evidence_digest, "fine"
    )


def live(harbour: Harbour) -> dict[str, int]:
    found = deployments.list_deployments(harbour.services, harbour.actor("vera"))
    return {deployment.target: deployment.version for deployment in found}


def actions(harbour: Harbour) -> list[str]:
    return [entry.action for entry in audits.show(harbour.services, harbour.actor("aud"))]


def test_an_approved_version_is_live_on_every_target_and_champion(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour, "models:/delay/1", reason="the first")

    done = sign(harbour, request)

    assert done.status is RequestStatus.DEPLOYED
    assert live(harbour) == {"ewr": 1, "jfk": 1}
    version = catalogue.get_version(harbour.services, harbour.actor("vera"), "delay@champion")
    assert (version.number, version.live_on, version.aliases) == (1, ("ewr", "jfk"), ("champion",))
    assert {"request.made", "request.approved", "request.deployed", "deployment.made", "alias.moved"} <= set(
        actions(harbour)
    )


def test_a_request_for_one_target_leaves_the_others_alone(harbour: Harbour) -> None:
    harbour.add_version()
    sign(harbour, ask(harbour))
    harbour.add_version()

    sign(harbour, ask(harbour, "delay/2", targets=["jfk"]))

    assert live(harbour) == {"ewr": 1, "jfk": 2}


def test_the_evidence_is_frozen_and_named_by_its_digest(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)

    evidence = request.evidence
    assert (evidence["version"], evidence["incumbents"]) == (1, {"ewr": None, "jfk": None})
    assert evidence["gates"][0]["outcome"] == "passed"
    assert evidence["metrics"][0]["low"] < evidence["metrics"][0]["value"] < evidence["metrics"][0]["high"]
    assert {"data", "code", "environment", "artifacts", "training"} <= set(evidence)
    assert promotions.get_request(harbour.services, harbour.actor("pat"), request.id) == request


def test_an_approval_of_other_evidence_is_refused(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)

    with pytest.raises(ConflictError, match="not the one on file") as refused:
        promotions.approve(harbour.services, harbour.actor("pat"), request.id, "0" * 64)

    assert request.evidence_digest[:8] not in str(refused.value), (
        "it is to be read, not to be copied from here"
    )
    assert live(harbour) == {}


def test_an_approval_is_refused_once_another_version_went_live(harbour: Harbour) -> None:
    harbour.add_version()
    harbour.add_version()
    sign(harbour, ask(harbour, "delay/1"))
    sign(harbour, ask(harbour, "delay/2"))
    harbour.add_version()
    waiting = ask(harbour, "delay/3")
    deployments.roll_back(harbour.services, harbour.actor("oscar"), "delay", reason="slow")

    with pytest.raises(ConflictError, match="has changed since the evidence was frozen"):
        sign(harbour, waiting)


def test_a_version_that_failed_a_gate_cannot_be_requested(harbour: Harbour) -> None:
    harbour.add_version(passed=False, auc=0.5)

    with pytest.raises(NotAllowedError, match=r"auc at least 0\.6"):
        ask(harbour)


def test_a_version_not_compared_with_what_is_live_cannot_be_requested(harbour: Harbour) -> None:
    harbour.add_version(incumbents=())
    harbour.add_version(incumbents=())
    sign(harbour, ask(harbour, "delay/1"))

    with pytest.raises(ConflictError, match="was not compared with version 1"):
        ask(harbour, "delay/2")

    harbour.add_version(incumbents=(1,))
    assert ask(harbour, "delay/3").status is RequestStatus.OPEN


@pytest.mark.parametrize("part", ["requested", "trained"])
def test_four_eyes_keep_requester_and_trainer_from_approving(harbour: Harbour, part: str) -> None:
    admin = harbour.actor("ada")
    workspaces.grant_role(harbour.services, admin, "sam", Role.APPROVER)
    workspaces.grant_role(harbour.services, admin, "pat", Role.DATA_SCIENTIST)
    harbour.add_version(by="pat" if part == "requested" else "sam")
    asker = harbour.actor("sam" if part == "requested" else "pat")
    request = promotions.request_promotion(harbour.services, asker, "delay")

    with pytest.raises(NotAllowedError, match=f"sam {part} .* four eyes"):
        sign(harbour, request, "sam")

    assert sign(harbour, request, "pia").status is RequestStatus.DEPLOYED


def test_two_approvals_are_two_people(harbour: Harbour) -> None:
    harbour.apply(promotion={"approvals": 2})
    harbour.add_version()
    request = ask(harbour)

    first = sign(harbour, request, "pat")
    assert (first.status, first.approvals, live(harbour)) == (RequestStatus.OPEN, 1, {})
    with pytest.raises(NotAllowedError, match="has decided on request"):
        sign(harbour, request, "pat")

    assert sign(harbour, request, "pia").status is RequestStatus.DEPLOYED


def test_the_policy_in_force_is_frozen_into_the_request(harbour: Harbour) -> None:
    harbour.apply(promotion={"approvals": 2})
    harbour.add_version()
    request = ask(harbour)
    harbour.apply(promotion={"approvals": 1})

    assert sign(harbour, request, "pat").status is RequestStatus.OPEN


def test_the_workspace_policy_is_a_floor(harbour: Harbour) -> None:
    harbour.apply(promotion={"approvals": 1, "four_eyes": False})
    workspaces.set_workspace_policy(
        harbour.services,
        harbour.actor("ada"),
        approvals=2,
        four_eyes=True,
        allow_automatic=False,
        reason="audit",
    )
    harbour.add_version()

    policy = ask(harbour).policy

    assert (policy["approvals"], policy["four_eyes"], policy["automatic"]) == (2, True, False)


def test_a_rejection_needs_a_reason_and_closes(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        promotions.reject(harbour.services, harbour.actor("pat"), request.id, "  ")

    done = promotions.reject(harbour.services, harbour.actor("pat"), request.id, "too few rows at JFK")

    assert (done.status, done.decisions[0].reason) == (RequestStatus.REJECTED, "too few rows at JFK")
    with pytest.raises(ConflictError, match="rejected already"):
        sign(harbour, request, "pia")
    assert catalogue.get_model(harbour.services, harbour.actor("vera"), "delay").aliases == {}


def test_a_new_request_supersedes_one_for_the_same_targets(harbour: Harbour) -> None:
    harbour.add_version()
    harbour.add_version()
    old = ask(harbour, "delay/1")
    new = ask(harbour, "delay/2", targets=["jfk"])

    found = {r.id: r.status for r in promotions.list_requests(harbour.services, harbour.actor("vera"))}
    assert found == {old.id: RequestStatus.SUPERSEDED, new.id: RequestStatus.OPEN}
    assert catalogue.get_model(harbour.services, harbour.actor("vera"), "delay").aliases == {"challenger": 2}


def test_requests_for_different_targets_stand_side_by_side(harbour: Harbour) -> None:
    harbour.add_version()
    harbour.add_version()
    first = ask(harbour, "delay/1", targets=["ewr"])
    second = ask(harbour, "delay/2", targets=["jfk"])

    sign(harbour, first)
    sign(harbour, second)

    assert live(harbour) == {"ewr": 1, "jfk": 2}


def test_only_the_requester_or_an_admin_withdraws(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)
    with pytest.raises(NotAllowedError, match="only sam"):
        promotions.withdraw(harbour.services, harbour.actor("oscar"), request.id)

    done = promotions.withdraw(harbour.services, harbour.actor("ada"), request.id, "wrong version")

    assert done.status is RequestStatus.WITHDRAWN


def test_requests_expire(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)
    assert promotions.waiting_for(harbour.services, harbour.actor("pat")) == [request]
    harbour.pass_time(days=8)

    with pytest.raises(ConflictError, match="expired"):
        sign(harbour, request)
    assert promotions.waiting_for(harbour.services, harbour.actor("pat")) == []
    assert [r.id for r in promotions.expire_requests(harbour.services)] == [request.id]
    assert promotions.expire_requests(harbour.services) == []
    assert (
        promotions.get_request(harbour.services, harbour.actor("pat"), request.id).status
        is RequestStatus.EXPIRED
    )


def test_what_waits_for_somebody_is_what_they_may_decide(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)

    waiting = {
        name: promotions.waiting_for(harbour.services, harbour.actor(name)) for name in ("pat", "sam", "vera")
    }

    assert waiting == {"pat": [request], "sam": [], "vera": []}


def test_comments_stay_with_the_request_in_order(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)
    promotions.comment(harbour.services, harbour.actor("pat"), request.id, "why so few rows?")
    found = promotions.comment(
        harbour.services, harbour.actor("sam"), request.id, "the feed broke \x1b[2J [/red]"
    )

    assert [(c.actor, c.text) for c in found.comments] == [
        ("pat", "why so few rows?"),
        ("sam", "the feed broke \x1b[2J [/red]"),
    ]


def test_an_automatic_policy_deploys_without_hands(harbour: Harbour) -> None:
    harbour.apply(promotion={"approvals": 0, "automatic": True})
    version = harbour.add_version(by=DAEMON.name)

    request = request_filing.advance_automatically(harbour.services, version, by_automation=True)

    assert request is not None
    assert request.status is RequestStatus.DEPLOYED
    found = deployments.list_deployments(harbour.services, harbour.actor("vera"))
    assert {(d.kind, d.actor) for d in found} == {("automatic", "daemon")}


@pytest.mark.parametrize("obstacle", ["floor", "approvals floor", "hold", "paused"])
def test_nothing_deploys_itself_against_floor_hold_or_pause(harbour: Harbour, obstacle: str) -> None:
    harbour.add_version()
    sign(harbour, ask(harbour, "delay/1"))
    harbour.apply(promotion={"approvals": 0, "automatic": True})
    admin = harbour.actor("ada")
    if obstacle == "floor":
        workspaces.set_workspace_policy(harbour.services, admin, allow_automatic=False)
    elif obstacle == "approvals floor":
        workspaces.set_workspace_policy(harbour.services, admin, approvals=1)
    elif obstacle == "paused":
        automation_switch.pause(harbour.services, admin, "maintenance")
    else:
        harbour.add_version()
        ask(harbour, "delay/2")
        deployments.roll_back(harbour.services, harbour.actor("oscar"), "delay", reason="worse")
    newest = harbour.add_version(by=DAEMON.name)

    request = request_filing.advance_automatically(harbour.services, newest, by_automation=True)

    assert live(harbour) == {"ewr": 1, "jfk": 1}
    assert request is None or request.status is RequestStatus.OPEN
    assert (request is None) == (obstacle == "paused")


def test_nothing_deploys_itself_that_was_not_compared_with_what_it_replaces(harbour: Harbour) -> None:
    harbour.apply(promotion={"approvals": 0, "automatic": True})
    first = harbour.add_version(by=DAEMON.name, compared=GateOutcome.NOT_COMPARABLE)
    newcomer = request_filing.advance_automatically(harbour.services, first, by_automation=True)
    assert newcomer is not None
    assert newcomer.status is RequestStatus.DEPLOYED  # there was nothing to compare it with

    second = harbour.add_version(by=DAEMON.name, compared=GateOutcome.NOT_COMPARABLE)
    asked = request_filing.advance_automatically(harbour.services, second, by_automation=True)

    assert asked is not None
    assert asked.status is RequestStatus.OPEN
    assert live(harbour) == {"ewr": 1, "jfk": 1}


def test_a_held_back_version_of_an_automatic_policy_still_needs_one_approval(harbour: Harbour) -> None:
    harbour.add_version()
    sign(harbour, ask(harbour, "delay/1"))
    harbour.add_version()
    sign(harbour, ask(harbour, "delay/2"))
    deployments.roll_back(harbour.services, harbour.actor("oscar"), "delay", reason="worse")
    harbour.apply(promotion={"approvals": 0, "automatic": True})
    harbour.add_version()
    request = ask(harbour, "delay/3")

    assert request.status is RequestStatus.OPEN
    assert sign(harbour, request).status is RequestStatus.DEPLOYED


def test_automation_files_a_request_for_people_and_says_why_when_it_cannot(harbour: Harbour) -> None:
    version = harbour.add_version(by=DAEMON.name, incumbents=())
    filed = request_filing.advance_automatically(harbour.services, version, by_automation=True)
    assert filed is not None
    assert (filed.status, filed.requested_by) == (RequestStatus.OPEN, "daemon")
    sign(harbour, filed)

    late = harbour.add_version(by=DAEMON.name, incumbents=())
    assert request_filing.advance_automatically(harbour.services, late, by_automation=True) is None
    newest = audits.show(harbour.services, harbour.actor("aud"), limit=1)[0]
    assert newest.action == "promotion.not_requested"
    assert "was not compared with version 1" in newest.detail["why"]


def test_a_training_by_hand_is_not_requested_by_itself(harbour: Harbour) -> None:
    version = harbour.add_version()

    assert request_filing.advance_automatically(harbour.services, version, by_automation=False) is None


def test_a_version_live_everywhere_cannot_be_requested_again(harbour: Harbour) -> None:
    harbour.add_version()
    sign(harbour, ask(harbour))

    with pytest.raises(ConflictError, match="is live already"):
        ask(harbour)


def test_unknown_names_are_named(harbour: Harbour) -> None:
    harbour.add_version()
    with pytest.raises(NotFoundError, match="no target 'lga'"):
        ask(harbour, targets=["lga"])
    with pytest.raises(NotFoundError, match="no version 9"):
        ask(harbour, "delay/9")
    with pytest.raises(NotFoundError, match="no request 77"):
        promotions.get_request(harbour.services, harbour.actor("pat"), 77)


def test_a_role_that_was_revoked_is_gone_for_sessions_that_are_open(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)
    session = harbour.actor("pat")
    workspaces.revoke_role(harbour.services, harbour.actor("ada"), "pat", Role.APPROVER)

    with pytest.raises(NotAllowedError, match="approver"):
        promotions.approve(harbour.services, session, request.id, request.evidence_digest)


def test_a_forged_actor_holds_nothing(harbour: Harbour) -> None:
    harbour.add_version()
    request = ask(harbour)
    forged = replace(harbour.actor("vera"), grants=harbour.actor("pat").grants)

    with pytest.raises(NotAllowedError):
        promotions.approve(harbour.services, forged, request.id, request.evidence_digest)
