"""``--like evidently`` against Evidently itself, on generated columns."""

import math
from typing import Any

import pytest
from columns import Column, agree, categories, integers, is_huge, many_numbers, numbers, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.statistics import like_evidently as ours
from pilothouse.statistics.profiles.samples import present, value_counts

SHORT = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
NAMES = {
    "K-S p_value": "ks",
    "Wasserstein distance (normed)": "wasserstein",
    "Jensen-Shannon distance": "jensenshannon",
    "chi-square p_value": "chisquare",
    "Z-test p_value": "z",
}


def compare(column: Column, theirs: dict[str, Any]) -> None:

    reference, current = sample(column, "reference"), sample(column, "current")
    (found,) = ours.table_drift({"x": reference}, {"x": current})
    default = theirs["default"]
    if not present(reference) or not present(current):
        assert "empty" in found.fault
        assert "error" in default
        return
    if theirs["kind"] == "text":
        assert "free text" in found.fault
        return
    if "error" not in default:
        assert found.statistic == NAMES[default["name"]]
        assert agree(found.value, default["value"])
        if abs(found.value - found.threshold) > 1e-12:
            assert found.drifts == default["drifts"]
    else:  # it fails on drawing or dividing a range of huge values; we answer
        assert found.statistic
    categorical = theirs["kind"] == "cat"
    for method in ours.THRESHOLDS:
        if isinstance(theirs.get(method), float):
            if method == "z" and len(value_counts(reference, current)[0]) > 2:
                continue  # asked by hand for a test of two values
            if method == "chisquare" and len(value_counts(reference, current)[0]) < 2:
                continue
            value = ours.measure(method, reference, current, categorical)
            if method == "hellinger" and (is_huge(column) or math.isnan(theirs[method])):
                continue  # its densities underflow or overflow where a bin is as wide or as narrow as floats allow
            assert agree(value, theirs[method]), (method, value, theirs[method])


@SHORT
@given(column=st.one_of(numbers(), integers(), categories()))
def test_small_columns_of_every_kind_agree(evidently_itself, column):
    compare(column, evidently_itself(column))


@settings(parent=SHORT, max_examples=30)
@given(column=many_numbers())
def test_large_columns_agree(evidently_itself, column):
    compare(column, evidently_itself(column))


@pytest.mark.parametrize("kind", ["number", "text"])
def test_an_empty_column_makes_it_raise_where_we_say_so(evidently_itself, kind):
    column = {"kind": kind, "reference": [None, None], "current": [1.0 if kind == "number" else "a"] * 3}
    assert "error" in evidently_itself(column)["default"]
    (found,) = ours.table_drift({"x": sample(column, "reference")}, {"x": sample(column, "current")})
    assert found.fault == "is empty in the reference"
    assert math.isnan(found.value)
