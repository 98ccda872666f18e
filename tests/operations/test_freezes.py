"""In a freeze nobody approves and nothing deploys without hands; rolling back and breaking the glass go on."""

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.listing import Query
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.promotion import break_glass, deployments, freezes, promotions, request_lists
from pilothouse.operations.workspace import audits, workspaces


@pytest.fixture
def asked(example: Example) -> PromotionRequest:
    """The example's time is a Sunday noon."""
    example.add_version()
    return promotions.request_promotion(example.services, example.actor("sam"), "delay", reason="first")


def freeze(example: Example, model: str = "") -> None:
    freezes.set_freeze(
        example.services,
        example.actor("ada"),
        "weekend",
        "Fri 16:00",
        "mon 08:00",
        "UTC",
        model=model,
        reason="quiet",
    )


def approve(example: Example, request: PromotionRequest) -> PromotionRequest:
    return promotions.approve(
        example.services, example.actor("pat"), request.id, request.evidence_digest, "fine"
    )


def test_nobody_approves_in_a_freeze_and_it_waits_for_nobody(
    example: Example, asked: PromotionRequest
) -> None:
    freeze(example)
    with pytest.raises(
        ConflictError, match=r"delay is frozen by the window weekend .* until 2026-05-04 08:00 UTC"
    ):
        approve(example, asked)
    pat = example.actor("pat")
    assert promotions.waiting_for(example.services, pat) == []
    _, mine = request_lists.requests_page(example.services, pat, Query(after=1))
    assert not mine
    example.pass_time(hours=20)
    assert [one.id for one in promotions.waiting_for(example.services, pat)] == [asked.id]
    assert approve(example, asked).status is RequestStatus.DEPLOYED


def test_a_request_can_be_rejected_in_a_freeze(example: Example, asked: PromotionRequest) -> None:
    freeze(example)
    rejected = promotions.reject(example.services, example.actor("pat"), asked.id, "no")
    assert rejected.status is RequestStatus.REJECTED


def test_a_freeze_of_another_model_is_none(example: Example, asked: PromotionRequest) -> None:
    example.apply("iris")
    freeze(example, "iris")
    assert approve(example, asked).status is RequestStatus.DEPLOYED


def test_a_lifted_freeze_holds_no_more_and_stays_on_record(example: Example, asked: PromotionRequest) -> None:
    freeze(example)
    freezes.lift_freeze(example.services, example.actor("ada"), "weekend", "a fix must out")
    assert approve(example, asked).status is RequestStatus.DEPLOYED
    (window,) = freezes.list_freezes(example.services, example.actor("vera"), with_lifted=True)
    assert (window.lifted_by, window.lift_reason) == ("ada", "a fix must out")
    lifted = audits.show(example.services, example.actor("aud"), text="freeze.lifted")[0]
    assert lifted.detail["before"] == {"rule": "fri 16:00 to mon 08:00 UTC", "model": ""}
    with pytest.raises(NotFoundError, match="no freeze 'weekend'"):
        freezes.lift_freeze(example.services, example.actor("ada"), "weekend", "again")


def test_a_name_is_given_once(example: Example) -> None:
    freeze(example)
    with pytest.raises(ConflictError, match="already"):
        freeze(example)


def test_nothing_deploys_without_hands_in_a_freeze(example: Example) -> None:
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), approvals=0, four_eyes=False, allow_automatic=True
    )
    example.apply(promotion={"automatic": True, "approvals": 0, "four_eyes": False})
    freeze(example)
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay", reason="x")
    assert request.status is RequestStatus.OPEN
    freezes.lift_freeze(example.services, example.actor("ada"), "weekend", "over")
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/2", reason="x")
    assert request.status is RequestStatus.DEPLOYED


def test_rolling_back_and_breaking_the_glass_go_on(example: Example, asked: PromotionRequest) -> None:
    approve(example, asked)
    example.add_version()
    workspaces.set_break_glass(example.services, example.actor("ada"), allowed=True)
    freeze(example)
    break_glass.break_glass(example.services, example.actor("oscar"), "delay/2", reason="night")
    back = deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="worse")
    assert {deployment.version for deployment in back} == {1}
