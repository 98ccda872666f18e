"""Promotion: what is asked, who decides on what evidence, and what goes live in which transaction."""

from dataclasses import replace

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import DAEMON, Role
from pilothouse.domain.listing import Query
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations import automation_switch, catalogue
from pilothouse.operations.promotion import deployments, promotions, request_filing, request_lists
from pilothouse.operations.workspace import audits, workspaces


def ask(example: Example, reference: str = "delay", **rest: object) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), reference, **rest)  # type: ignore[arg-type]


def sign(example: Example, request: PromotionRequest, name: str = "pat") -> PromotionRequest:
    return promotions.approve(
        example.services, example.actor(name), request.id, request.evidence_digest, "fine"
    )


def waiting(example: Example, name: str) -> list[int]:
    """Numbers of the requests that wait for somebody; counts and the inbox's marks say the same."""
    actor = example.actor(name)
    numbers = [request.id for request in promotions.waiting_for(example.services, actor)]
    _, mine = request_lists.requests_page(example.services, actor, Query(after=1))
    assert set(numbers) == mine
    assert sum(promotions.count_waiting(example.services, actor).values()) == len(numbers)
    return numbers


def live(example: Example) -> dict[str, int]:
    found = deployments.list_deployments(example.services, example.actor("vera"))
    return {deployment.target: deployment.version for deployment in found}


def actions(example: Example) -> list[str]:
    return [entry.action for entry in audits.show(example.services, example.actor("aud"))]


def test_an_approved_version_is_live_on_every_target_and_champion(example: Example) -> None:
    example.add_version()
    request = ask(example, "models:/delay/1", reason="the first")

    done = sign(example, request)

    assert done.status is RequestStatus.DEPLOYED
    assert live(example) == {"ewr": 1, "jfk": 1}
    version = catalogue.get_version(example.services, example.actor("vera"), "delay@champion")
    assert (version.number, version.live_on, version.aliases) == (1, ("ewr", "jfk"), ("champion",))
    assert {"request.made", "request.approved", "request.deployed", "deployment.made", "alias.moved"} <= set(
        actions(example)
    )


def test_a_request_for_one_target_leaves_the_others_alone(example: Example) -> None:
    example.add_version()
    sign(example, ask(example))
    example.add_version()

    sign(example, ask(example, "delay/2", targets=["jfk"]))

    assert live(example) == {"ewr": 1, "jfk": 2}


def test_the_evidence_is_frozen_and_named_by_its_digest(example: Example) -> None:
    example.add_version()
    request = ask(example)

    evidence = request.evidence
    assert (evidence["version"], evidence["incumbents"]) == (1, {"ewr": None, "jfk": None})
    assert evidence["gates"][0]["outcome"] == "passed"
    assert evidence["metrics"][0]["low"] < evidence["metrics"][0]["value"] < evidence["metrics"][0]["high"]
    assert {"data", "code", "environment", "artifacts", "training"} <= set(evidence)
    assert promotions.get_request(example.services, example.actor("pat"), request.id) == request


def test_an_approval_of_other_evidence_is_refused(example: Example) -> None:
    example.add_version()
    request = ask(example)

    with pytest.raises(ConflictError, match="not the one on file") as refused:
        promotions.approve(example.services, example.actor("pat"), request.id, "0" * 64)

    assert request.evidence_digest[:8] not in str(refused.value), (
        "it is to be read, not to be copied from here"
    )
    assert live(example) == {}


def test_an_approval_is_refused_once_another_version_went_live(example: Example) -> None:
    example.add_version()
    example.add_version()
    sign(example, ask(example, "delay/1"))
    sign(example, ask(example, "delay/2"))
    example.add_version()
    waiting = ask(example, "delay/3")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")

    with pytest.raises(
        ConflictError, match="request 3 is outdated, compared with v2 on ewr, jfk; v1 is live there since"
    ):
        sign(example, waiting)


def test_a_version_that_failed_a_gate_cannot_be_requested(example: Example) -> None:
    example.add_version(passed=False, auc=0.5)

    with pytest.raises(NotAllowedError, match=r"auc at least 0\.6"):
        ask(example)


def test_a_version_not_compared_with_what_is_live_cannot_be_requested(example: Example) -> None:
    example.add_version(incumbents=())
    example.add_version(incumbents=())
    sign(example, ask(example, "delay/1"))

    with pytest.raises(
        ConflictError, match=r"was not compared with version 1, which went live since and .*: train again$"
    ):
        ask(example, "delay/2")  # it was never live: nothing can be rolled back to it

    example.add_version(incumbents=(1,))
    sign(example, ask(example, "delay/3"))
    with pytest.raises(ConflictError, match=r"train again, or roll back to models:/delay/1$"):
        ask(example, "delay/1")


@pytest.mark.parametrize("part", ["requested", "trained"])
def test_four_eyes_keep_requester_and_trainer_from_approving(example: Example, part: str) -> None:
    admin = example.actor("ada")
    workspaces.grant_role(example.services, admin, "sam", Role.APPROVER)
    workspaces.grant_role(example.services, admin, "pat", Role.DATA_SCIENTIST)
    example.add_version(by="pat" if part == "requested" else "sam")
    asker = example.actor("sam" if part == "requested" else "pat")
    request = promotions.request_promotion(example.services, asker, "delay")

    with pytest.raises(NotAllowedError, match=f"sam {part} .* four eyes"):
        sign(example, request, "sam")

    assert sign(example, request, "pia").status is RequestStatus.DEPLOYED


def test_two_approvals_are_two_people(example: Example) -> None:
    example.apply(promotion={"approvals": 2})
    example.add_version()
    request = ask(example)

    first = sign(example, request, "pat")
    assert (first.status, first.approvals, live(example)) == (RequestStatus.OPEN, 1, {})
    with pytest.raises(NotAllowedError, match="has decided on request"):
        sign(example, request, "pat")

    assert sign(example, request, "pia").status is RequestStatus.DEPLOYED


def test_the_policy_in_force_is_frozen_into_the_request(example: Example) -> None:
    example.apply(promotion={"approvals": 2})
    example.add_version()
    request = ask(example)
    example.apply(promotion={"approvals": 1})

    assert sign(example, request, "pat").status is RequestStatus.OPEN


def test_the_workspace_policy_is_a_floor(example: Example) -> None:
    example.apply(promotion={"approvals": 1, "four_eyes": False})
    workspaces.set_workspace_policy(
        example.services,
        example.actor("ada"),
        approvals=2,
        four_eyes=True,
        allow_automatic=False,
        reason="audit",
    )
    example.add_version()

    policy = ask(example).policy

    assert (policy.approvals, policy.four_eyes, policy.automatic) == (2, True, False)


def test_a_rejection_needs_a_reason_and_closes(example: Example) -> None:
    example.add_version()
    request = ask(example)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        promotions.reject(example.services, example.actor("pat"), request.id, "  ")

    done = promotions.reject(example.services, example.actor("pat"), request.id, "too few rows at JFK")

    assert (done.status, done.decisions[0].reason) == (RequestStatus.REJECTED, "too few rows at JFK")
    with pytest.raises(ConflictError, match="rejected already"):
        sign(example, request, "pia")
    assert catalogue.get_model(example.services, example.actor("vera"), "delay").aliases == {}


def test_a_new_request_supersedes_one_for_the_same_targets(example: Example) -> None:
    example.add_version()
    example.add_version()
    old = ask(example, "delay/1")
    new = ask(example, "delay/2", targets=["jfk"])

    found = {r.id: r.status for r in promotions.list_requests(example.services, example.actor("vera"))}
    assert found == {old.id: RequestStatus.SUPERSEDED, new.id: RequestStatus.OPEN}
    assert catalogue.get_model(example.services, example.actor("vera"), "delay").aliases == {"challenger": 2}


def test_requests_for_different_targets_stand_side_by_side(example: Example) -> None:
    example.add_version()
    example.add_version()
    first = ask(example, "delay/1", targets=["ewr"])
    second = ask(example, "delay/2", targets=["jfk"])

    sign(example, first)
    sign(example, second)

    assert live(example) == {"ewr": 1, "jfk": 2}


def test_only_the_requester_or_an_admin_withdraws(example: Example) -> None:
    example.add_version()
    request = ask(example)
    with pytest.raises(NotAllowedError, match="only sam"):
        promotions.withdraw(example.services, example.actor("oscar"), request.id)

    done = promotions.withdraw(example.services, example.actor("ada"), request.id, "wrong version")

    assert done.status is RequestStatus.WITHDRAWN


def test_requests_expire(example: Example) -> None:
    example.add_version()
    request = ask(example)
    assert waiting(example, "pat") == [request.id]
    example.pass_time(days=8)

    with pytest.raises(ConflictError, match="expired"):
        sign(example, request)
    assert waiting(example, "pat") == []
    assert [r.id for r in promotions.expire_requests(example.services)] == [request.id]
    assert promotions.expire_requests(example.services) == []
    assert (
        promotions.get_request(example.services, example.actor("pat"), request.id).status
        is RequestStatus.EXPIRED
    )


def test_what_waits_for_somebody_is_what_they_may_decide(example: Example) -> None:
    example.add_version()
    request = ask(example)

    assert {name: waiting(example, name) for name in ("pat", "sam", "vera")} == {
        "pat": [request.id],
        "sam": [],
        "vera": [],
    }


def test_comments_stay_with_the_request_in_order(example: Example) -> None:
    example.add_version()
    request = ask(example)
    promotions.comment(example.services, example.actor("pat"), request.id, "why so few rows?")
    found = promotions.comment(
        example.services, example.actor("sam"), request.id, "the feed broke \x1b[2J [/red]"
    )

    assert [(c.actor, c.text) for c in found.comments] == [
        ("pat", "why so few rows?"),
        ("sam", "the feed broke \x1b[2J [/red]"),
    ]


def allow_automatic(example: Example) -> None:
    """The floor of a workspace in which versions may go live without hands."""
    workspaces.set_workspace_policy(
        example.services,
        example.actor("ada"),
        approvals=0,
        four_eyes=False,
        allow_automatic=True,
        reason="a test",
    )


def test_the_default_floor_lets_nothing_deploy_without_hands(example: Example) -> None:
    example.apply(promotion={"approvals": 0, "four_eyes": False, "automatic": True})
    version = example.add_version(by=DAEMON.name)

    request = request_filing.advance_automatically(example.services, version, by_automation=True)

    assert request is not None
    assert request.status is RequestStatus.OPEN
    assert (request.policy.approvals, request.policy.four_eyes, request.policy.automatic) == (1, True, False)


def test_an_automatic_policy_deploys_without_hands(example: Example) -> None:
    allow_automatic(example)
    example.apply(promotion={"approvals": 0, "automatic": True})
    version = example.add_version(by=DAEMON.name)

    request = request_filing.advance_automatically(example.services, version, by_automation=True)

    assert request is not None
    assert request.status is RequestStatus.DEPLOYED
    found = deployments.list_deployments(example.services, example.actor("vera"))
    assert {(d.kind, d.actor) for d in found} == {("automatic", "daemon")}


@pytest.mark.parametrize("obstacle", ["floor", "approvals floor", "hold", "paused"])
def test_nothing_deploys_itself_against_floor_hold_or_pause(example: Example, obstacle: str) -> None:
    example.add_version()
    sign(example, ask(example, "delay/1"))
    allow_automatic(example)
    example.apply(promotion={"approvals": 0, "automatic": True})
    admin = example.actor("ada")
    if obstacle == "floor":
        workspaces.set_workspace_policy(example.services, admin, allow_automatic=False)
    elif obstacle == "approvals floor":
        workspaces.set_workspace_policy(example.services, admin, approvals=1)
    elif obstacle == "paused":
        automation_switch.pause(example.services, admin, "maintenance")
    else:
        example.add_version()
        ask(example, "delay/2")
        deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="worse")
    newest = example.add_version(by=DAEMON.name)

    request = request_filing.advance_automatically(example.services, newest, by_automation=True)

    assert live(example) == {"ewr": 1, "jfk": 1}
    assert request is None or request.status is RequestStatus.OPEN
    assert (request is None) == (obstacle == "paused")


def test_nothing_deploys_itself_that_was_not_compared_with_what_it_replaces(example: Example) -> None:
    allow_automatic(example)
    example.apply(promotion={"approvals": 0, "automatic": True})
    first = example.add_version(by=DAEMON.name, compared=GateOutcome.NOT_COMPARABLE)
    newcomer = request_filing.advance_automatically(example.services, first, by_automation=True)
    assert newcomer is not None
    assert newcomer.status is RequestStatus.DEPLOYED  # there was nothing to compare it with

    second = example.add_version(by=DAEMON.name, compared=GateOutcome.NOT_COMPARABLE)
    asked = request_filing.advance_automatically(example.services, second, by_automation=True)

    assert asked is not None
    assert asked.status is RequestStatus.OPEN
    assert live(example) == {"ewr": 1, "jfk": 1}


def test_a_held_back_version_of_an_automatic_policy_still_needs_one_approval(example: Example) -> None:
    example.add_version()
    sign(example, ask(example, "delay/1"))
    example.add_version()
    sign(example, ask(example, "delay/2"))
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="worse")
    allow_automatic(example)
    example.apply(promotion={"approvals": 0, "automatic": True})
    example.add_version()
    request = ask(example, "delay/3")

    assert request.status is RequestStatus.OPEN
    assert sign(example, request).status is RequestStatus.DEPLOYED


def test_automation_files_a_request_for_people_and_says_why_when_it_cannot(example: Example) -> None:
    version = example.add_version(by=DAEMON.name, incumbents=())
    filed = request_filing.advance_automatically(example.services, version, by_automation=True)
    assert filed is not None
    assert (filed.status, filed.requested_by) == (RequestStatus.OPEN, "daemon")
    sign(example, filed)

    late = example.add_version(by=DAEMON.name, incumbents=())
    assert request_filing.advance_automatically(example.services, late, by_automation=True) is None
    newest = audits.show(example.services, example.actor("aud"), limit=1)[0]
    assert newest.action == "promotion.not_requested"
    assert "was not compared with version 1" in newest.detail["why"]


def test_a_training_by_hand_is_not_requested_by_itself(example: Example) -> None:
    version = example.add_version()

    assert request_filing.advance_automatically(example.services, version, by_automation=False) is None


def test_a_version_live_everywhere_cannot_be_requested_again(example: Example) -> None:
    example.add_version()
    sign(example, ask(example))

    with pytest.raises(ConflictError, match="is live already"):
        ask(example)


def test_unknown_names_are_named(example: Example) -> None:
    example.add_version()
    with pytest.raises(NotFoundError, match="no target 'lga'"):
        ask(example, targets=["lga"])
    with pytest.raises(NotFoundError, match="no version 9"):
        ask(example, "delay/9")
    with pytest.raises(NotFoundError, match="no request 77"):
        promotions.get_request(example.services, example.actor("pat"), 77)


def test_a_role_that_was_revoked_is_gone_for_sessions_that_are_open(example: Example) -> None:
    example.add_version()
    request = ask(example)
    session = example.actor("pat")
    workspaces.revoke_role(example.services, example.actor("ada"), "pat", Role.APPROVER)

    with pytest.raises(NotAllowedError, match="approver"):
        promotions.approve(example.services, session, request.id, request.evidence_digest)


def test_a_forged_actor_holds_nothing(example: Example) -> None:
    example.add_version()
    request = ask(example)
    forged = replace(example.actor("vera"), grants=example.actor("pat").grants)

    with pytest.raises(NotAllowedError):
        promotions.approve(example.services, forged, request.id, request.evidence_digest)
