"""Performance without outcomes: right on the average while only inputs move, exact from profiles."""

import math

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics import performance_estimation
from pilothouse.statistics import reference as references
from pilothouse.statistics.estimation import loss_estimation
from pilothouse.statistics.estimation.confidence_estimation import estimate_from_scores, learn_from_scores
from pilothouse.statistics.estimation.expected_metrics import EXPECTED
from pilothouse.statistics.estimation.probability_calibration import FORMS, calibrate_scores
from pilothouse.statistics.performance.metrics import measure
from pilothouse.statistics.profiles.profile import cells_of, profile_rows
from pilothouse.statistics.profiles.scored_rows import scored_rows
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.reference import DatedRows

BINS = (np.arange(400) + 0.5) / 400


def logistic(x):
    return 1 / (1 + np.exp(-x))


def held_out(true_of, days=20, rows=300, seed=0, shock=0.0):
    """Rows and positives by day and bin: scores of a beta distribution, outcomes by ``true_of(score)``."""
    chance = np.random.default_rng(seed)
    scores = chance.beta(2, 3, (days, rows))
    odds = np.log(true_of(scores) / (1 - true_of(scores))) + shock * chance.normal(size=(days, 1))
    truth = chance.random((days, rows)) < logistic(odds)
    place = (scores * 400).astype(int)
    counts = np.array([np.bincount(day, minlength=400) for day in place])
    hits = np.array([np.bincount(day[yes], minlength=400) for day, yes in zip(place, truth, strict=True)])
    return counts, hits


def overconfident(scores):
    return logistic(0.5 * np.log(scores / (1 - scores)) - 0.4)


def test_a_badly_calibrated_score_is_put_right():
    rows, positives = held_out(overconfident, days=28, rows=1000)
    found = calibrate_scores(BINS, rows, positives)
    inner = slice(20, 360)
    assert np.abs(found.probabilities - overconfident(BINS))[inner].max() < 0.04
    assert set(found.weights) == set(FORMS)
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.weights["none"] < 0.01 < found.weights["platt"]


def test_a_well_calibrated_score_is_left_alone():
    rows, positives = held_out(lambda s: s, days=14, rows=60)
    found = calibrate_scores(BINS, rows, positives)
    assert np.average(np.abs(found.probabilities - BINS), weights=rows.sum(axis=0)) < 0.03


def test_days_that_hang_together_count_for_less():
    calm, stormy = (calibrate_scores(BINS, *held_out(overconfident, shock=s)) for s in (0.0, 0.8))
    assert calm.dispersion < 2 < 10 < stormy.dispersion


def test_one_class_or_one_day_teaches_nothing():
    rows, positives = held_out(overconfident, days=1)
    assert calibrate_scores(BINS, rows, positives).weights == {"none": 1.0}
    rows, _ = held_out(overconfident)
    assert calibrate_scores(BINS, rows, rows).weights == {"none": 1.0}


@pytest.mark.parametrize("metric", sorted(EXPECTED.keys() - {"hits", "precision", "recall"}))
def test_expected_metrics_of_certain_outcomes_are_the_metrics_themselves(metric):
    rows, positives = (counts.sum(axis=0) for counts in held_out(overconfident, days=3, rows=400))
    scores = np.repeat(np.concatenate((BINS, BINS)), np.concatenate((rows - positives, positives)))
    truth = np.repeat(["0", "1"], [int((rows - positives).sum()), int(positives.sum())])
    labels = np.where(scores > 0.5, "1", "0")
    exact = measure(metric, scored_rows("binary", truth, scores, labels, ("0", "1"))).value
    assert float(EXPECTED[metric](BINS, rows.astype(float), positives.astype(float))) == pytest.approx(
        exact, abs=1e-9
    )


@pytest.mark.parametrize("shock", [0.0, 0.5])
def test_the_band_holds_the_realised_figure_at_its_rate_while_scores_mean_what_they_meant(shock):
    inside = []
    for seed in range(16):
        estimator = learn_from_scores(BINS, *held_out(overconfident, 14, 200, seed, shock))
        rows, positives = held_out(overconfident, 14, 200, 1_000 + seed, shock)
        found = estimate_from_scores(estimator, rows.sum(axis=0), "auc", rows_a_day=200.0)
        truth = float(
            EXPECTED["auc"](BINS, rows.sum(axis=0).astype(float), positives.sum(axis=0).astype(float))
        )
        inside.append(found.low <= truth <= found.high)
    assert np.mean(inside) >= 0.8  # the benchmark counts many more windows


def test_an_empty_window_has_no_estimate():
    estimator = learn_from_scores(BINS, *held_out(overconfident))
    found = estimate_from_scores(estimator, np.zeros(400, np.int64), "auc", rows_a_day=0.0)
    assert found.rows == 0
    assert math.isnan(found.value)


def regression_rows(days, rows, seed=0, hot=0.3):
    """A prediction that errs by 1 where ``heat`` is low and by 5 where it is high."""
    chance = np.random.default_rng(seed)
    n = days * rows
    heat = np.where(chance.random(n) < hot, chance.uniform(5, 10, n), chance.uniform(0, 5, n))
    kind = np.where(chance.random(n) < 0.5, "a", "b")
    truth = chance.normal(50, 20, n)
    scores = truth + chance.normal(0, 1, n) * np.where(heat > 5, 5.0, 1.0)
    return DatedRows(
        np.arange(n) // rows,
        {"heat": heat},
        {"kind": kind.astype(object)},
        scores,
        np.empty(0, object),
        truth,
    )


@pytest.fixture(scope="module")
def regression():
    training, holdout = regression_rows(40, 50, seed=1), regression_rows(14, 60, seed=2)
    specification = build_specification(
        "regression", training.numeric, {"kind": training.categorical["kind"].tolist()}, training.scores, ()
    )
    return specification, references.build_reference(specification, "mae", training, holdout, {})


def profiled(specification, rows):
    return [
        profile_rows(specification, day.numeric, {"kind": day.categorical["kind"].tolist()}, day.scores)
        for _, day in rows.by_day()
    ]


@pytest.mark.parametrize(("metric", "tolerance"), [("mae", 0.12), ("rmse", 0.2)])
def test_a_loss_that_depends_on_an_input_is_foretold_when_that_input_moves(regression, metric, tolerance):
    specification, reference = regression
    estimator = performance_estimation.learn(specification, reference.pooled, reference.pooled)
    assert estimator.by_columns.functions[metric].skill > 0.1
    for hot in (0.0, 0.3, 0.9):
        window = regression_rows(7, 200, seed=5, hot=hot)
        found = performance_estimation.estimate(
            specification, estimator, profiled(specification, window), metric
        )
        error = np.abs(window.scores - window.outcomes)
        truth = error.mean() if metric == "mae" else math.sqrt((error**2).mean())
        assert found.value == pytest.approx(truth, rel=tolerance)
        assert found.low < truth < found.high


def test_an_estimate_from_profiles_is_the_mean_of_the_rows_estimates(regression):
    specification, reference = regression
    model, window = reference.pooled.losses, regression_rows(3, 100, seed=9)
    function = model.functions["mae"]
    cells = cells_of(
        specification, window.numeric, {"kind": window.categorical["kind"].tolist()}, window.scores
    )
    each = function.constants[0] + function.basis.design(cells) @ function.tables[0]
    found = performance_estimation.estimate(
        specification,
        performance_estimation.Estimator(by_columns=model),
        profiled(specification, window),
        "mae",
    )
    assert found.value == pytest.approx(specification.scale * each.mean(), rel=1e-9)


def test_errors_that_nothing_foretells_give_the_hold_outs_own_loss():
    rows = regression_rows(14, 60, seed=3)
    chance = np.random.default_rng(4)
    specification = build_specification("regression", rows.numeric, {}, rows.scores, ())
    cells = cells_of(specification, rows.numeric, {}, rows.scores)
    model = loss_estimation.learn_losses(
        specification, rows.days, cells, chance.normal(0, 3, len(rows.scores))
    )
    function = model.functions["mae"]
    assert function.skill < 0.02
    assert np.ptp(function.basis.design(cells) @ function.tables[0]) < 0.5 * function.constants[0]


def test_references_keep_what_was_learnt_and_older_ones_are_read(regression):
    specification, reference = regression
    again = references.decode(specification, references.encode(specification, reference))
    kept, learnt = again.pooled.losses, reference.pooled.losses
    assert kept.functions["mae"].skill == learnt.functions["mae"].skill
    assert np.allclose(kept.functions["rmse"].tables, learnt.functions["rmse"].tables, rtol=1e-6)
    with pytest.raises(IntegrityError, match="damaged"):
        loss_estimation.decode(specification, loss_estimation.encode(learnt)[:-9])


def test_of_several_classes_accuracy_is_estimated_and_the_rest_is_not():
    chance = np.random.default_rng(6)

    def rows(days, per_day, sure):
        n = days * per_day
        winner = np.clip(chance.beta(5, 5 if not sure else 1, n), 0.34, 1.0)
        right = chance.random(n) < 0.9 * winner  # a little too sure
        labels = np.array(["a", "b", "c"], object)[chance.integers(0, 3, n)]
        truth = np.where(right, labels, np.where(labels == "a", "b", "a"))
        return DatedRows(np.arange(n) // per_day, {"x": winner}, {}, winner, labels, truth.astype(object))

    training, holdout = rows(20, 100, False), rows(14, 150, False)
    specification = build_specification("multiclass", training.numeric, {}, training.scores, ("a", "b", "c"))
    reference = references.build_reference(specification, "accuracy", training, holdout, {})
    reference = references.decode(specification, references.encode(specification, reference))
    estimator = performance_estimation.learn(specification, reference.pooled, reference.pooled)
    window = rows(7, 300, True)
    found = performance_estimation.estimate(
        specification, estimator, profiled_scores(specification, window), "accuracy"
    )
    truth = float(np.mean(window.labels == window.outcomes))
    assert found.low < truth < found.high
    assert found.value == pytest.approx(truth, abs=0.04)
    assert not performance_estimation.can_estimate("multiclass", "f1")
    assert not performance_estimation.can_estimate("regression", "r2")


def profiled_scores(specification, rows):
    return [profile_rows(specification, day.numeric, {}, day.scores) for _, day in rows.by_day()]
