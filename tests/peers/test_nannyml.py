"""``--like nannyml`` against NannyML itself, on generated columns."""

import math
from typing import Any

import numpy as np
import pytest
from columns import Column, agree, categories, integers, many_numbers, numbers, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.statistics import like_nannyml as ours
from pilothouse.statistics.profiles.samples import present

SHORT = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def compare(column: Column, theirs: dict[str, Any]) -> None:

    reference, current = sample(column, "reference"), sample(column, "current")
    for method, answer in theirs.items():
        (found,) = ours.table_drift({"x": reference}, {"x": current}, method)
        if not present(reference) or not present(current):
            assert "empty" in found.fault
            continue
        assert not found.fault
        if "error" in answer:  # infinities, fewer than ten rows, ranges too wide to divide: we answer
            continue
        assert len(found.chunks) == len(answer["values"])
        if method != "chi2":
            assert agree(found.threshold, answer["threshold"][0]), (method, found.threshold, answer)
        for (value, alert), their_value, their_alert in zip(
            found.chunks, answer["values"], answer["alerts"], strict=True
        ):
            assert agree(value, their_value), (method, value, their_value)
            near = method != "chi2" and abs(value - found.threshold) <= 1e-9 * max(1.0, abs(value))
            if not math.isnan(value) and not near:
                assert alert == their_alert, (method, value, found.threshold)


@SHORT
@given(column=st.one_of(numbers(), integers(), categories()))
def test_small_columns_of_every_kind_agree(nannyml_itself, column):
    compare(column, nannyml_itself(column))


@settings(parent=SHORT, max_examples=20)
@given(column=many_numbers())
def test_large_columns_agree(nannyml_itself, column):
    compare(column, nannyml_itself(column))


@pytest.mark.parametrize("shift", [0.0, 0.3, 4.0])
def test_a_reference_of_ten_thousand_rows_is_binned(nannyml_itself, shift):
    chance = np.random.default_rng(5)
    column = {
        "kind": "number",
        "reference": chance.lognormal(0, 1, 10_500).tolist(),
        "current": (chance.lognormal(0, 1, 2_000) * (1 + shift) - shift).tolist(),
    }
    compare(column, nannyml_itself(column))
