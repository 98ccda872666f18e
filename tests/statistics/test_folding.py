"""Many rows folded at once, and a whole window measured at once: the same as row by row and column by column."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_rows import draw, specify

from pilothouse.statistics.distances.drift import column_drift
from pilothouse.statistics.distances.window_drift import prepare, window_drift
from pilothouse.statistics.profiles.folding import profile_columns
from pilothouse.statistics.profiles.profile import Profile, empty_profile, profile_rows
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    ProfileSpecification,
    build_specification,
)


def same(a: Profile, b: Profile) -> bool:
    return a.rows == b.rows and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("cells", "counts", "positions", "low", "high")
    )


def folded(specification: ProfileSpecification, columns, texts, scores) -> Profile:
    coded = {}
    for column in specification.columns:
        if isinstance(column, CategoricalColumn) and column.name in texts:
            other = len(column.categories)
            coded[column.name] = np.array([column.codes.get(t, other) for t in texts[column.name]])
    return profile_columns(specification, columns, coded, scores)


@pytest.mark.parametrize("shift", [0.0, 1.0, 50.0])
def test_folded_rows_are_the_profile_of_the_rows_to_the_bit(shift):
    specification = specify(20_000)
    columns, texts, scores = draw(40_000, 3, shift=shift)
    columns["level"][:5] = [np.inf, -np.inf, np.nan, 1e308, -1e308]
    texts["carrier"][0] = "ZZ"
    assert same(
        folded(specification, columns, texts, scores), profile_rows(specification, columns, texts, scores)
    )
    del columns["rain"]
    assert same(folded(specification, columns, {}, scores), profile_rows(specification, columns, {}, scores))


awkward = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=80)
near = st.lists(st.floats(-4, 4), max_size=80)


@settings(max_examples=150, deadline=None)
@given(st.one_of(awkward, near), st.one_of(awkward, near), st.sampled_from([4, 16, 64]))
def test_any_floats_fold_to_the_bit(reference, values, bins):
    specification = build_specification(
        "regression", {"x": np.array(reference)}, {}, np.zeros(len(reference)), (), bins=bins
    )
    columns, scores = {"x": np.array(values, np.float64)}, np.zeros(len(values))
    assert same(
        profile_columns(specification, columns, {}, scores), profile_rows(specification, columns, {}, scores)
    )


def one_by_one(specification, reference, current):
    return {c.name: column_drift(specification, c.name, reference, current) for c in specification.columns}


@pytest.mark.parametrize("shift", [0.0, 0.2, 5.0])
def test_a_window_at_once_is_its_columns_one_by_one(shift):
    specification = specify(8_000)
    reference = profile_rows(specification, *draw(8_000, 1))
    columns, texts, scores = draw(700, 5, shift=shift)
    columns["rain"][:] = np.nan
    texts["carrier"][:9] = ["ZZ"] * 9
    prepared = prepare(specification, reference)
    for current in (profile_rows(specification, columns, texts, scores), empty_profile(specification)):
        found, expected = window_drift(prepared, current), one_by_one(specification, reference, current)
        assert list(found) == list(expected)
        for name, figures in expected.items():
            assert found[name] == pytest.approx(figures, rel=1e-9, abs=1e-9), name


@settings(max_examples=60, deadline=None)
@given(awkward, awkward, awkward)
def test_any_window_at_once_is_its_columns_one_by_one(specified, first, second):
    specification = build_specification(
        "regression",
        {"x": np.array(specified), "y": np.arange(9.0)},
        {},
        np.zeros(len(specified)),
        (),
        bins=16,
    )
    reference, current = (
        profile_rows(specification, {"x": np.array(v)}, {}, np.zeros(len(v))) for v in (first, second)
    )
    found = window_drift(prepare(specification, reference), current)
    for name, figures in one_by_one(specification, reference, current).items():
        assert found[name] == pytest.approx(figures, rel=1e-9, abs=1e-9), name
