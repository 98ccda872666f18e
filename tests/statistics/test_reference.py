"""A version's reference: by target, by day, as one artifact."""

import numpy as np
import pytest
from statistics_rows import draw, outcomes

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.profiles.profile import empty_profile, histogram, merge_all
from pilothouse.statistics.profiles.profile_storage import StoredProfiles, sizes_of
from pilothouse.statistics.profiles.profile_storage import encode as encode_profile
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.reference import (
    FEWEST_DAYS,
    FEWEST_ROWS,
    DatedRows,
    build_reference,
    decode,
    encode,
    target_reference,
)
from pilothouse.statistics.significance import calibration_storage, daily_counts, null_windows


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
    assert [reference.why_pooled(name) for name in ("aa", "tiny", "elsewhere")] == [
        "",
        f"tiny has 100 on {len(reference.targets['tiny'].training)} days, and it takes {FEWEST_ROWS:,} on {FEWEST_DAYS}",
        "none are marked as those of elsewhere",
    ]
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


def test_stored_days_stay_encoded_and_are_checked_at_once(parts):
    specification, training, holdout = parts
    own = target_reference(specification, "auc", training, holdout)
    encoded = [encode_profile(specification, day) for day in own.training]
    stored = StoredProfiles(specification, encoded)
    assert list(stored.sizes) == sizes_of(own.training)
    assert stored[0] is not stored[0]  # decoded anew: nothing but the bytes is held
    for mine, theirs in zip(own.training, stored, strict=True):
        assert np.array_equal(mine.cells, theirs.cells)
        assert np.array_equal(mine.positions, theirs.positions)
    assert [day.rows for day in stored[3:5]] == sizes_of(own.training)[3:5]
    with pytest.raises(IntegrityError):
        StoredProfiles(specification, [*encoded, encoded[0][:-1]])


def test_a_calibration_is_the_same_however_few_columns_are_held_at_once(parts, monkeypatch):
    specification, training, holdout = parts
    own = target_reference(specification, "auc", training, holdout)
    calibrated = calibration_storage.encode(own.calibrate(specification, 7))
    monkeypatch.setattr(daily_counts, "_AT_ONCE", 1)
    one_by_one = list(
        daily_counts.days_of_columns(specification, own.training, specification.columns, np.array([0, 60]))
    )
    assert [column.name for column, _ in one_by_one] == [c.name for c in specification.columns]
    assert calibration_storage.encode(own.calibrate(specification, 7)) == calibrated


def test_days_of_a_column_are_running_sums_without_the_days_that_have_no_rows(parts):
    specification, training, holdout = parts
    own = target_reference(specification, "auc", training, holdout)
    daily = [*own.training[:3], empty_profile(specification), *own.training[3:]]
    whole, ends = merge_all(specification, own.training), np.array([0, 3, 4, 60])
    for column, days in daily_counts.days_of_columns(specification, daily, specification.columns, ends):
        of = histogram(specification, whole, column.name)
        assert np.array_equal(days.whole.counts, of.counts)
        assert np.array_equal(days.whole.positions, of.positions)
        assert days.counts[-1, -1] == of.missing
        third = histogram(specification, own.training[3], column.name)
        assert np.array_equal(days.counts[2, :-1] - days.counts[1, :-1], third.counts)


@pytest.mark.parametrize("turns", [0, 1_000])
def test_sums_over_windows_are_those_of_the_product(monkeypatch, turns):
    monkeypatch.setattr(daily_counts, "_FEW_TURNS", turns)
    rng = np.random.default_rng(0)
    members, of_days = rng.integers(0, 3, (20, 30)), rng.integers(0, 9, (30, 7))
    until = np.concatenate((np.zeros((1, 7), np.int64), np.cumsum(of_days, axis=0)))
    assert np.array_equal(daily_counts.sums(members, until, np.arange(31)), members @ of_days)
    runs = np.repeat(members[:, :6], 5, axis=1)
    ends = daily_counts.ends_of(30, 10, [runs])
    assert set(ends.tolist()) <= set(range(0, 31, 5))
    assert np.array_equal(daily_counts.sums(runs, until[ends], ends), runs @ of_days)


def test_draws_are_placed_as_a_search_places_them():
    rng = np.random.default_rng(0)
    crowded = np.concatenate(
        (rng.random(500) * 1e-4, rng.random(500))
    )  # half of the bins lie in one step of the table
    for share in (crowded, np.array([1.0]), np.array([0.0, 0.5, 0.0, 0.5, 0.0])):
        level = np.cumsum(share)
        level /= level[-1]
        drawn = np.concatenate((rng.random(20_000), level[level < 1], np.nextafter(level, 0), [0.0]))
        found = null_windows._placed(level, drawn)
        assert np.array_equal(found, np.searchsorted(level, drawn, side="right"))
