"""What a window lacks for a verdict, in one sentence."""

from datetime import UTC, datetime, timedelta

import pytest

from pilothouse.domain.formats.time_units import DAY_S, HOUR_S, MINUTE_S
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.models.model_spec import MonitoringSpec
from pilothouse.domain.monitoring.findings import Window
from pilothouse.domain.monitoring.judging import (
    enough_with,
    lack,
    next_judged_performance,
    together_text,
    why_not_judged,
    window_notes,
    windows_together,
    windows_wanted,
)


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


@pytest.mark.parametrize(
    ("rows", "windows"),
    [
        ([300, 300], 1),
        ([292, 292, 292], 2),
        ([140, 150, 9, 400], 4),
        ([40] * 12, 8),
        ([20] * 12, 8),  # all that may be merged, and still too few
        ([292], 1),
        ([292, 0, 292], 1),  # a gap
        ([0, 292], 1),
        ([38, 1_000], 1),  # a verdict on them would be one on the window before
        ([38, 40, 1_000], 2),
    ],
)
def test_as_few_windows_as_hold_enough_rows_are_judged_as_one(rows: list[int], windows: int) -> None:
    assert windows_together(rows, 300) == windows


def window(rows: int, *, judged: bool, together: int = 1, rows_together: int = 0) -> Window:
    start = datetime(2013, 4, 1, tzinfo=UTC)
    return Window(
        start=start,
        end=start + timedelta(days=7),
        rows=rows,
        judged=judged,
        together=together,
        rows_together=rows_together,
    )


def test_a_window_says_why_it_has_no_verdict() -> None:
    assert why_not_judged(window(876, judged=True), 300) == ""
    assert why_not_judged(window(292, judged=False), 300).startswith("292 of 300 rows in 7 d;")
    merged = window(35, judged=False, together=8, rows_together=280)
    assert why_not_judged(merged, 300) == "280 of 300 rows in 56 d; minimum_rows = 200 would judge it"
    assert why_not_judged(window(292, judged=False), 200) == "it was closed under another minimum_rows"
    assert why_not_judged(window(292, judged=False), 200, has_reference=False).startswith(
        "there is no reference"
    )


def test_windows_judged_as_one_are_counted_with_their_rows() -> None:
    merged = window(292, judged=True, together=3, rows_together=876)
    assert together_text(merged) == "3 windows together, 876 rows"
    assert merged.since == datetime(2013, 3, 18, tzinfo=UTC)
    assert together_text(window(300, judged=True)) == ""


def test_what_windows_will_hold_is_said_beforehand() -> None:
    assert window_notes({"ewr": 43.0}, MonitoringSpec()) == []
    assert window_notes({"jfk": 41.7}, MonitoringSpec()) == [
        "on jfk a window of 7 d will hold about 290 rows of the 300 that a verdict needs: 2 are judged together"
    ]
    assert window_notes({"jfk": 4.0}, MonitoringSpec()) == [
        "on jfk a window of 7 d will hold about 28 rows of the 300 that a verdict needs: even 8 windows together hold only "
        "220, nothing will be judged; minimum_rows = 200 would judge them",
        "on jfk a window of 28 d of performance will hold about 110 outcomes of the 300 that a verdict needs: 3 are judged "
        "together",
    ]
    assert window_notes({"jfk": 0.5}, MonitoringSpec())[0].endswith(
        "even 8 windows together are too few for any verdict"
    )


def test_a_model_of_many_targets_names_some_of_them() -> None:
    notes = window_notes({f"shop-{i}": 30.0 for i in range(40)}, MonitoringSpec())
    assert len(notes) == 13
    assert notes[-1] == "and 28 more such windows"


MODEL = """
name = "delay"
task = "binary"
owner = "tests"
[data]
source = "rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind"]
outcome_delay = "3d"
[training]
estimator = "sklearn.linear_model.LogisticRegression"
[monitoring]
performance_step = "30h"
[[targets]]
name = "jfk"
"""


def test_the_next_window_of_performance_can_be_judged_once_it_has_ended_and_its_outcomes_could_come() -> None:
    """Its step is of whole days, as that of the windows that are closed."""
    end = datetime(2013, 10, 29, tzinfo=UTC)
    assert next_judged_performance(end, load_spec(MODEL, "model.toml")) == end + timedelta(days=2 + 3)


@pytest.mark.parametrize(
    ("significant", "fire", "of", "together", "wanted"),
    [
        ([True], 2, 3, 1, 1),
        ([False], 2, 3, 1, 2),
        ([True, False, False], 2, 3, 1, 2),  # the oldest counts no more
        ([False, True, False], 2, 3, 1, 1),
        ([True], 3, 5, 1, 2),
        ([False], 2, 3, 4, 1),  # those judged together are certain by themselves or never
        ([False], 1, 1, 1, 1),
    ],
)
def test_a_suspected_loss_waits_for_as_many_windows_as_an_alert_takes(
    significant: list[bool], fire: int, of: int, together: int, wanted: int
) -> None:
    assert windows_wanted(significant, MonitoringSpec(fire=fire, of=of), together) == wanted
