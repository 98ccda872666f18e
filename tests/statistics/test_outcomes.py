"""Measured performance from sums is that of the rows, and its intervals hold what they promise."""

import math

import numpy as np
import pytest
from sklearn import metrics
from statistics_rows import draw, outcomes, specify

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.performance.outcomes import measured, measured_over_days
from pilothouse.statistics.profiles.outcome_profile import (
    OutcomeProfile,
    decode,
    encode,
    merge_all,
    profile_outcomes,
)
from pilothouse.statistics.profiles.specification import build_specification


def same(a: OutcomeProfile, b: OutcomeProfile) -> bool:
    return (a.rows, a.unusable, a.sums) == (b.rows, b.unusable, b.sums) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("cells", "counts", "confusion")
    )


@pytest.mark.parametrize("seed", range(5))
def test_binary_metrics_are_those_of_the_rows(seed: int):
    specification = specify()
    rng = np.random.default_rng(seed)
    scores = rng.beta(*((2, 5), (5, 2), (0.3, 0.3), (20, 30), (1, 9))[seed], 4000)
    labels, truth = outcomes(scores, seed)
    predicted = np.array(labels).astype(int)
    profile = profile_outcomes(specification, scores, labels, truth)
    exact = {
        "auc": metrics.roc_auc_score(truth, scores),
        "average_precision": metrics.average_precision_score(truth, scores),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": metrics.precision_score(truth, predicted),
        "recall": metrics.recall_score(truth, predicted),
        "f1": metrics.f1_score(truth, predicted),
        "log_loss": metrics.log_loss(truth, np.clip(scores, 1e-15, 1 - 1e-15)),
        "brier": metrics.brier_score_loss(truth, scores),
    }
    for name, value in exact.items():
        found = measured(specification, profile, name)
        tolerance = {"auc": 1e-3, "average_precision": 5e-3}.get(name, 1e-5)
        assert found.value == pytest.approx(value, abs=tolerance), name
        assert found.low < found.value < found.high
        assert found.rows == 4000


def test_multiclass_metrics_are_those_of_the_rows():
    rng = np.random.default_rng(1)
    truth, labels = rng.choice(list("abc"), 500), rng.choice(list("abc"), 500)
    specification = build_specification("multiclass", {}, {}, np.linspace(0, 1, 500), ("a", "b", "c"))
    profile = profile_outcomes(specification, np.full(500, 0.4), list(labels), list(truth))
    accuracy, f1 = measured(specification, profile, "accuracy"), measured(specification, profile, "f1")
    assert accuracy.value == pytest.approx(np.mean(truth == labels))
    assert f1.value == pytest.approx(metrics.f1_score(truth, labels, average="macro"))
    assert f1.low < f1.value < f1.high
    with pytest.raises(InvalidInputError, match="winning class"):
        measured(specification, profile, "auc")


def test_regression_metrics_are_those_of_the_rows():
    rng = np.random.default_rng(2)
    truth = rng.gamma(2, 70, 3000)
    scores = truth * 0.8 + rng.normal(10, 40, 3000)
    specification = build_specification("regression", {}, {}, scores, ())
    profile = profile_outcomes(specification, scores, [], truth)
    exact = {
        "mae": metrics.mean_absolute_error(truth, scores),
        "rmse": metrics.root_mean_squared_error(truth, scores),
        "r2": metrics.r2_score(truth, scores),
        "bias": float(np.mean(scores - truth)),
    }
    for name, value in exact.items():
        found = measured(specification, profile, name)
        assert found.value == pytest.approx(value, rel=1e-4), name
        assert found.low < found.value < found.high


@pytest.mark.parametrize("metric", ["auc", "f1", "accuracy", "brier", "log_loss", "average_precision"])
def test_a_95_percent_interval_covers_the_truth_about_95_times_in_100(metric: str):
    specification = specify()
    rng = np.random.default_rng(3)
    many = rng.beta(2, 5, 400_000)
    labels, truth = outcomes(many, 3)
    target = measured(specification, profile_outcomes(specification, many, labels, truth), metric).value
    covered = 0
    for start in range(0, 400_000, 1000):
        part = slice(start, start + 1000)
        profile = profile_outcomes(specification, many[part], labels[part], truth[part])
        found = measured(specification, profile, metric)
        covered += found.low <= target <= found.high
    assert 0.90 <= covered / 400 <= 0.99


@pytest.mark.parametrize("metric", ["r2", "mae", "rmse"])
def test_a_regression_interval_covers_the_truth(metric: str):
    rng = np.random.default_rng(4)
    truth = rng.gamma(2, 70, 200_000)
    scores = truth * 0.8 + rng.normal(10, 40, 200_000)
    specification = build_specification("regression", {}, {}, scores[:5000], ())
    target = measured(specification, profile_outcomes(specification, scores, [], truth), metric).value
    covered = 0
    for start in range(0, 200_000, 500):
        part = slice(start, start + 500)
        found = measured(
            specification, profile_outcomes(specification, scores[part], [], truth[part]), metric
        )
        covered += found.low <= target <= found.high
    assert 0.90 <= covered / 400 <= 0.99


def test_outcomes_merge_exactly_and_survive_storage():
    specification = specify()
    _, _, scores = draw(900)
    labels, truth = outcomes(scores)
    whole = profile_outcomes(specification, scores, labels, truth)
    parts = [
        profile_outcomes(specification, scores[a : a + 300], labels[a : a + 300], truth[a : a + 300])
        for a in (0, 300, 600)
    ]
    assert same(merge_all(specification, parts), whole)
    assert same(merge_all(specification, (parts[2], merge_all(specification, parts[1::-1]))), whole)
    assert same(decode(specification, encode(specification, whole)), whole)
    assert same(merge_all(specification, (whole, merge_all(specification, ()))), whole)
    with pytest.raises(IntegrityError):
        decode(specify(seed=4), encode(specification, whole))


def test_unknown_classes_and_odd_scores_are_set_aside_and_counted():
    specification = specify()
    scores = np.array([0.1, np.nan, 0.3, 0.9, np.inf])
    profile = profile_outcomes(specification, scores, ["0", "0", "maybe", "1", "1"], [1.0, 0, 1, "1", 1])
    assert (profile.rows, profile.unusable) == (2, 3)
    regression = build_specification("regression", {}, {}, np.arange(9.0), ())
    found = profile_outcomes(regression, np.array([1.0, 2.0, 1e300]), [], ["1.5", "late", 3.0])
    assert (found.rows, found.unusable) == (2, 1)
    with pytest.raises(InvalidInputError, match="2 outcomes"):
        profile_outcomes(specification, np.zeros(3), ["0"] * 3, [0, 1])


def test_a_metric_that_is_not_defined_is_nan_and_no_error():
    specification = specify()
    for truth in ([], [1], [0, 0, 0]):
        scores = np.full(len(truth), 0.5)
        found = measured(
            specification, profile_outcomes(specification, scores, ["1"] * len(truth), truth), "auc"
        )
        assert math.isnan(found.value)
    perfect = profile_outcomes(specification, np.array([0.1, 0.9]), ["0", "1"], [0, 1])
    found = measured(specification, perfect, "auc")
    assert found.value == 1.0
    assert found.low < 0.1
    with pytest.raises(InvalidInputError, match="expected one of auc"):
        measured(specification, perfect, "mae")


def days_with_weather(seed: int, days: int = 28, rows: int = 120) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Days whose base rate moves while the score does not know: rows of one day are alike."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(2, 5, (days, rows))
    lift = np.repeat(rng.normal(0, 1.2, (days, 1)), rows, axis=1)
    odds = np.log(scores / (1 - scores)) + lift
    truth = (rng.random((days, rows)) < 1 / (1 + np.exp(-odds))).astype(int)
    return scores, ["0"] * rows, truth


def test_the_interval_over_days_knows_that_rows_of_a_day_are_alike():
    specification = specify()
    covered = {"rows": 0, "days": 0}
    target = 0.0
    targets, intervals = [], []
    for seed in range(120):
        scores, labels, truth = days_with_weather(seed)
        profiles = [profile_outcomes(specification, s, labels, t) for s, t in zip(scores, truth, strict=True)]
        whole = measured(specification, merge_all(specification, profiles), "log_loss")
        days = measured_over_days(specification, profiles, "log_loss", seed=seed, repeats=300)
        targets.append(whole.value)
        intervals.append((whole, days))
        assert days.value == whole.value
    target = float(np.mean(targets))
    for whole, days in intervals:
        covered["rows"] += whole.low <= target <= whole.high
        covered["days"] += days.low <= target <= days.high
    assert covered["days"] >= 0.88 * 120
    assert covered["rows"] <= 0.75 * 120


@pytest.mark.parametrize("metric", ["auc", "average_precision", "accuracy", "f1", "log_loss", "brier"])
def test_every_metric_has_an_interval_over_days(metric: str):
    specification = specify()
    scores, labels, truth = days_with_weather(1)
    profiles = [
        profile_outcomes(specification, s, [str(int(x > 0.3)) for x in s], t)
        for s, t in zip(scores, truth, strict=True)
    ]
    found = measured_over_days(specification, profiles, metric)
    assert found.low < found.value < found.high
    assert measured_over_days(specification, profiles, metric) == found
    alone = measured_over_days(specification, profiles[:1], metric)
    assert alone == measured(specification, profiles[0], metric)
    assert len(labels) == 120


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_every_regression_metric_has_an_interval_over_days(metric: str):
    rng = np.random.default_rng(0)
    truth = rng.gamma(2, 70, (20, 50))
    scores = truth + rng.normal(0, 30, (20, 50)) + rng.normal(0, 20, (20, 1))
    specification = build_specification("regression", {}, {}, scores.ravel(), ())
    profiles = [profile_outcomes(specification, s, [], t) for s, t in zip(scores, truth, strict=True)]
    found = measured_over_days(specification, [*profiles, merge_all(specification, ())], metric)
    assert found.low < found.value < found.high
    assert found.rows == 1000
