"""Ticks of charts: round numbers and natural times, as many as fit."""

from datetime import UTC, datetime, timedelta

import pytest

from pilothouse.presentation.cell import Cell
from pilothouse.presentation.charts.chart import Chart, Series
from pilothouse.presentation.charts.ticks import LABEL, placed, time_ticks, value_ticks

START = datetime(2013, 6, 12, 7, 41, tzinfo=UTC)


def chart(*, whole: bool = False) -> Chart:
    series = Series("auc", ((0.0, 0.5), (1.0, 0.7)), "info")
    return Chart("auc", Cell(""), (series,), whole=whole)


def labels(ticks: list[tuple[float, str]]) -> list[str]:
    return [label for _, label in ticks]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.0, 91.7, 4, ["0", "50"]), (0.0, 91.7, 7, ["0", "20", "40", "60", "80"]), (4.03, 90.9, 6, ["20", "40", "60", "80"]),
        (0.5812, 0.7190, 4, ["0.60", "0.65", "0.70"]), (-0.12, 0.05, 4, ["−0.10", "−0.05", "0.00", "0.05"]),
        (0.0, 5_082.0, 4, ["0", "2,000", "4,000"]), (0.00011, 0.00052, 6, ["0.0002", "0.0003", "0.0004", "0.0005"]),
    ],
)  # fmt: skip
def test_values_are_in_steps_of_one_two_or_five(
    low: float, high: float, most: int, expected: list[str]
) -> None:
    assert labels(value_ticks(chart(), low, high, most)) == expected


def test_counts_have_no_fractions_and_no_label_comes_twice() -> None:
    assert labels(value_ticks(chart(whole=True), 0.0, 1.08, 7)) == ["0", "1"]
    for high in (1.3, 2.0, 26.0, 999.0, 1_240_000.0, 3.3e9, 7e12):
        ticks = value_ticks(chart(whole=True), 0.0, high, 7)
        assert len({*labels(ticks)}) == len(ticks)
        assert max(map(len, labels(ticks))) <= LABEL


@pytest.mark.parametrize(
    ("span", "most", "expected"),
    [
        (timedelta(hours=5), 6, ["08:00", "09:00", "10:00", "11:00", "12:00"]),
        (timedelta(hours=30), 4, ["12:00", "06-13", "12:00"]),
        (timedelta(days=6), 6, ["06-13", "06-14", "06-15", "06-16", "06-17", "06-18"]),
        (timedelta(days=40), 6, ["06-17", "06-24", "07-01", "07-08", "07-15", "07-22"]),
        (timedelta(days=200), 7, ["07-01", "08-01", "09-01", "10-01", "11-01", "12-01"]),
        (timedelta(days=900), 5, ["2013-07", "2014-01", "2014-07", "2015-01", "2015-07"]),
        (timedelta(days=4_000), 7, ["2014", "2016", "2018", "2020", "2022", "2024"]),
    ],
)  # fmt: skip
def test_times_are_at_borders_that_people_name(span: timedelta, most: int, expected: list[str]) -> None:
    ticks = time_ticks(START.timestamp(), (START + span).timestamp(), most)
    assert labels(ticks) == expected
    assert len(ticks) <= most


def test_an_axis_without_two_borders_names_its_ends() -> None:
    ticks = time_ticks(START.timestamp(), START.timestamp() + 40, 5)
    assert labels(ticks) == ["07:41", "07:41"]


def test_labels_are_whole_and_do_not_touch() -> None:
    ticks = [(float(at), label) for at, label in ((0, "01-01"), (3, "01-02"), (9, "01-09"), (40, "02-10"))]
    assert list(placed(ticks, lambda at: 8 + int(at), 8, 48)) == [(8, "01-01"), (15, "01-09"), (44, "02-10")]
