"""The day of a change by daily losses."""

import numpy as np
import pytest

from pilothouse.statistics.change_point import locate

DAYS = 60


def daily(shift: float, at: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    rows = draw.integers(50, 150, DAYS).astype(float)
    return 0.5 + draw.normal(0, 0.05, DAYS) + shift * (np.arange(DAYS) >= at), rows


@pytest.mark.parametrize("at", [32, 40, 50])
def test_a_clear_rise_is_found_on_its_day(at: int) -> None:
    days = []
    for seed in range(20):
        point = locate(*daily(0.15, at, seed), 28, 56)
        assert point is not None
        days.append(point.index)
    assert abs(np.median(days) - at) <= 1
    assert np.mean(np.abs(np.array(days) - at) <= 2) >= 0.9


def test_without_a_change_no_day_is_named_as_a_rule() -> None:
    named = [locate(*daily(0.0, 40, seed), 28, 56) is not None for seed in range(200)]
    assert np.mean(named) <= 0.15


def test_a_fall_is_no_change_for_the_worse() -> None:
    assert locate(*daily(-0.3, 40), 28, 56) is None


def test_days_without_rows_are_left_out_and_two_days_are_not_enough() -> None:
    loss, rows = daily(0.3, 40)
    rows[45:50] = 0
    loss[45:50] = np.nan
    point = locate(loss, rows, 28, 59)
    assert point is not None
    assert abs(point.index - 40) <= 1
    assert locate(*daily(0.5, 58), 58, 59) is None
