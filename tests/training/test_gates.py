"""The comparison gate's sentence and verdict, on rows made for each case."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pilothouse.domain.models.evaluation import GateOutcome, GateResult, MetricValue
from pilothouse.domain.models.model_spec import ComparisonGate, Duration, MetricBound
from pilothouse.training.gates import comparison_gate, metric_gate
from pilothouse.training.models.scoring import Scored

DAY_US = 86_400_000_000
ROWS = 2_000


def scored(errors: np.ndarray) -> Scored:
    """A regression on 20 days whose outcomes are 0 and whose absolute errors are given."""
    times = np.linspace(0, 20 * DAY_US - 1, ROWS).astype(np.int64)
    return Scored("regression", (), times, np.zeros(ROWS), errors, np.array([]), None)


def judged(shift: float, **settings: object) -> GateResult:
    """Gate on a candidate whose error is ``shift`` larger than the incumbent's, but for noise."""
    draw = np.random.default_rng(5)
    live = np.abs(draw.normal(10, 1, ROWS))
    candidate = live + shift + draw.normal(0, 1, ROWS)
    gate = ComparisonGate(**{"margin": 0.05, **settings})  # type: ignore[arg-type]
    return comparison_gate(gate, "mae", 3, scored(candidate), scored(live), where="of dc", seed=1)


@pytest.mark.parametrize(
    ("shift", "required", "outcome", "beginning"),
    [
        (1.0, None, GateOutcome.FAILED, "worse by "),
        (-1.0, None, GateOutcome.PASSED, "better by "),
        (-0.01, None, GateOutcome.PASSED, "not shown to be worse, between "),
        (-0.01, "better", GateOutcome.FAILED, "not shown to be worse, between "),
        (-1.0, "better", GateOutcome.PASSED, "better by "),
    ],
)
def test_the_sentence_says_what_the_interval_allows(
    shift: float, required: str | None, outcome: GateOutcome, beginning: str
) -> None:
    result = judged(shift, require=required)
    assert result.outcome is outcome
    assert result.reason.startswith(beginning)
    assert "20 whole days drawn again" in result.reason
    assert result.bound.startswith("better than v3" if required else "not worse than v3")


def test_equal_answers_are_said_so_and_are_not_better() -> None:
    rows = scored(np.abs(np.random.default_rng(5).normal(10, 1, ROWS)))
    for required, outcome in ((None, GateOutcome.PASSED), ("better", GateOutcome.FAILED)):
        gate = ComparisonGate(margin=0.05, require=required)  # type: ignore[arg-type]
        again = replace(rows, scores=rows.scores.copy())
        result = comparison_gate(gate, "mae", 3, again, rows, where="of dc", seed=1)
        assert result.outcome is outcome
        assert result.reason.startswith("every answer is that of v3: mae ")
        assert "shown" not in result.reason


def test_figures_of_a_comparison_have_the_same_number_of_digits() -> None:
    found = re.search(r"mae ([\d.]+) against ([\d.]+) of v3", judged(-0.01).reason)
    assert found is not None
    assert [len(figure.partition(".")[2]) for figure in found.groups()] == [2, 2]


def test_worse_within_the_margin_is_said_so() -> None:
    result = judged(0.5, margin=0.6)
    assert result.outcome is GateOutcome.PASSED
    assert "not shown to be by more than the margin 0.6" in result.reason
    assert result.doubt == "worse"


def test_a_version_that_passed_and_is_better_is_not_marked() -> None:
    assert not judged(-1.0).doubt
    assert not judged(1.0).doubt, "it failed: that is said already"


def test_the_length_of_a_block_is_the_model_files() -> None:
    assert "10 whole blocks of 2 days drawn again" in judged(0.0, block=Duration(2 * 86_400)).reason


@pytest.mark.parametrize(
    ("low", "rows", "outcome", "doubt"),
    [
        (0.025, 2, GateOutcome.PASSED, "few rows"),
        (0.8, 40, GateOutcome.PASSED, ""),
        (0.6, 200, GateOutcome.PASSED, ""),
        (float("nan"), 2, GateOutcome.PASSED, "few rows"),
    ],
)
def test_a_bound_that_few_rows_do_not_show_to_hold_says_so_beside_its_verdict(
    low: float, rows: int, outcome: GateOutcome, doubt: str
) -> None:
    result = metric_gate(MetricBound("auc", minimum=0.7), [MetricValue("auc", 1.0, low, 1.0, rows)])
    assert (result.outcome, result.doubt) == (outcome, doubt)
    assert ("too few to show that it is ≥ 0.7" in result.reason) == bool(doubt)


def test_a_bound_that_is_broken_on_few_rows_fails_and_says_no_more() -> None:
    result = metric_gate(MetricBound("mae", maximum=3.0), [MetricValue("mae", 4.0, 1.0, 9.0, 2)])
    assert (result.outcome, result.doubt) == (GateOutcome.FAILED, "")
    assert "too few" not in result.reason
