"""Times of a file are believed beside each other and the target's clock; a few wrong ones move no clock."""

import numpy as np
import pytest

from pilothouse.domain.formats.time_units import DAY_US, HOUR_US
from pilothouse.telemetry.intake import file_times
from pilothouse.telemetry.intake.admission import Clock, Limits
from pilothouse.telemetry.intake.file_times import believed_times
from pilothouse.telemetry.rows.columns import MISSING_TIME

NOW_US = 20_000 * DAY_US
START_US = 15_000 * DAY_US


def days(first: float, last: float, rows: int) -> np.ndarray:
    return START_US + np.linspace(first * DAY_US, last * DAY_US, rows).astype(np.int64)


def refused(times: np.ndarray, clock_day: float | None = None, *, history: bool = False) -> list[int]:
    """Days of the rows that are not believed."""
    clock = None
    if clock_day is not None:
        event_us = int(START_US + clock_day * DAY_US)
        clock = Clock(event_us, NOW_US)
    span = believed_times(times, clock, NOW_US, Limits(), history)
    outside = (times < span.first_us) | (times > span.last_us)
    return [int((us - START_US) // DAY_US) for us in times[outside]]


def test_an_ordered_history_is_believed_whole() -> None:
    assert refused(days(0, 200, 20_000)) == []
    assert refused(days(0, 200, 20_000), 0) == []


@pytest.mark.parametrize("gap", [40, 400, 3_000])
def test_a_gap_of_any_length_passes_in_a_history(gap: int) -> None:
    rows = np.concatenate([days(0, 50, 5_000), days(50 + gap, 90 + gap, 1_000)])
    assert refused(rows) == []
    assert refused(rows, 2_000, history=True) == []


def test_a_gap_is_found_wherever_a_long_file_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    many = np.concatenate([days(0, 1, 70), days(3_000, 3_000, 1)])
    for size in (1, 69, 70, 71, 72):
        monkeypatch.setattr(file_times, "_ROWS_AT_ONCE", size)
        assert refused(many) == refused(many[::-1]) == [3_000]


def test_a_history_of_few_rows_a_month_is_believed() -> None:
    monthly = np.concatenate([days(31 * month, 31 * month + 0.2, 10) for month in range(24)])
    assert refused(monthly) == []
    assert refused(days(0, 31 * 11, 12)) == []


@pytest.mark.parametrize(
    ("stray", "history"), [(4_000, False), (4_000, True), (-4_000, False), (-4_000, True)]
)
def test_one_row_apart_from_the_others_is_not_believed(stray: int, history: bool) -> None:
    rows = np.append(days(0, 50, 500), days(stray, stray, 1))
    assert refused(rows, history=history) == [stray]
    assert refused(rows, 10, history=history) == [stray]


def test_a_file_of_one_row_ahead_of_the_clock_is_a_stray_row_in_a_history_too() -> None:
    one = days(800, 800, 1)
    assert refused(one) == []
    assert refused(one, 10, history=True) == [800]
    assert refused(one, 775, history=True) == []
    assert refused(one, 2_000, history=True) == []  # behind the clock, which it does not move
    assert refused(days(800, 801, 2), 10, history=True) == []
    assert refused(np.append(one, days(1_600, 1_600, 1)), 10, history=True) == [800, 1_600]


def test_three_wrong_dates_in_three_years_are_no_rhythm() -> None:
    rows = np.concatenate([days(0, 50, 5_000), days(400, 400, 1), days(800, 800, 1), days(1_200, 1_200, 1)])
    assert refused(rows) == [400, 800, 1_200]


def test_a_target_that_paused_goes_on_with_twenty_rows() -> None:
    assert refused(days(100, 107, 20), 10) == []
    assert len(refused(days(100, 107, 19), 10)) == 19
    assert refused(days(100, 107, 19), 10, history=True) == []


def test_few_rows_of_these_days_are_believed_after_a_pause_where_the_target_is_fed_by_the_day() -> None:
    times = np.array([NOW_US - HOUR_US])
    clock = Clock(NOW_US - 60 * DAY_US, NOW_US - 60 * DAY_US)
    span = believed_times(times, clock, NOW_US, Limits(), history=False)
    assert span.last_us >= times[0]
    assert believed_times(times, clock, NOW_US, Limits(), history=True).last_us >= times[0]
    replayed = Clock(START_US, NOW_US - 60 * DAY_US)
    assert believed_times(times, replayed, NOW_US, Limits(), history=True).last_us < times[0]
    assert believed_times(times, replayed, NOW_US, Limits(), history=False).last_us < times[0]


def test_rows_far_behind_the_clock_take_a_history() -> None:
    assert len(refused(days(0, 20, 300), 150)) == 300
    assert refused(days(0, 20, 300), 150, history=True) == []


def test_times_to_come_and_missing_ones_decide_nothing() -> None:
    rows = np.concatenate([days(0, 50, 500), np.full(600, NOW_US + DAY_US), np.full(9, MISSING_TIME)])
    span = believed_times(rows, None, NOW_US, Limits(), history=False)
    assert (span.first_us, span.last_us) == (int(rows[0]), int(rows[499]))
