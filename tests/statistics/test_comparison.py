"""The paired bootstrap finds which of two models is better, and says when it cannot tell."""

import numpy as np
import pytest
from statistics_rows import outcomes

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.performance.blocks import DAY_US, time_blocks
from pilothouse.statistics.performance.comparison import paired_bootstrap, weighted_metric
from pilothouse.statistics.performance.metrics import measure
from pilothouse.statistics.profiles.scored_rows import ScoredRows, scored_rows


def two_models(rows: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a noisy model's scores, the true probabilities."""
    rng = np.random.default_rng(seed)
    good = rng.beta(2, 5, rows)
    _, truth = outcomes(good, seed)
    return truth, np.clip(good + rng.normal(0, noise, rows), 0, 1), good


def binary(truth: np.ndarray, scores: np.ndarray, label: str = "0") -> ScoredRows:
    """Every row with one label."""
    return scored_rows("binary", truth, scores, [label] * len(truth), ("0", "1"))


def multiclass(truth: np.ndarray, probabilities: np.ndarray) -> ScoredRows:
    """The likeliest class is the label."""
    scores, labels = probabilities.max(axis=1), probabilities.argmax(axis=1)
    return scored_rows("multiclass", truth, scores, labels, ("0", "1", "2"), probabilities)


def regression(truth: np.ndarray, scores: np.ndarray) -> ScoredRows:
    """Predicted values."""
    return scored_rows("regression", truth, scores, [], ())


@pytest.mark.parametrize("metric", ["auc", "average_precision", "log_loss", "brier"])
def test_the_better_model_shows_whichever_way_the_metric_points(metric: str):
    truth, bad, good = two_models(4000, 0.15)
    first, second = (binary(truth, scores) for scores in (bad, good))
    found = paired_bootstrap(metric, first, second, seed=1)
    assert 0 < found.low < found.difference < found.high
    back = paired_bootstrap(metric, second, first, seed=1)
    assert back.difference == pytest.approx(-found.difference)
    assert back.high < 0
    assert found.value_b == pytest.approx(measure(metric, second).value)


def test_a_model_against_itself_makes_no_difference():
    truth, _, good = two_models(500, 0.1)
    found = paired_bootstrap("auc", binary(truth, good), binary(truth, good, "1"))
    assert (found.difference, found.low, found.high) == (0, 0, 0)


@pytest.mark.parametrize(
    "metric", ["auc", "average_precision", "accuracy", "f1", "log_loss", "brier", "mae", "rmse", "r2"]
)
def test_weights_are_repeated_rows(metric: str):
    rng = np.random.default_rng(3)
    scores = np.round(rng.random(200), 1)
    labels, truth = outcomes(scores)
    repeats = rng.integers(0, 4, 200)
    rows = np.repeat(np.arange(200), repeats)
    task = "regression" if metric in ("mae", "rmse", "r2") else "binary"
    names = () if task == "regression" else ("0", "1")
    given = [] if task == "regression" else labels
    evaluate = weighted_metric(metric, scored_rows(task, truth, scores, given, names))
    taken = [given[i] for i in rows] if given else []
    exact = measure(metric, scored_rows(task, truth[rows], scores[rows], taken, names)).value
    assert evaluate(repeats[None, :].astype(float))[0] == pytest.approx(exact, abs=1e-12)


def test_multiclass_models_are_compared_by_their_probabilities():
    rng = np.random.default_rng(4)
    good = rng.dirichlet((1, 2, 3), 800)
    truth = np.array([rng.choice(3, p=p) for p in good])
    bad = 0.5 * good + 0.5 * rng.dirichlet((1, 2, 3), 800)
    for metric in ("auc", "log_loss", "accuracy", "f1"):
        found = paired_bootstrap(metric, *(multiclass(truth, by) for by in (bad, good)))
        assert found.difference > 0
    rows = scored_rows("multiclass", truth, truth * 0.1, truth, ("0", "1", "2"))
    with pytest.raises(InvalidInputError, match="probabilities"):
        paired_bootstrap("auc", rows, rows)


def test_blocks_widen_the_interval_where_rows_of_a_block_are_alike():
    rng = np.random.default_rng(5)
    blocks = np.repeat(np.arange(30), 50)
    truth = rng.normal(0, 1, 1500)
    a = regression(truth, truth + rng.normal(0, 1, 1500))
    b = regression(truth, truth + np.repeat(rng.normal(0, 1, 30), 50))
    by_row = paired_bootstrap("mae", a, b, seed=1)
    by_block = paired_bootstrap("mae", a, b, seed=1, blocks=blocks)
    assert by_block.high - by_block.low > 2 * (by_row.high - by_row.low)
    assert paired_bootstrap("mae", a, b, seed=1, blocks=blocks) == by_block


def test_rows_that_define_nothing_are_refused_in_a_line():
    with pytest.raises(InvalidInputError, match="do not define it"):
        paired_bootstrap("auc", *[binary(np.zeros(2, int), np.zeros(2))] * 2)
    with pytest.raises(InvalidInputError, match="no rows"):
        paired_bootstrap("mae", *[regression(np.empty(0), np.empty(0))] * 2)
    with pytest.raises(InvalidInputError, match="3 block labels"):
        paired_bootstrap("mae", *[regression(np.zeros(2), np.zeros(2))] * 2, blocks=np.arange(3))


def test_an_interval_over_days_holds_the_true_difference_of_rows_that_share_their_day() -> None:
    """Two forecasts of equal quality whose errors are of whole days: intervals over rows are far too sure of a difference."""
    draw = np.random.default_rng(11)
    days, a_day, worlds = 14, 60, 150
    covered = {"rows": 0, "days": 0}
    labels = np.repeat(np.arange(days), a_day)
    for world in range(worlds):
        truth = np.zeros(days * a_day)
        sides = [
            regression(truth, np.repeat(draw.normal(0, 1, days), a_day) + draw.normal(0, 0.5, days * a_day))
            for _ in range(2)
        ]
        for name, blocks in (("rows", None), ("days", labels)):
            result = paired_bootstrap("mae", *sides, repeats=300, seed=world, blocks=blocks)
            covered[name] += result.low <= 0 <= result.high
    assert covered["days"] / worlds >= 0.9
    assert covered["rows"] / worlds <= 0.5


@pytest.mark.parametrize(
    ("days", "phrase"),
    [
        (14, "14 whole days drawn again"),
        (5, "10 whole blocks of 12 h drawn again"),
        (1, "8 whole blocks of 3 h drawn again"),
        (0.1, "rows drawn singly: they span too little time for blocks"),
    ],
)
def test_blocks_of_time_are_days_where_there_are_enough_of_them(days: float, phrase: str) -> None:
    times = (np.arange(0, days, 0.01) * DAY_US).astype(np.int64)
    blocks = time_blocks(times)
    assert blocks.phrase == phrase
    if blocks.labels is not None:
        assert len(np.unique(blocks.labels)) == blocks.count
        assert (np.diff(blocks.labels) >= 0).all()
