"""Figures of pictures against scikit-learn's own on the same rows, over random scores with ties."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from pilothouse.statistics.pictures.classes import class_figures, confusion
from pilothouse.statistics.pictures.decisions import MOST_POINTS, class_curve, histogram, reliability
from pilothouse.statistics.pictures.numbers import residuals


def drawn(seed: int, rows: int = 4_000, decimals: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Truth bool[rows] and scores float64[rows] within [0, 1]; with few ``decimals`` many are equal."""
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.3
    scores = 1 / (1 + np.exp(-rng.normal(truth * 1.2, 1)))
    return truth, np.round(scores, decimals) if decimals is not None else scores


@pytest.mark.parametrize(("seed", "decimals"), [(0, None), (1, 2), (2, 1), (3, 3)])
def test_every_kept_point_of_a_curve_is_one_of_scikit_learns(seed: int, decimals: int | None) -> None:
    truth, scores = drawn(seed, decimals=decimals)
    curve = class_curve("late", truth, scores)
    assert curve is not None

    assert curve.auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert curve.average_precision == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert 2 <= len(curve.thresholds) <= MOST_POINTS
    false, true, thresholds = roc_curve(truth, scores, drop_intermediate=False)
    of = {t: (f, r) for f, r, t in zip(false, true, thresholds, strict=True)}
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    pr = dict(zip(thresholds.tolist(), zip(precision[:-1], recall[:-1], strict=True), strict=True))
    for i, threshold in enumerate(curve.thresholds):
        at = curve.at(i)
        tn, fp, fn, tp = confusion_matrix(truth, scores >= threshold).ravel()
        assert (at.true_positives, at.false_positives, at.false_negatives, at.true_negatives) == (
            tp,
            fp,
            fn,
            tn,
        )
        assert of[threshold] == pytest.approx((fp / curve.negatives, tp / curve.positives), abs=1e-12)
        assert pr[threshold] == pytest.approx((at.precision, at.recall), abs=1e-12)
    assert curve.thresholds[0] == scores.max()
    assert curve.thresholds[-1] == scores.min()


def test_the_threshold_of_a_half_is_kept_however_long_the_curve_is() -> None:
    truth, scores = drawn(5, rows=50_000)
    curve = class_curve("late", truth, scores)
    assert curve is not None
    at = curve.at(curve.nearest(0.5))

    assert at.threshold == scores[scores >= 0.5].min()
    assert at.true_positives == (truth & (scores >= 0.5)).sum()


def test_one_class_alone_has_no_curve() -> None:
    assert class_curve("late", np.ones(5, dtype=bool), np.arange(5.0)) is None


def test_thresholds_beyond_the_ends_are_the_ends() -> None:
    curve = class_curve("late", np.array([True, False]), np.array([0.9, 0.1]))
    assert curve is not None

    assert curve.nearest(2.0) == 0
    assert curve.nearest(-1.0) == 1
    assert curve.at(99).threshold == 0.1


def test_reliability_is_scikit_learns_calibration_curve() -> None:
    truth, scores = drawn(7)
    observed, mean = calibration_curve(truth, scores, n_bins=10)
    found = reliability("late", truth, scores).bins

    assert [b.mean_score for b in found] == pytest.approx(mean.tolist())
    assert [b.observed for b in found] == pytest.approx(observed.tolist())
    assert sum(b.rows for b in found) == len(truth)


def test_figures_of_classes_are_scikit_learns() -> None:
    rng = np.random.default_rng(11)
    true, answered = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
    counts = confusion(true, answered, 5)

    assert (counts[:4, :4] == confusion_matrix(true, answered, labels=range(4))).all()
    figures = class_figures(("a", "b", "c", "d", "never"), counts)
    precision, recall, f1, rows = precision_recall_fscore_support(
        true, answered, labels=range(4), zero_division=0
    )
    assert [one.rows for one in figures] == [*rows, 0]
    assert [one.precision or 0 for one in figures[:4]] == pytest.approx(precision.tolist())
    assert [one.recall or 0 for one in figures[:4]] == pytest.approx(recall.tolist())
    assert [one.f1 or 0 for one in figures[:4]] == pytest.approx(f1.tolist())
    assert figures[3].precision is None
    assert (figures[4].precision, figures[4].recall, figures[4].f1) == (None, None, None)


def test_residuals_are_those_of_the_rows_and_bins_hold_all_of_them() -> None:
    rng = np.random.default_rng(13)
    predictions = rng.normal(size=1_003)
    outcomes = predictions * 2 + rng.normal(size=1_003)
    found = residuals(outcomes, predictions)
    left = outcomes - predictions

    assert (found.mean, found.deviation, found.median) == pytest.approx(
        (left.mean(), left.std(), np.median(left))
    )
    assert sum(found.histogram.counts) == 1_003
    assert sum(b.rows for b in found.bins) == 1_003
    assert [b.predicted for b in found.bins] == sorted(b.predicted for b in found.bins)
    assert all(b.low <= b.actual <= b.high for b in found.bins)
    highest = np.argsort(predictions)[-found.bins[-1].rows :]
    assert found.bins[-1].actual == pytest.approx(outcomes[highest].mean())


def test_equal_values_have_a_histogram() -> None:
    found = histogram("residual", np.zeros(7), 0.0, 0.0)

    assert sum(found.counts) == 7
    assert (found.edges[0], found.edges[-1]) == (-0.5, 0.5)


def test_few_rows_have_no_bins() -> None:
    assert residuals(np.array([1.0, 2.0]), np.array([1.0, 1.0])).bins == ()
