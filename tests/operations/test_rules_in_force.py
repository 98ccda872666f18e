"""The gates in force count when a request is made and when it is decided, and an open request takes a tighter policy."""

from typing import Any

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.listing import Query
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations import catalogue
from pilothouse.operations.promotion import deployments, promotions, request_filing, request_lists
from pilothouse.operations.workspace import audits, workspaces


def ask(example: Example, reference: str = "delay", **rest: Any) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), reference, **rest)


def sign(example: Example, request: PromotionRequest, name: str = "pat") -> PromotionRequest:
    return promotions.approve(
        example.services, example.actor(name), request.id, request.evidence_digest, "fine"
    )


def shown(example: Example, request: PromotionRequest) -> PromotionRequest:
    return promotions.get_request(example.services, example.actor("pat"), request.id)


def waiting(example: Example, name: str = "pat") -> list[int]:
    """Numbers of the requests that wait for somebody; counts and the inbox's marks say the same."""
    actor = example.actor(name)
    numbers = [request.id for request in promotions.waiting_for(example.services, actor)]
    _, mine = request_lists.requests_page(example.services, actor, Query(after=1))
    assert set(numbers) == mine
    assert sum(promotions.count_waiting(example.services, actor).values()) == len(numbers)
    return numbers


def bounded(minimum: float, **gates: Any) -> dict[str, Any]:
    return {"gates": {"metric": [{"metric": "auc", "minimum": minimum}], **gates}}


def test_a_version_of_before_a_tightening_cannot_be_requested(example: Example) -> None:
    example.apply(**bounded(0.62))
    example.add_version(auc=0.65)
    example.apply(**bounded(0.70))

    with pytest.raises(
        NotAllowedError,
        match=r"^delay/1 was judged before the gates were tightened: "
        r"gates\.metric auc minimum 0\.62 → 0\.7, and it has 0\.65: train again$",
    ):
        ask(example)


def test_a_bound_on_a_metric_is_judged_again_on_what_is_on_record(example: Example) -> None:
    example.apply(**bounded(0.62))
    example.add_version(auc=0.71)
    example.apply(**bounded(0.70))

    assert sign(example, ask(example)).status is RequestStatus.DEPLOYED


def test_a_bound_on_a_metric_that_was_not_measured_is_refused_by_name(example: Example) -> None:
    example.add_version()
    example.apply(gates={"metric": [{"metric": "accuracy", "minimum": 0.5}]})

    with pytest.raises(NotAllowedError, match=r"accuracy minimum 0\.5, which was not measured: train again"):
        ask(example)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"gates": {"latency": {"p95_ms": 5.0}}}, "gates.latency"),
        ({"gates": {"function": "gate.py:check"}}, "gates.function"),
        ({"gates": {"model_size_mb": 1.0}}, "gates.model_size_mb"),
        ({"gates": {"data": {"minimum_rows": 5_000}}}, "gates.data.minimum_rows"),
        ({"targets": [{"name": "ewr", "match": {"origin": "EWR"}}, {"name": "jfk"}]}, "targets.ewr.match"),
    ],
)
def test_gates_that_cannot_be_judged_again_are_refused_by_name(
    example: Example, tables: dict[str, Any], said: str
) -> None:
    example.add_version()
    request = ask(example)
    example.apply(**tables)

    with pytest.raises(NotAllowedError, match=said):
        ask(example)
    with pytest.raises((NotAllowedError, ConflictError), match=f"{said}.*train again"):
        sign(example, request)


def test_another_body_of_the_gate_function_judges_anew(example: Example) -> None:
    example.apply(gates={"function": "gate.py:check"}, code={"gate.py": "a" * 64})
    example.add_version()
    request = ask(example)
    example.apply(gates={"function": "gate.py:check"}, code={"gate.py": "b" * 64})

    assert waiting(example) == []
    with pytest.raises(ConflictError, match=r"gate\.py changed.*: train again"):
        sign(example, request)


def test_a_request_of_before_a_tightening_cannot_be_approved_and_waits_for_nobody(example: Example) -> None:
    example.apply(**bounded(0.62))
    example.add_version(auc=0.65)
    request = ask(example)
    assert waiting(example) == [request.id]
    example.apply(**bounded(0.70))

    assert waiting(example) == []
    with pytest.raises(
        ConflictError, match=r"judged before the gates were tightened.*it has 0\.65: train again"
    ):
        sign(example, request)
    assert promotions.reject(example.services, example.actor("pat"), request.id, "old").status == "rejected"


def test_what_was_loosened_since_or_judges_nothing_is_no_obstacle(example: Example) -> None:
    example.apply(**bounded(0.62))
    example.add_version(auc=0.65)
    example.apply(**bounded(0.60), monitoring={"fire": 3, "of": 3}, description="other words")
    targets = [{"name": "ewr"}, {"name": "jfk"}, {"name": "lga"}]
    example.apply(**bounded(0.60), targets=targets)

    request = ask(example)
    assert "lga" in request.targets
    assert sign(example, request).status is RequestStatus.DEPLOYED


def test_a_version_that_deploys_without_hands_meets_the_gates_in_force(example: Example) -> None:
    promotion = {"approvals": 0, "four_eyes": False, "automatic": True}
    ada = example.actor("ada")
    workspaces.set_workspace_policy(
        example.services, ada, approvals=0, four_eyes=False, allow_automatic=True, reason="a test"
    )
    example.apply(**bounded(0.62), promotion=promotion)
    version = example.add_version(auc=0.65)
    example.apply(**bounded(0.70), promotion=promotion)

    assert request_filing.advance_automatically(example.services, version, by_automation=True) is None

    assert deployments.list_deployments(example.services, ada) == []
    newest = audits.show(example.services, example.actor("aud"))[0]
    assert newest.action == "promotion.not_requested"
    assert "judged before the gates were tightened" in newest.detail["why"]


def test_asking_again_meets_the_gates_in_force(example: Example) -> None:
    example.apply(**bounded(0.62))
    example.add_version(auc=0.65)
    request = ask(example)
    promotions.withdraw(example.services, example.actor("sam"), request.id)
    example.apply(**bounded(0.70))

    with pytest.raises(NotAllowedError, match="judged before the gates were tightened"):
        promotions.request_again(example.services, example.actor("sam"), request.id)


def test_a_roll_back_to_what_was_live_stays_possible_and_says_so(example: Example) -> None:
    example.apply(**bounded(0.62))
    example.add_version(auc=0.65)
    sign(example, ask(example))
    example.apply(**bounded(0.70))
    example.add_version(auc=0.75)
    sign(example, ask(example, "delay/2"))

    (step, _) = deployments.roll_back_plan(example.services, example.actor("oscar"), "delay")
    assert "judged before the gates were tightened: gates.metric auc" in step.then_record
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="an emergency")

    assert catalogue.get_version(example.services, example.actor("vera"), "delay/1").live_on == ("ewr", "jfk")
    rolled = [
        e for e in audits.show(example.services, example.actor("aud")) if e.action == "deployment.rolled_back"
    ]
    assert ["gates.metric auc" in line for entry in rolled for line in entry.detail["judged_looser"]] == [
        True,
        True,
    ]


def test_an_open_request_takes_a_workspace_policy_that_was_tightened(example: Example) -> None:
    example.add_version()
    request = ask(example)
    example.pass_time(hours=1)
    workspaces.set_workspace_policy(example.services, example.actor("ada"), approvals=2, reason="audit")

    now = shown(example, request)
    assert (now.policy, now.policy_digest, now.evidence_digest) == (
        request.policy,
        request.policy_digest,
        request.evidence_digest,
    )
    assert now.in_force is not None
    assert now.in_force.tightened == ("2 approvals since the policy of 2026-05-03",)
    first = sign(example, request)
    assert (first.status, first.approvals, first.approvals_needed) == (RequestStatus.OPEN, 1, 2)
    assert sign(example, request, "pia").status is RequestStatus.DEPLOYED
    decided = next(
        e
        for e in audits.show(example.services, example.actor("aud"), limit=50)
        if e.action == "request.approved"
    )
    assert decided.detail["policy_in_force"]["approvals"] == 2


def test_approvals_already_given_count_and_loosening_does_not_loosen(example: Example) -> None:
    example.apply(promotion={"approvals": 2})
    example.add_version()
    request = ask(example)
    sign(example, request)
    example.apply(promotion={"approvals": 1})
    assert shown(example, request).approvals_needed == 2
    example.apply(promotion={"approvals": 3})
    assert shown(example, request).approvals_needed == 3
    assert sign(example, request, "pia").status is RequestStatus.OPEN
    workspaces.grant_role(example.services, example.actor("ada"), "vera", Role.APPROVER)
    assert sign(example, request, "vera").status is RequestStatus.DEPLOYED


def test_four_eyes_that_hold_since_keep_the_requester_from_approving(example: Example) -> None:
    ada = example.actor("ada")
    workspaces.set_workspace_policy(example.services, ada, four_eyes=False, reason="a test")
    example.apply(promotion={"four_eyes": False})
    workspaces.grant_role(example.services, ada, "sam", Role.APPROVER)
    example.add_version()
    request = ask(example)
    assert waiting(example, "sam") == [request.id]
    workspaces.set_workspace_policy(example.services, ada, four_eyes=True, reason="audit")

    assert waiting(example, "sam") == []
    with pytest.raises(NotAllowedError, match="four eyes"):
        sign(example, request, "sam")
    now = shown(example, request)
    assert now.in_force is not None
    assert now.in_force.tightened[0].startswith("four eyes since the policy of")


def test_a_shorter_time_to_decide_holds_for_open_requests(example: Example) -> None:
    example.add_version()
    request = ask(example)
    example.pass_time(hours=2)
    assert waiting(example) == [request.id]
    example.apply(promotion={"expires": "1h"})

    assert waiting(example) == []
    with pytest.raises(ConflictError, match="expired at 2026-05-03 13:00"):
        sign(example, request)
    page, _ = request_lists.requests_page(
        example.services, example.actor("pat"), Query(where=(("status", "expired"),))
    )
    assert [one.id for one in page.rows] == [request.id]
    assert [one.id for one in promotions.expire_requests(example.services)] == [request.id]
