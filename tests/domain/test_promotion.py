"""The pure rules of promotion."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.identity.persons import Author
from pilothouse.domain.identity.roles import Actor, Grant, Role
from pilothouse.domain.models.model_spec import PromotionSpec
from pilothouse.domain.promotion.decisions import Decision
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.domain.promotion.request_rules import Obstacle, RequestAct, effective_policy, obstacle_to
from pilothouse.domain.promotion.request_standing import RulesInForce
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.domain.records import PromotionRequest, RequestStatus

_OPEN_FLOOR = WorkspacePolicy(approvals=0, four_eyes=False, allow_automatic=True)


@pytest.mark.parametrize(
    ("model", "floor", "expected"),
    [
        ((1, False, False), (0, False, True), (1, False, False)),
        ((1, False, False), (2, True, True), (2, True, False)),
        ((3, True, False), (2, False, True), (3, True, False)),
        ((0, False, True), (0, False, True), (0, False, True)),
        ((0, False, True), (0, False, False), (1, False, False)),
        ((0, False, True), (1, False, True), (1, False, False)),
    ],
)
def test_the_floor_tightens_and_never_loosens(
    model: tuple[int, bool, bool], floor: tuple[int, bool, bool], expected: tuple[int, bool, bool]
) -> None:
    found = effective_policy(PromotionSpec(*model), WorkspacePolicy(*floor))

    assert (found.approvals, found.four_eyes, found.automatic) == expected
    assert found.expires == timedelta(days=7).total_seconds()


def test_a_policy_is_stored_and_hashed_as_ever() -> None:
    policy = EffectivePolicy(approvals=2, four_eyes=True, automatic=False, expires=604_800)
    text = '{"approvals":2,"automatic":false,"expires":604800,"four_eyes":true}'

    assert canonical_json(policy.to_plain()) == text
    assert policy.digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("approvals", "status", "signed", "needed"),
    [
        (2, RequestStatus.OPEN, False, 2),
        (0, RequestStatus.OPEN, False, 1),  # automatic, and held back
        (0, RequestStatus.DEPLOYED, False, 0),
        (0, RequestStatus.DEPLOYED, True, 1),
    ],
)
def test_approvals_needed(approvals: int, status: RequestStatus, signed: bool, needed: int) -> None:
    policy = EffectivePolicy(approvals=approvals, four_eyes=False, automatic=approvals == 0, expires=60)
    decisions = REQUEST.decisions if signed else ()
    assert replace(REQUEST, policy=policy, status=status, decisions=decisions).approvals_needed == needed


def test_two_equal_policies_have_one_digest() -> None:
    one = effective_policy(PromotionSpec(approvals=2), _OPEN_FLOOR)
    two = effective_policy(PromotionSpec(approvals=1), WorkspacePolicy(approvals=2))

    assert one.digest == two.digest != effective_policy(PromotionSpec(), _OPEN_FLOOR).digest


_AT = datetime(2026, 1, 1, tzinfo=UTC)


REQUEST = PromotionRequest(
    7, "delay", 3, ("ewr",), RequestStatus.OPEN, "olga", "sam", "", _AT, _AT + timedelta(minutes=1), None,
    policy=EffectivePolicy(approvals=2, four_eyes=True, automatic=False, expires=60), policy_digest="p",
    evidence={}, evidence_digest="e", decisions=(Decision("pia", "approve", "", "e", "p", _AT),),
    authors=(Author("olga", "requested delay/3"), Author("sam", "trained delay/3")),
)  # fmt: skip


JUDGED_LOOSER = RulesInForce(REQUEST.policy, judged_looser=("gates.latency is new",))


@pytest.mark.parametrize(
    ("who", "fields", "approve", "reject", "withdraw"),
    [
        ("pat", {}, None, None, Obstacle.OF_ANOTHER),
        ("olga", {}, Obstacle.AUTHOR, None, None),
        ("sam", {}, Obstacle.AUTHOR, None, Obstacle.OF_ANOTHER),
        ("Olga", {}, Obstacle.AUTHOR, None, None),
        ("PIA", {}, Obstacle.DECIDED, Obstacle.DECIDED, Obstacle.OF_ANOTHER),
        ("pat", {"in_force": JUDGED_LOOSER}, Obstacle.GATES, None, Obstacle.OF_ANOTHER),
        ("ada", {}, None, None, None),
        ("pia", {}, Obstacle.DECIDED, Obstacle.DECIDED, Obstacle.OF_ANOTHER),
        ("olga", {"status": RequestStatus.REJECTED}, *[Obstacle.CLOSED] * 3),
        ("olga", {"expires_at": _AT}, *[Obstacle.EXPIRED] * 3),
    ],
)
def test_what_stands_against_each_act(
    who: str,
    fields: dict[str, Any],
    approve: Obstacle | None,
    reject: Obstacle | None,
    withdraw: Obstacle | None,
) -> None:
    request = replace(REQUEST, **fields)
    actor = Actor(who, (Grant(Role.ADMIN if who == "ada" else Role.APPROVER),))
    acts = (RequestAct.APPROVE, RequestAct.REJECT, RequestAct.WITHDRAW)
    found = [obstacle_to(act, request, actor, _AT) for act in acts]
    assert found == [approve, reject, withdraw]
