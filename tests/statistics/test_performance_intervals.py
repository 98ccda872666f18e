"""Intervals of measured performance hold what they promise: about 95 of 100 simulated windows' intervals hold the truth."""

import math

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.performance.metrics import compute_metrics
from pilothouse.statistics.performance.outcomes import measured, metrics_of, of_classes
from pilothouse.statistics.profiles.outcome_profile import (
    decode_parts,
    encode,
    encode_parts,
    profile_outcome_groups,
    profile_outcomes,
)
from pilothouse.statistics.profiles.scored_rows import scored_rows
from pilothouse.statistics.profiles.specification import build_specification

WINDOWS, ROWS = 200, 600
LARGE = 400_000


def binary(rng, rows: int):
    """Scores a little too sure of themselves, so that nothing is perfectly calibrated."""
    chance = rng.beta(2, 3, rows)
    truth = (rng.random(rows) < chance).astype(int)
    scores = 1 / (1 + np.exp(-1.4 * np.log(chance / (1 - chance))))
    return scores, [str(int(s > 0.5)) for s in scores], truth.astype(str)


def regression(rng, rows: int):
    """Errors with a heavy tail and a bias."""
    truth = rng.normal(10, 3, rows)
    return truth + 0.2 + rng.standard_t(6, rows), [], truth


def multiclass(rng, rows: int):
    """Three classes of unlike frequency; the label is right in 70 of 100."""
    truth = rng.choice(3, rows, p=(0.6, 0.3, 0.1))
    labels = np.where(rng.random(rows) < 0.7, truth, rng.integers(0, 3, rows))
    return rng.random(rows), labels.astype(str), truth.astype(str)


CASES = {
    "binary": (binary, ("0", "1")),
    "regression": (regression, ()),
    "multiclass": (multiclass, ("0", "1", "2")),
}


@pytest.mark.parametrize("task", list(CASES))
def test_intervals_cover_the_truth_about_as_often_as_they_say(task):
    draw, classes = CASES[task]
    rng = np.random.default_rng(7)
    scores, labels, truth = draw(rng, LARGE)
    specification = build_specification(task, {}, {}, scores[:20_000], classes)
    whole = profile_outcomes(specification, scores, labels, truth)
    true = {metric: measured(specification, whole, metric).value for metric in metrics_of(task)}
    of_class = {
        (name, value.metric): value.value
        for name, values in of_classes(specification, whole)
        for value in values
    }
    held = dict.fromkeys([*true, *of_class], 0)
    for _ in range(WINDOWS):
        profile = profile_outcomes(specification, *draw(rng, ROWS))
        for metric, value in true.items():
            found = measured(specification, profile, metric)
            held[metric] += found.low <= value <= found.high
        for name, values in of_classes(specification, profile):
            for found in values:
                held[name, found.metric] += found.low <= of_class[name, found.metric] <= found.high
    shares = {what: count / WINDOWS for what, count in held.items()}
    # three standard errors of 200 windows below the nominal 0.95; average precision's formula is known to be a little short
    assert {what: share for what, share in shares.items() if share < 0.905} == {}
    assert all(share <= 1 for share in shares.values())


def test_the_figures_of_profiles_are_those_of_the_rows():
    rng = np.random.default_rng(3)
    scores, labels, truth = binary(rng, 5_000)
    specification = build_specification("binary", {}, {}, scores, ("0", "1"))
    profile = profile_outcomes(specification, scores, labels, truth)
    for exact in compute_metrics(scored_rows("binary", truth, scores, labels, ("0", "1"))):
        found = measured(specification, profile, exact.metric)
        assert found.value == pytest.approx(exact.value, abs=0.001), exact.metric
        assert found.low == pytest.approx(exact.low, abs=0.003), exact.metric


def test_auroc_says_by_how_much_its_bins_may_be_off():
    specification = build_specification("binary", {}, {}, np.linspace(0, 1, 5_000), ("0", "1"))
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.50001, 0.50005, 4_000)  # all within one bin
    truth = (rng.random(4_000) < (scores - 0.5) / 6e-5).astype(int).astype(str)
    found = measured(specification, profile_outcomes(specification, scores, ["1"] * 4_000, truth), "auc")
    assert found.low < 0.05
    assert found.high > 0.95


def test_a_class_that_never_occurs_says_so():
    specification = build_specification("multiclass", {}, {}, np.linspace(0, 1, 100), ("a", "b", "c"))
    profile = profile_outcomes(specification, np.full(4, 0.5), ["a", "b", "a", "b"], ["a", "b", "b", "b"])
    values = {v.metric: v for v in dict(of_classes(specification, profile))["c"]}
    assert values["recall"].rows == 0
    assert values["recall"].value == 0
    assert math.isnan(values["recall"].low)


@pytest.mark.parametrize("task", list(CASES))
def test_groups_of_rows_are_their_rows_and_survive_storage_together(task):
    draw, classes = CASES[task]
    rng = np.random.default_rng(5)
    scores, labels, truth = draw(rng, 900)
    specification = build_specification(task, {}, {}, scores, classes)
    scores[3] = np.nan
    groups = rng.integers(0, 3, 900)
    parts = profile_outcome_groups(specification, scores, labels, truth, groups, 4)
    for k, part in enumerate(parts):
        rows = np.flatnonzero(groups == k)
        own_labels = [labels[i] for i in rows] if classes else []
        own = profile_outcomes(specification, scores[rows], own_labels, truth[rows])
        assert encode(specification, part) == encode(specification, own)
    named = dict(zip(("a", "ü", "", "none"), parts, strict=True))
    data = encode_parts(specification, named)
    again = decode_parts(specification, data)
    assert {k: encode(specification, v) for k, v in again.items()} == {
        k: encode(specification, v) for k, v in named.items()
    }
    assert decode_parts(specification, encode_parts(specification, {})) == {}
    for broken in (b"", data[:-4], data[:5] + b"\0" * 30):
        with pytest.raises(IntegrityError):
            decode_parts(specification, broken)
