"""A whole window measured at once: the same as column by column."""

import numpy as np
import pytest
from column_by_column import column_drift
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_rows import draw, specify

from pilothouse.statistics.distances.window_drift import prepare, window_drift
from pilothouse.statistics.profiles.profile import empty_profile, profile_rows
from pilothouse.statistics.profiles.specification import build_specification

awkward = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=80)


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
