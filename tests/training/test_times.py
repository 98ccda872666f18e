"""Time: zones, what is known at a moment, and the hold-out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from steps_support import spec

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US, SECOND_US
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import DataSpec
from pilothouse.tables.times import TimeError, times_of
from pilothouse.training.data.times import check_times, holdout_start, known_rows, micros


def data(**changes: object) -> DataSpec:
    return spec_from_plain(spec(**{f"data__{key}": value for key, value in changes.items()})).data


def local(*times: str) -> pa.Table:
    return pa.table({"at": pa.array(pd.to_datetime(list(times)), type=pa.timestamp("us"))})


def in_utc(table: pa.Table, of: DataSpec) -> list[str]:
    times = times_of(table.column("at").combine_chunks(), of.timezone)
    return [time.strftime("%m-%d %H:%M") for time in times.to_pylist()]


def test_naive_times_are_read_in_their_zone() -> None:
    table = local("2011-01-15 08:00", "2011-07-15 08:00")
    assert in_utc(table, data(timezone="America/New_York")) == ["01-15 13:00", "07-15 12:00"]


def test_the_skipped_hour_of_spring_is_read_as_if_the_clock_stood() -> None:
    table = local("2011-03-13 01:30", "2011-03-13 02:30", "2011-03-13 03:30")
    assert in_utc(table, data(timezone="America/New_York")) == ["03-13 06:30", "03-13 07:30", "03-13 07:30"]


def test_the_hour_that_comes_twice_in_autumn_is_its_first_pass() -> None:
    table = local("2011-11-06 00:30", "2011-11-06 01:30", "2011-11-06 02:30")
    assert in_utc(table, data(timezone="America/New_York")) == ["11-06 04:30", "11-06 05:30", "11-06 07:30"]


@pytest.mark.parametrize(
    ("column", "zone", "said"),
    [
        (pa.array(pd.to_datetime(["2024-01-01"])), None, "times without a zone"),
        (pa.array(pd.to_datetime(["2024-01-01"])), "Mars/Olympus", "data.timezone 'Mars/Olympus'"),
        (pa.array(["2024-01-01T00:00Z", "soon"]), None, "'soon'"),
        (pa.array([1.0, 2.0]), None, "double"),
    ],
)
def test_times_that_cannot_be_read_are_refused(column: pa.Array, zone: str | None, said: str) -> None:
    with pytest.raises(TimeError) as raised:
        times_of(column, zone)
    assert raised.value.found == said


def test_a_row_without_a_time_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 rows have no 'at'; expected a time in each"):
        check_times(pa.table({"at": pa.array([1, None], pa.timestamp("us", "UTC"))}), data())


def test_text_with_a_zone_needs_no_other() -> None:
    assert in_utc(pa.table({"at": ["2024-03-01T10:00:00+02:00"]}), data()) == ["03-01 08:00"]


def days(*numbers: float) -> pa.Table:
    times = pa.array([int(n * DAY_US) for n in numbers], type=pa.timestamp("us", "UTC"))
    return pa.table(
        {"at": times, "late": pa.array([None if n == 3 else 1 for n in numbers]), "n": list(numbers)}
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_microseconds_whatever_the_column_counts_in(unit: str) -> None:
    table = pa.table({"at": pa.array([1, 2], type=pa.timestamp("s", "UTC")).cast(pa.timestamp(unit, "UTC"))})
    assert micros(table, "at").tolist() == [SECOND_US, 2 * SECOND_US]


def test_a_row_is_known_once_its_outcome_has_come() -> None:
    known = known_rows(days(5, 1, 4, 2), data(outcome_delay=86_400), as_of_us=5 * DAY_US)
    assert known.table.column("n").to_pylist() == [1, 2, 4]
    assert known_rows(days(4), data(outcome_delay=86_400), as_of_us=5 * DAY_US - 1).table.num_rows == 0


def test_rows_without_an_outcome_are_counted_and_left_out() -> None:
    known = known_rows(days(2, 3, 4), data(), None)
    assert (known.table.column("n").to_pylist(), known.unlabelled) == ([2, 4], 1)


def test_looking_back_counts_from_the_moment_asked_for() -> None:
    of = data(outcome_delay=0, lookback=20 * 86_400)
    assert known_rows(days(9, 10, 29.5), of, as_of_us=30 * DAY_US).table.column("n").to_pylist() == [10, 29.5]
    assert known_rows(days(9, 10, 29.5), of, None).table.column("n").to_pylist() == [10, 29.5]
    assert known_rows(days(9, 10, 29), of, None).table.column("n").to_pylist() == [9, 10, 29]


def test_the_hold_out_is_the_newest_rows() -> None:
    times = micros(days(1, 2, 8, 9, 10), "at")
    assert holdout_start(times, 2 * 86_400) == 2
    assert holdout_start(times, 9 * 86_400) == 0


def test_rows_of_one_moment_stay_in_their_order(tmp_path: Path) -> None:
    table = days(*np.ones(50))
    table = table.set_column(2, "n", pa.array(range(50)))
    assert known_rows(table, data(outcome_delay=0), None).table.column("n").to_pylist() == list(range(50))
