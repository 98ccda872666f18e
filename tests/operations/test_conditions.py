"""Conditions of approvals: made with the approval, open items once it is deployed, confirmed by whoever is named."""

from datetime import timedelta

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.promotion.conditions import Condition, NewCondition
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import AuditEntry, PromotionRequest, RequestStatus
from pilothouse.operations.identity import passphrases
from pilothouse.operations.promotion import promotions, request_lists, signature_checks, statements
from pilothouse.operations.promotion.attached import conditions
from pilothouse.operations.promotion.components import Passphrase
from pilothouse.operations.workspace import audits, workspaces

TEXT = "reviewed after 30 days"


def made(example: Example, by: str, days: int = 30) -> NewCondition:
    return NewCondition(TEXT, by, example.time + timedelta(days=days))


def approved(example: Example, by: str = "aud", days: int = 30, **of: object) -> PromotionRequest:
    number = example.add_version().number
    request = promotions.request_promotion(example.services, example.actor("sam"), f"delay/{number}")
    return promotions.approve(
        example.services,
        example.actor("pat"),
        request.id,
        request.shown_digest,
        condition=made(example, by, days),
        **of,  # type: ignore[arg-type]
    )


def open_ones(example: Example) -> list[Condition]:
    return conditions.list_conditions(example.services, example.actor("vera"))


def waits(example: Example, name: str) -> list[int]:
    return [one.id for one in request_lists.waiting_items(example.services, example.actor(name)).conditions]


def entries(example: Example, action: str) -> list[AuditEntry]:
    """Entries of the audit log of that action, newest first."""
    found = audits.show(example.services, example.actor("aud"))
    return [entry for entry in found if entry.action == action]


def test_it_holds_nothing_up_and_is_an_open_item_until_it_is_confirmed(example: Example) -> None:
    request = approved(example)
    assert request.status is RequestStatus.DEPLOYED
    (condition,) = open_ones(example)
    assert (condition.approver, condition.text, condition.by, condition.standing(example.time)) == (
        "pat", TEXT, "aud", "open",
    )  # fmt: skip
    with pytest.raises(NotAllowedError, match="pia may not confirm condition 1: aud does"):
        conditions.confirm(example.services, example.actor("pia"), 1, "seen")

    done = conditions.confirm(example.services, example.actor("aud"), 1, "errors as expected")

    assert (done.confirmed_by, done.remark) == ("aud", "errors as expected")
    assert open_ones(example) == []
    (entry,) = entries(example, "condition.confirmed")
    assert entry.detail["text"] == TEXT
    assert "late" not in entry.detail
    with pytest.raises(ConflictError, match="was confirmed by aud"):
        conditions.confirm(example.services, example.actor("aud"), 1, "again")


def test_it_waits_in_its_last_week_and_is_late_for_everybody_after_it(example: Example) -> None:
    approved(example, by=str(Role.APPROVER))
    assert waits(example, "pat") == []
    example.pass_time(days=24)
    assert (waits(example, "pat"), waits(example, "pia"), waits(example, "aud")) == ([1], [1], [])
    assert request_lists.count_items(example.services, example.actor("pat")) == {"delay": 1}
    example.pass_time(days=7)
    late = request_lists.waiting_items(example.services, example.actor("vera")).late
    assert [one.id for one in late] == [1]
    conditions.confirm(example.services, example.actor("pia"), 1, "seen, late")
    (entry,) = entries(example, "condition.confirmed")
    assert entry.detail["late"] is True


def test_it_counts_for_nothing_before_the_deployment(example: Example) -> None:
    example.apply(promotion={"approvals": 2})
    request = approved(example)
    assert request.status is RequestStatus.OPEN
    assert open_ones(example) == []
    with pytest.raises(ConflictError, match="its conditions count once it is deployed"):
        conditions.confirm(example.services, example.actor("aud"), 1, "early")
    promotions.reject(example.services, example.actor("pia"), request.id, "no")
    assert open_ones(example) == []
    (one,) = conditions.list_conditions(example.services, example.actor("vera"), open_only=False)
    assert one.standing(example.time) == "not deployed"


@pytest.mark.parametrize(
    ("by", "days", "why"),
    [
        ("nobody", 30, "nobody who may confirm conditions here"),
        ("vera", 30, "nobody who may confirm conditions here"),
        ("aud", 0, "expected a day to come"),
        ("aud", 5_000, "expected a day to come"),
    ],
)
def test_what_nobody_can_confirm_is_refused_and_nothing_is_approved(
    example: Example, by: str, days: int, why: str
) -> None:
    with pytest.raises(InvalidInputError, match=why):
        approved(example, by, days)
    assert promotions.get_request(example.services, example.actor("vera"), 1).decisions == ()


def test_a_role_that_nobody_holds_is_refused(example: Example) -> None:
    workspaces.revoke_role(example.services, example.actor("ada"), "aud", Role.AUDITOR)
    with pytest.raises(InvalidInputError, match="a role that nobody holds"):
        approved(example, str(Role.AUDITOR))


def test_one_that_is_not_there_is_named(example: Example) -> None:
    with pytest.raises(NotFoundError, match="no condition 7"):
        conditions.confirm(example.services, example.actor("aud"), 7, "seen")
    approved(example)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        conditions.confirm(example.services, example.actor("aud"), 1, " ")


def test_what_is_signed_names_the_condition(example: Example) -> None:
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), signature=Component.PASSPHRASE, reason="bank"
    )
    passphrases.set_passphrase(example.services, example.actor("pat"), "a long enough one")
    done = approved(example, component=Passphrase("a long enough one"))
    signature = done.decisions[0].signature
    assert signature is not None
    assert f'"condition":{{"by":"aud","due":"2026-06-02T12:00:00Z","text":"{TEXT}"}}' in signature.statement
    assert "no decision is signed by a key" in signature_checks.examine(
        example.services, example.actor("aud")
    )


def test_a_rejection_has_none(example: Example) -> None:
    example.add_version()
    promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    with pytest.raises(InvalidInputError, match="a rejection has none"):
        statements.print_statement(
            example.services, example.actor("pat"), 1, "reject", "no", condition=made(example, "aud")
        )
