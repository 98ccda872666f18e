"""One value far away hides no drift: edges are the reference's, and what lies beyond them has a bin of its own."""

import numpy as np
import pytest

from pilothouse.statistics.profiles.samples import Numbers
from pilothouse.statistics.table_drift import ColumnDrift, table_drift

FAR = 1e12


def compared(before: np.ndarray, now: np.ndarray) -> ColumnDrift:
    return table_drift({"x": Numbers(before)}, {"x": Numbers(now)})[0]


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize("side", [-FAR, FAR])
def test_a_drift_is_found_beside_one_value_far_away(shift: float, side: float) -> None:
    rng = np.random.default_rng(0)
    before, now = rng.normal(5, 1, 3_000), rng.normal(5 + shift, 1, 3_000)

    assert compared(before, np.append(now, side)).drifts is (shift > 0)
    assert compared(np.append(before, side), np.append(now, side)).drifts is (shift > 0)
