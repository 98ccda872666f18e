"""Verdicts do not follow a column's unit: seconds or milliseconds, shares or per cent."""

import numpy as np
import pytest

from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_rows
from pilothouse.statistics.profiles.samples import Numbers
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.significance.calibration import calibrate
from pilothouse.statistics.significance.thresholds import judge
from pilothouse.statistics.table_drift import ColumnDrift, table_drift

SMALL_UNITS = [1e-3, 1e-9, 1e9]
WEEKS, A_DAY = 20, 60


def of_tables(unit: float, shift: float) -> ColumnDrift:
    rng = np.random.default_rng(0)
    before, now = rng.normal(5, 1, 3_000), rng.normal(5 + shift, 1, 3_000)
    return table_drift({"x": Numbers(before * unit)}, {"x": Numbers(now * unit)})[0]


def of_a_week(unit: float, shift: float) -> DriftFinding:
    rng = np.random.default_rng(0)
    days = [rng.normal(5, 1, A_DAY) * unit for _ in range(7 * WEEKS)]
    week = [rng.normal(5 + shift, 1, A_DAY) * unit for _ in range(7)]
    rows = np.concatenate(days)
    specification = build_specification("binary", {"x": rows}, {}, np.zeros(len(rows)), ("0", "1"))

    def profile(some: list[np.ndarray]) -> Profile:
        columns = {"x": np.concatenate(some)}
        return profile_rows(specification, columns, {}, np.zeros(len(columns["x"])))

    daily = [profile([day]) for day in days]
    calibration = calibrate(specification, daily, 7)
    (finding,) = (
        one
        for one in judge(specification, calibration, merge_all(specification, daily), profile(week))
        if one.feature == "x"
    )
    return finding


@pytest.mark.parametrize("unit", SMALL_UNITS)
@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0])
def test_two_tables_differ_alike_in_each_unit(unit: float, shift: float) -> None:
    plain, other = of_tables(1.0, shift), of_tables(unit, shift)

    assert (other.drifts, plain.drifts) == (shift > 0, shift > 0)
    assert other.value == pytest.approx(plain.value, rel=1e-6)


@pytest.mark.parametrize("unit", SMALL_UNITS)
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_week_drifts_alike_in_each_unit(unit: float, shift: float) -> None:
    plain, other = of_a_week(1.0, shift), of_a_week(unit, shift)

    assert (other.significant, plain.significant) == (shift > 0, shift > 0)
    assert other.value == pytest.approx(plain.value, rel=1e-6)
