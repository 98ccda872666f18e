"""Comparison over blocks gives the figures of the paired bootstrap by rows, at the cost of the blocks."""

import numpy as np
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import Task
from pilothouse.statistics.performance.block_comparison import compare_over_blocks, metrics_over_blocks
from pilothouse.statistics.performance.comparison import paired_bootstrap
from pilothouse.statistics.profiles.scored_rows import ScoredRows

DAYS, ROWS = 12, 900


def _pair(task: Task, seed: int = 3) -> tuple[ScoredRows, ScoredRows, np.ndarray]:
    draw = np.random.default_rng(seed)
    days = draw.integers(40, 40 + DAYS, ROWS)
    if task == "regression":
        truth = draw.normal(10, 3, ROWS)
        sides = [truth + draw.normal(0, wide, ROWS).round(2) for wide in (2.0, 1.8)]
        none = np.empty(0, np.int64)
        first, second = (ScoredRows(task, (), truth, side, none, None) for side in sides)
        return first, second, days
    classes = ("0", "1") if task == "binary" else ("a", "b", "c")
    outcomes = draw.integers(0, len(classes), ROWS)
    pair = []
    for right in (0.6, 0.7):
        labels = np.where(draw.random(ROWS) < right, outcomes, draw.integers(0, len(classes), ROWS))
        # two digits, so that scores are tied within and between days
        scores = np.clip(0.35 * labels + draw.random(ROWS) * 0.5, 0, 1).round(2)
        pair.append(ScoredRows(task, classes, outcomes, scores, labels, None))
    return pair[0], pair[1], days


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_metric_is_that_of_the_bootstrap_by_rows(task: Task) -> None:
    first, second, days = _pair(task)
    metrics = metrics_over_blocks(task)
    found = compare_over_blocks(metrics, first, second, days, repeats=60, seed=5)
    assert [one.metric for one in found] == list(metrics)
    for one in found:
        by_rows = paired_bootstrap(one.metric, first, second, repeats=60, seed=5, blocks=days)
        assert one.rows == by_rows.rows
        for name in ("difference", "low", "high", "value_a", "value_b"):
            assert getattr(one, name) == pytest.approx(getattr(by_rows, name), rel=1e-9, abs=1e-12), (
                one.metric
            )


def test_a_day_of_one_class_and_rows_of_one_class() -> None:
    first, second, days = _pair("binary")
    alone = days == 40
    outcomes = np.where(alone, 0, first.outcomes)
    a, b = (
        ScoredRows("binary", side.classes, outcomes, side.scores, side.labels, None)
        for side in (first, second)
    )
    (one,) = compare_over_blocks(["auc"], a, b, days, repeats=60, seed=5)
    assert one.low == pytest.approx(paired_bootstrap("auc", a, b, repeats=60, seed=5, blocks=days).low)
    nobody = [
        ScoredRows("binary", side.classes, np.zeros(ROWS, np.int64), side.scores, side.labels, None)
        for side in (a, b)
    ]
    assert compare_over_blocks(["auc"], *nobody, days) == []


def test_metrics_that_need_more_than_blocks_are_refused() -> None:
    first, second, days = _pair("binary")
    assert "average_precision" not in metrics_over_blocks("binary")
    with pytest.raises(InvalidInputError, match="does not follow from figures of blocks"):
        compare_over_blocks(["average_precision"], first, second, days)
    with pytest.raises(InvalidInputError, match="expected as many of each"):
        compare_over_blocks(["auc"], first, second, days[1:])
