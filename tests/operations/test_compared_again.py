"""A version that was trained before another went live: compared with it from the record when it is requested."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.promotion import deployments, promotions

ROWS = 900
CHANCE = np.random.default_rng(5)
LATE = np.where(CHANCE.random(ROWS) < 0.4, "1", "0").astype(object)
GOOD = np.clip(0.6 * (LATE == "1") + 0.4 * CHANCE.random(ROWS), 0, 1)
POOR = np.clip(0.1 * (LATE == "1") + 0.9 * CHANCE.random(ROWS), 0, 1)


def table(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def train(example: Example, scores: Any, *, first: int = 0, **rest: Any) -> None:
    """Record a version with its predictions on the rows from ``first`` on, which it held out."""
    hours = np.arange(ROWS)[first:]
    late, of_these = list(LATE[first:]), scores[first:]
    at = pa.array(hours * 3_600_000_000, type=pa.timestamp("us", "UTC"))
    place = ["north" if hour % 3 else "south" for hour in hours]
    example.held_out = (
        table(
            event_time=at, truth=late, score=of_these, label=list(np.where(of_these > 0.5, "1", "0")),
            probability_0=1 - of_these, probability_1=of_these,
        ),
        table(at=at, wind=hours.astype(float), place=place, late=late),
    )  # fmt: skip
    example.add_version(incumbents=(), **rest)


def ask(example: Example, version: int) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), f"delay/{version}")


def sign(example: Example, request: PromotionRequest) -> PromotionRequest:
    return promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)


def compared(request: PromotionRequest) -> list[dict[str, Any]]:
    return [gate for gate in request.evidence["gates"] if gate["gate"].startswith("comparison.v")]


@pytest.fixture
def judged(example: Example) -> Example:
    example.apply(gates={"comparison": {"margin": 0.01, "minimum_rows": 200}})
    return example


def test_a_version_trained_before_the_first_was_live_is_compared_when_it_is_requested(
    judged: Example,
) -> None:
    train(judged, POOR)
    train(judged, GOOD)
    sign(judged, ask(judged, 1))

    request = ask(judged, 2)

    gate = compared(request)[-1]
    assert (gate["gate"], gate["outcome"]) == ("comparison.v1", "passed")
    assert gate["reason"].startswith("better by ")
    assert "on the same 900 rows that both held out" in gate["reason"]
    assert request.evidence["compared_with"] == [1]
    assert str(sign(judged, request).status) == "deployed"


def test_one_that_is_worse_than_what_went_live_since_is_refused_with_the_figures(judged: Example) -> None:
    train(judged, GOOD)
    train(judged, POOR)
    sign(judged, ask(judged, 1))

    with pytest.raises(
        NotAllowedError, match=r"delay/2 failed comparison\.v1 \(worse by .* of v1 on the same"
    ):
        ask(judged, 2)


def test_where_too_few_rows_were_held_out_by_both_it_says_so_and_to_train_again(judged: Example) -> None:
    train(judged, POOR, first=ROWS - 150)
    train(judged, GOOD)
    sign(judged, ask(judged, 1))

    with pytest.raises(
        ConflictError, match=r"\(150 rows of their hold-outs are the same; 200 .*: train again"
    ):
        ask(judged, 2)


def test_rows_of_the_targets_on_which_it_is_live_count_where_they_can_be_told_apart(example: Example) -> None:
    example.apply(
        gates={"comparison": {"margin": 0.01, "minimum_rows": 200}},
        targets=[{"name": "ewr", "match": {"place": "north"}}, {"name": "jfk", "match": {"place": "south"}}],
    )
    train(example, POOR)
    train(example, GOOD)
    sign(
        example,
        promotions.request_promotion(example.services, example.actor("sam"), "delay/1", targets=["jfk"]),
    )

    assert "on the same 300 rows of jfk that both held out" in compared(ask(example, 2))[-1]["reason"]


def test_an_outdated_request_is_asked_anew_against_what_is_live_now(judged: Example) -> None:
    for scores in (POOR, POOR, GOOD):
        train(judged, scores)
    sign(judged, ask(judged, 1))
    sign(judged, ask(judged, 2))
    waiting = ask(judged, 3)
    deployments.roll_back(judged.services, judged.actor("oscar"), "delay", reason="slow")

    again = promotions.request_again(judged.services, judged.actor("oscar"), waiting.id)

    assert [gate["gate"] for gate in compared(again)][-1] == "comparison.v1"
    assert again.evidence["incumbents"] == {"ewr": 1, "jfk": 1}
