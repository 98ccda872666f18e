"""What a window lacks for a verdict, in one sentence."""

import pytest

from pilothouse.domain.judging import enough_with, lack
from pilothouse.domain.time_units import DAY_S, HOUR_S, MINUTE_S


def test_what_a_window_lacks_is_said_with_the_bound_that_would_judge_it() -> None:
    assert lack(292, 300, 7 * DAY_S) == "292 of 300 rows in 7 d; minimum_rows = 200 would judge it"
    assert lack(1_680, 3_000, 56 * DAY_S) == "1,680 of 3,000 rows in 56 d; minimum_rows = 1000 would judge it"


def test_rows_below_what_statistics_can_carry_suggest_no_bound() -> None:
    assert lack(49, 300, 7 * DAY_S) == "49 of 300 rows in 7 d; too few for any verdict"
    assert lack(0, 300, 6 * HOUR_S) == "0 of 300 rows in 6 h; too few for any verdict"


def test_nothing_lacks_where_rows_are_enough() -> None:
    assert lack(300, 300, 7 * DAY_S) == ""
    assert lack(30, 20, 5 * MINUTE_S) == ""


@pytest.mark.parametrize(
    ("rows", "bound"), [(49, 0), (50, 50), (99, 50), (100, 100), (199, 100), (299, 200), (5_001, 5_000)]
)
def test_the_suggested_bound_is_round_and_reached(rows: int, bound: int) -> None:
    assert enough_with(rows) == bound
