"""Metrics of rows equal scikit-learn's, and each carries an interval."""

import math

import numpy as np
import pytest
from sklearn import metrics
from statistics_rows import outcomes

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.performance.metrics import compute_metrics, measure
from pilothouse.statistics.profiles.scored_rows import scored_rows

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def calibration_error(scores: np.ndarray, truth: np.ndarray) -> float:
    """Bin by bin: the share of rows times |mean score − share that came true|."""
    place = np.minimum((scores * 16).astype(int), 15)
    bins = [place == k for k in range(16) if (place == k).any()]
    return sum(rows.mean() * abs(scores[rows].mean() - truth[rows].mean()) for rows in bins)


def test_binary_metrics_equal_scikit_learns():
    scores = np.round(np.random.default_rng(0).beta(2, 5, 3000), 2)  # many ties
    labels, truth = outcomes(scores)
    predicted = np.array(labels).astype(int)
    rows = scored_rows("binary", truth, scores, labels, ("0", "1"))
    found = {m.metric: m for m in compute_metrics(rows)}
    exact = {
        "auc": metrics.roc_auc_score(truth, scores),
        "average_precision": metrics.average_precision_score(truth, scores),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": metrics.precision_score(truth, predicted),
        "recall": metrics.recall_score(truth, predicted),
        "f1": metrics.f1_score(truth, predicted),
        "calibration_error": calibration_error(scores, truth),
        "log_loss": metrics.log_loss(truth, np.clip(scores, 1e-15, 1 - 1e-15)),
        "brier": metrics.brier_score_loss(truth, scores),
    }
    assert set(found) == set(exact)
    for name, value in exact.items():
        assert found[name].value == pytest.approx(value, abs=1e-12), name
        assert found[name].low < value < found[name].high
        assert measure(name, rows).value == pytest.approx(value, abs=1e-12)


def test_multiclass_metrics_equal_scikit_learns():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet((1, 2, 3), 2000)
    truth = np.array([rng.choice(3, p=p) for p in probabilities])
    labels = probabilities.argmax(axis=1)
    found = {
        m.metric: m
        for m in compute_metrics(
            scored_rows(
                "multiclass",
                truth,
                probabilities.max(axis=1),
                labels,
                ("0", "1", "2"),
                probabilities=probabilities,
            )
        )
    }
    exact = {
        "auc": metrics.roc_auc_score(truth, probabilities, multi_class="ovr"),
        "accuracy": metrics.accuracy_score(truth, labels),
        "precision": metrics.precision_score(truth, labels, average="macro"),
        "recall": metrics.recall_score(truth, labels, average="macro"),
        "f1": metrics.f1_score(truth, labels, average="macro"),
        "log_loss": metrics.log_loss(truth, probabilities),
    }
    assert set(found) == set(exact)
    for name, value in exact.items():
        assert found[name].value == pytest.approx(value, abs=1e-12), name
        assert found[name].low < value < found[name].high
    without = compute_metrics(
        scored_rows("multiclass", truth, probabilities.max(axis=1), labels, ("0", "1", "2"))
    )
    assert {m.metric for m in without} == {"accuracy", "precision", "recall", "f1"}


def test_a_class_that_the_model_never_saw_counts_as_wrong():
    probabilities = np.array([[0.7, 0.3], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]])
    found = {
        m.metric: m.value
        for m in compute_metrics(
            scored_rows(
                "multiclass",
                ["a", "b", "c", "b"],
                probabilities.max(axis=1),
                ["a", "b", "a", "b"],
                ("a", "b"),
                probabilities=probabilities,
            )
        )
    }
    assert found["accuracy"] == 0.75
    assert found["log_loss"] > 8


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e12])
def test_regression_metrics_equal_scikit_learns_at_any_size(size: float):
    rng = np.random.default_rng(2)
    truth = size * rng.gamma(2, 70, 1000)
    scores = truth * 0.9 + size * rng.normal(0, 20, 1000)
    found = {m.metric: m for m in compute_metrics(scored_rows("regression", truth, scores, [], ()))}
    exact = {
        "mae": metrics.mean_absolute_error(truth, scores),
        "rmse": metrics.root_mean_squared_error(truth, scores),
        "r2": metrics.r2_score(truth, scores),
    }
    for name, value in exact.items():
        assert found[name].value == pytest.approx(value, rel=1e-9)
        assert found[name].low < value < found[name].high


def test_the_auc_interval_is_delongs():
    # the data of Hanley and McNeil's (1982) table: 109 CT images rated 1 to 5; DeLong's error of their area is 0.0304
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    scores = np.repeat(np.tile(np.arange(1.0, 6.0), 2), normal + abnormal)
    truth = np.repeat([0, 1], [sum(normal), sum(abnormal)])
    found = measure("auc", scored_rows("binary", truth, scores / 10, ["0"] * len(truth), ("0", "1")))
    assert found.value == pytest.approx(0.8932, abs=5e-5)
    width = math.log(found.high / (1 - found.high)) - math.log(found.low / (1 - found.low))
    error = width / (2 * 1.96) * found.value * (1 - found.value)
    assert error == pytest.approx(0.0304, abs=1e-3)


def test_what_rows_do_not_define_is_left_out():
    found = {
        m.metric
        for m in compute_metrics(scored_rows("binary", [0, 0], np.array([0.1, 0.2]), [0, 0], ("0", "1")))
    }
    assert "auc" not in found
    assert "accuracy" in found
    assert compute_metrics(scored_rows("binary", [], np.empty(0), [], ("0", "1"))) == []
    assert math.isnan(measure("r2", scored_rows("regression", np.ones(4), np.ones(4), [], ())).value)
    perfect = measure(
        "auc", scored_rows("binary", [0, 1, 1], np.array([0.1, 0.8, 0.9]), [0, 1, 1], ("0", "1"))
    )
    assert perfect.value == 1.0
    assert perfect.low < 0.1


def test_wrong_rows_are_refused_in_a_line():
    scores = np.array([0.2, np.nan])
    with pytest.raises(InvalidInputError, match="1 of 2 scores"):
        compute_metrics(scored_rows("binary", [0, 1], scores, [0, 1], ("0", "1")))
    with pytest.raises(InvalidInputError, match="row 1 has outcome 2"):
        compute_metrics(scored_rows("binary", [0, 2], np.zeros(2), [0, 1], ("0", "1")))
    with pytest.raises(InvalidInputError, match="1 outcomes, 2 scores"):
        compute_metrics(scored_rows("regression", [0], np.zeros(2), [], ()))
    with pytest.raises(InvalidInputError, match="not defined for a regression"):
        measure("auc", scored_rows("regression", [0], np.zeros(1), [], ()))
