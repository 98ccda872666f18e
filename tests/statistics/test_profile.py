"""A profile counts every row once, merges exactly, and no value from outside breaks it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_rows import draw, specify

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.profiles.profile import (
    Profile,
    bin_means,
    empty_profile,
    histogram,
    merge_all,
    moments_in_spans,
    profile_rows,
    with_score_of,
)
from pilothouse.statistics.profiles.profile_storage import decode, encode
from pilothouse.statistics.profiles.specification import (
    CATEGORY_CAP,
    CategoricalColumn,
    NumericColumn,
    ProfileSpecification,
    build_specification,
)


def same(a: Profile, b: Profile) -> bool:
    return a.rows == b.rows and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("cells", "counts", "positions", "low", "high")
    )


def numeric(specification: ProfileSpecification, name: str) -> NumericColumn:
    column = specification.by_name[name]
    assert isinstance(column, NumericColumn)
    return column


def test_every_row_is_counted_once_in_every_column():
    specification = specify()
    profile = profile_rows(specification, *draw(777, 3, shift=1.0))
    for column in specification.columns:
        assert histogram(specification, profile, column.name).rows == 777


def test_an_hour_is_the_sum_of_its_minutes_to_the_bit():
    specification = specify()
    columns, texts, scores = draw(1000, 5)
    whole = profile_rows(specification, columns, texts, scores)
    cuts = [0, 1, 1, 400, 999, 1000]
    parts = [
        profile_rows(
            specification,
            {k: v[a:b] for k, v in columns.items()},
            {k: v[a:b] for k, v in texts.items()},
            scores[a:b],
        )
        for a, b in itertools.pairwise(cuts)
    ]
    assert same(merge_all(specification, parts), whole)
    assert same(merge_all(specification, parts[::-1]), whole)
    left = merge_all(specification, [merge_all(specification, [parts[0], parts[2]]), parts[4]])
    right = merge_all(specification, [parts[0], merge_all(specification, [parts[2], parts[4]])])
    assert same(left, right)
    assert same(merge_all(specification, [whole, empty_profile(specification)]), whole)


def test_a_profile_comes_back_from_its_bytes():
    specification = specify()
    profile = profile_rows(specification, *draw(300, 2, shift=3.0))
    assert same(decode(specification, encode(specification, profile)), profile)
    empty = empty_profile(specification)
    assert same(decode(specification, encode(specification, empty)), empty)


def test_damaged_bytes_and_foreign_profiles_are_refused():
    specification = specify()
    data = encode(specification, profile_rows(specification, *draw(50)))
    other = specify(seed=9)
    with pytest.raises(IntegrityError, match="specification"):
        decode(other, data)
    for broken in (
        b"",
        data[:20],
        data[:-3],
        b"PHSP\x09" + data[5:],
        b"PHSL" + data[4:],
        data[:5] + b"\0" * 40,
    ):
        with pytest.raises(IntegrityError):
            decode(specification, broken)


def test_a_specification_comes_back_from_its_bytes_with_its_digest():
    specification = specify()
    again = ProfileSpecification.from_bytes(specification.to_bytes())
    assert again.digest == specification.digest == specify().digest
    assert again.layout == specification.layout
    assert again.classes == ("0", "1")
    with pytest.raises(IntegrityError):
        ProfileSpecification.from_bytes(specification.to_bytes()[:-9])


def test_not_a_number_and_infinities_count_as_missing():
    specification = specify()
    columns, texts, scores = draw(6)
    columns["level"] = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 10.0])
    profile = profile_rows(specification, columns, texts, scores)
    level = histogram(specification, profile, "level")
    assert level.missing == 3
    assert (level.low, level.high) == (-1e308, 1e308)
    assert level.counts[0] == 1
    assert level.counts[-1] == 1


def test_one_bad_column_leaves_the_others_as_they_were():
    specification = specify()
    columns, texts, scores = draw(500)
    good = profile_rows(specification, columns, texts, scores)
    bad = profile_rows(specification, {**columns, "level": np.full(500, np.nan)}, {}, scores)
    for name in ("amount", "weekday", "rain", "age", "score"):
        assert np.array_equal(
            histogram(specification, good, name).counts, histogram(specification, bad, name).counts
        )
    assert histogram(specification, bad, "level").missing == 500
    assert histogram(specification, bad, "carrier").missing == 500


@pytest.mark.parametrize(
    "values",
    [np.full(9, np.nan), np.zeros(9), np.array([3.5]), np.array([-1.7e308, 1.7e308] * 4000), np.empty(0)],
)
def test_an_odd_reference_column_still_gives_a_working_specification(values: np.ndarray):
    scores = np.linspace(0, 1, len(values))
    specification = build_specification(
        "binary", {"x": values}, {"c": [None] * len(values)}, scores, ("0", "1")
    )
    current = np.array([0.0, 1.0, np.nan, -1e308, 1e308, np.inf])
    profile = profile_rows(specification, {"x": current}, {"c": list("abcdef")}, np.full(6, 0.5))
    assert histogram(specification, profile, "x").rows == 6
    assert histogram(specification, profile, "c").counts[-1] == 6
    assert same(decode(specification, encode(specification, profile)), profile)


def test_frequent_values_have_bins_of_their_own():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(20_000) < 0.02, 7.25, rng.normal(7, 3, 20_000))
    specification = build_specification("regression", {"x": values}, {}, values, ())
    column = numeric(specification, "x")
    assert 7.25 in column.atoms
    profile = profile_rows(specification, {"x": values}, {}, values)
    counts = histogram(specification, profile, "x").counts
    at = int(np.searchsorted(column.edges, 7.25, side="right"))
    assert counts[at] == np.sum(values == 7.25)
    assert np.delete(counts, at).max() <= 1.5 * len(values) / 768 + 1


def test_few_distinct_values_are_counted_exactly():
    specification = specify()
    assert list(numeric(specification, "weekday").atoms) == [0, 1, 2, 3, 4, 5, 6]


def test_rare_and_new_categories_go_to_other():
    names = [f"c{i:04}" for i in range(CATEGORY_CAP + 40) for _ in range(2 if i < CATEGORY_CAP else 1)]
    specification = build_specification("regression", {}, {"c": names}, np.zeros(len(names)), ())
    column = specification.by_name["c"]
    assert isinstance(column, CategoricalColumn)
    assert len(column.categories) == CATEGORY_CAP
    profile = profile_rows(specification, {}, {"c": ["c0000", "c0551", "new", None]}, np.zeros(4))
    found = histogram(specification, profile, "c")
    assert (found.counts[0], found.counts[-1], found.missing) == (1, 2, 1)


def test_wrong_lengths_and_types_are_said_with_the_column():
    specification = specify()
    columns, texts, scores = draw(10)
    with pytest.raises(InvalidInputError, match="'level' has shape"):
        profile_rows(specification, {**columns, "level": np.zeros(9)}, texts, scores)
    with pytest.raises(InvalidInputError, match="'carrier' has 1 values"):
        profile_rows(specification, columns, {"carrier": ["AA"]}, scores)
    with pytest.raises(InvalidInputError, match="'level' holds something"):
        profile_rows(specification, {**columns, "level": np.array(["x"] * 10)}, texts, scores)
    with pytest.raises(InvalidInputError, match="'score'"):
        build_specification("binary", {"score": np.zeros(3)}, {}, np.zeros(3), ("0", "1"))


def test_the_moments_are_those_of_the_rows():
    specification = specify()
    columns, texts, scores = draw(4000, 8)
    profile = profile_rows(specification, columns, texts, scores)
    for name in ("amount", "level", "weekday", "rain"):
        column = numeric(specification, name)
        mean, deviation = moments_in_spans(column, histogram(specification, profile, name))
        mean, deviation = column.anchors[0] + mean * column.span, deviation * column.span
        assert mean == pytest.approx(np.mean(columns[name]), abs=2e-3 * np.std(columns[name]))
        assert deviation == pytest.approx(np.std(columns[name]), rel=0.01)


def test_means_of_values_beyond_the_range_are_kept():
    values = np.linspace(0, 1, 5000)
    specification = build_specification("regression", {"x": values}, {}, values, ())
    profile = profile_rows(specification, {"x": np.array([-2.0, -4.0, 3.0])}, {}, np.zeros(3))
    means = bin_means(numeric(specification, "x"), histogram(specification, profile, "x"))
    assert means[0] == pytest.approx(-3.0, abs=1e-4)
    assert means[-1] == pytest.approx(3.0, abs=1e-4)


def test_the_score_of_the_holdout_joins_the_features_of_training():
    specification = specify()
    training = profile_rows(specification, *draw(400, 1))
    holdout = profile_rows(specification, *draw(90, 2))
    joined = with_score_of(specification, training, holdout)
    assert np.array_equal(
        histogram(specification, joined, "score").counts, histogram(specification, holdout, "score").counts
    )
    assert np.array_equal(
        histogram(specification, joined, "rain").counts, histogram(specification, training, "rain").counts
    )


awkward = st.floats(allow_nan=True, allow_infinity=True, width=64)


@settings(max_examples=60, deadline=None)
@given(st.lists(awkward, max_size=60), st.lists(awkward, max_size=30), st.lists(awkward, max_size=30))
def test_any_floats_merge_exactly_and_survive_storage(reference, first, second):
    specification = build_specification(
        "regression", {"x": np.array(reference)}, {}, np.zeros(len(reference)), (), bins=16
    )

    def of(values: list[float]) -> Profile:
        return profile_rows(specification, {"x": np.array(values)}, {}, np.zeros(len(values)))

    whole = of(first + second)
    assert same(merge_all(specification, [of(first), of(second)]), whole)
    assert same(decode(specification, encode(specification, whole)), whole)
    assert histogram(specification, whole, "x").missing == np.sum(~np.isfinite(np.array(first + second)))
