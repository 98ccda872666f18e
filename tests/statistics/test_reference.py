"""A version's reference: by target, by day, as one artifact."""

import numpy as np
import pytest
from statistics_rows import draw, outcomes

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.profiles.profile import histogram, merge_all
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.reference import DatedRows, build_reference, decode, encode, target_reference


def dated(rows: int, days: int, seed: int, first: int = 15_706) -> DatedRows:
    """Rows of as many days, not in order."""
    numeric, categorical, scores = draw(rows, seed)
    labels, truth = outcomes(scores, seed)
    when = np.random.default_rng(seed).integers(first, first + days, rows)
    texts = {name: np.array(values, dtype=object) for name, values in categorical.items()}
    return DatedRows(when, numeric, texts, scores, np.array(labels), truth)


@pytest.fixture(scope="module")
def parts() -> tuple[ProfileSpecification, DatedRows, DatedRows]:
    training, holdout = dated(6000, 60, 1), dated(1500, 14, 2, 15_766)
    texts = {name: values.tolist() for name, values in training.categorical.items()}
    specification = build_specification("binary", training.numeric, texts, holdout.scores, ("0", "1"))
    return specification, training, holdout


def masks(part: DatedRows) -> dict[str, np.ndarray]:
    carrier = part.categorical["carrier"]
    return {"aa": carrier == "AA", "dl": carrier == "DL"}


def test_a_target_has_its_own_reference_unless_it_is_too_small(parts):
    specification, training, holdout = parts
    first, second = masks(training), masks(holdout)
    targets = {name: (first[name], second[name]) for name in first}
    targets["tiny"] = (np.arange(6000) < 100, np.arange(1500) < 10)
    reference = build_reference(specification, "auc", training, holdout, targets)
    aa = reference.for_target("aa")
    assert aa.rows == first["aa"].sum()
    assert reference.for_target("tiny") is reference.pooled
    assert reference.for_target("elsewhere") is reference.pooled
    counts = histogram(specification, aa.profile(specification), "carrier").counts
    assert counts[0] == aa.rows
    assert counts[1:].sum() == 0


def test_the_score_is_that_of_the_holdout_and_the_features_are_those_of_training(parts):
    specification, training, holdout = parts
    own = target_reference(specification, "auc", training, holdout)
    profile = own.profile(specification)
    assert histogram(specification, profile, "level").rows == 6000
    assert histogram(specification, profile, "score").rows == 1500
    assert own.performance.rows == 1500
    assert own.performance.low < own.performance.value < own.performance.high
    assert len(own.training) == len(own.training_days) == 60
    assert len(own.holdout) == len(own.outcomes) == 14
    assert sum(day.rows for day in own.outcomes) == 1500
    alone = target_reference(specification, "auc", training, holdout.where(np.zeros(1500, bool)))
    assert histogram(specification, alone.profile(specification), "score").rows == 6000
    assert set(own.calibrate(specification, 7).columns) == {c.name for c in specification.columns}


def test_a_reference_comes_back_from_its_bytes(parts):
    specification, training, holdout = parts
    targets = {name: (mask, masks(holdout)[name]) for name, mask in masks(training).items()}
    reference = build_reference(specification, "auc", training, holdout, targets)
    data = encode(specification, reference)
    again = decode(specification, data)
    assert again.metric == "auc"
    assert set(again.targets) == {"aa", "dl"}
    for mine, theirs in ((reference.pooled, again.pooled), (reference.targets["dl"], again.targets["dl"])):
        assert mine.performance == theirs.performance
        assert mine.training_days == theirs.training_days
        for a, b in zip(mine.training, theirs.training, strict=True):
            assert np.array_equal(a.counts, b.counts)
        assert merge_all(specification, mine.holdout).rows == merge_all(specification, theirs.holdout).rows
    with pytest.raises(IntegrityError):
        decode(specification, data[:-7])
    other = build_specification("binary", {}, {}, np.linspace(0, 1, 9), ("0", "1"))
    with pytest.raises(IntegrityError, match="specification"):
        decode(other, data)


def test_a_metric_that_telemetry_cannot_carry_is_refused(parts):
    specification, training, holdout = parts
    with pytest.raises(InvalidInputError, match="expected one of auc"):
        target_reference(specification, "mae", training, holdout)
