"""The pure rules of promotion."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.registries import plain_spec
from pilothouse.domain.canonical import canonical_json
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import ModelSpec, PromotionSpec
from pilothouse.domain.promotion import Obstacle, RequestAct, effective_policy, loosened, obstacle_to
from pilothouse.domain.records import (
    Decision,
    EffectivePolicy,
    PromotionRequest,
    RequestStatus,
    WorkspacePolicy,
)
from pilothouse.domain.roles import Actor, Grant, Role

GATES: dict[str, Any] = {
    "metric": [{"metric": "auc", "minimum": 0.7}, {"metric": "auc", "minimum": 0.6, "slice": "wind"}],
    "comparison": {"margin": 0.01},
    "latency": {"p95_ms": 50.0},
    "data": {"minimum_rows": 500, "maximum_missing": 0.2},
    "model_size_mb": 10.0,
    "function": "gate.py:check",
}
DATA = {**plain_spec()["data"], "slices": ["wind"]}


def spec(gates: dict[str, Any] | None = None, **tables: Any) -> ModelSpec:
    return spec_from_plain(plain_spec(data=DATA, gates=gates if gates is not None else GATES, **tables))


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
    one = effective_policy(PromotionSpec(approvals=2), WorkspacePolicy())
    two = effective_policy(PromotionSpec(approvals=1), WorkspacePolicy(approvals=2))

    assert one.digest == two.digest != effective_policy(PromotionSpec(), WorkspacePolicy()).digest


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"promotion": {"approvals": 1}}, "promotion.approvals: 2 → 1"),
        ({"promotion": {"approvals": 2, "four_eyes": False}}, "promotion.four_eyes"),
        ({"promotion": {"approvals": 2, "automatic": True}}, "promotion.automatic"),
        ({"promotion": {"approvals": 2, "expires": "30d"}}, "promotion.expires"),
        ({"gates": {**GATES, "metric": GATES["metric"][1:]}}, "gates.metric auc: the minimum 0.7"),
        ({"gates": {**GATES, "metric": [{"metric": "auc", "minimum": 0.69}, GATES["metric"][1]]}}, "lowered"),
        (
            {"gates": {**GATES, "metric": [GATES["metric"][0], {**GATES["metric"][1], "minimum_rows": 900}]}},
            "auc by wind",
        ),
        ({"gates": {**GATES, "comparison": {"margin": 0.02}}}, "gates.comparison.margin: 0.01 → 0.02"),
        (
            {"gates": {**GATES, "comparison": {"margin": 0.01, "confidence": 0.99}}},
            "gates.comparison.confidence",
        ),
        ({"gates": {**GATES, "comparison": {"margin": 0.01, "metric": "accuracy"}}}, "auc → accuracy"),
        (
            {"gates": {**GATES, "comparison": {"margin": 0.01, "minimum_rows": 9_000}}},
            "gates.comparison.minimum_rows",
        ),
        ({"gates": {k: v for k, v in GATES.items() if k != "latency"}}, "gates.latency: gone"),
        ({"gates": {**GATES, "latency": {"p95_ms": 60.0}}}, "gates.latency.p95_ms: 50 → 60"),
        ({"gates": {**GATES, "data": {**GATES["data"], "minimum_rows": 10}}}, "gates.data.minimum_rows"),
        (
            {"gates": {**GATES, "data": {**GATES["data"], "maximum_missing": 0.9}}},
            "gates.data.maximum_missing",
        ),
        ({"gates": {**GATES, "data": {**GATES["data"], "leakage_auc": 1.0}}}, "gates.data.leakage_auc"),
        (
            {"gates": {k: v for k, v in GATES.items() if k != "model_size_mb"}},
            "gates.model_size_mb: 10 → none",
        ),
        ({"gates": {**GATES, "function": "other.py:check"}}, "gates.function"),
    ],
)
def test_what_makes_promotion_easier_is_a_loosening(tables: dict[str, Any], said: str) -> None:
    before = spec(promotion={"approvals": 2})
    after = spec(**{"promotion": {"approvals": 2}, **tables})

    lines = loosened(before, after)

    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"promotion": {"approvals": 3, "expires": "1d"}},
        {"gates": {**GATES, "metric": [*GATES["metric"], {"metric": "accuracy", "minimum": 0.5}]}},
        {"gates": {**GATES, "metric": [{"metric": "auc", "minimum": 0.72}, GATES["metric"][1]]}},
        {"gates": {**GATES, "comparison": {"margin": 0.001}}},
        {"gates": {**GATES, "latency": {"p95_ms": 20.0}}},
        {"description": "other words", "owner": "others"},
    ],
)
def test_what_makes_it_harder_or_changes_nothing_is_none(tables: dict[str, Any]) -> None:
    before = spec(promotion={"approvals": 2})

    assert loosened(before, spec(**{"promotion": {"approvals": 2}, **tables})) == []


def test_a_comparison_that_follows_the_primary_metric_is_loosened_with_it() -> None:
    before = spec()
    after = spec(monitoring={"metric": "accuracy"})

    assert loosened(before, after) == ["gates.comparison.metric: auc → accuracy"]


_AT = datetime(2026, 1, 1, tzinfo=UTC)


REQUEST = PromotionRequest(
    7, "delay", 3, ("ewr",), RequestStatus.OPEN, "olga", "sam", "", _AT, _AT + timedelta(minutes=1), None,
    policy=EffectivePolicy(approvals=2, four_eyes=True, automatic=False, expires=60), policy_digest="p",
    evidence={}, evidence_digest="e", decisions=(Decision("pia", "approve", "", "e", "p", _AT),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("who", "fields", "approve", "reject", "withdraw"),
    [
        ("pat", {}, None, None, Obstacle.OF_ANOTHER),
        ("olga", {}, Obstacle.REQUESTED, None, None),
        ("sam", {}, Obstacle.TRAINED, None, Obstacle.OF_ANOTHER),
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
