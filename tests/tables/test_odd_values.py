"""What is almost a number, a text or a time: read right, or refused in a line, never another value."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.reader import open_table

KINDS = {"x": ColumnKind.NUMBER, "k": ColumnKind.TEXT, "t": ColumnKind.TIME}


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def rows(path: Path, **form: Any) -> list[dict[str, Any]]:
    """Rows by ``read``, which must be those of ``batches``."""
    file = open_table(path, TableForm(KINDS, timezone="UTC", **form))
    whole = file.read().to_pylist()
    assert whole == [row for batch in file.batches() for row in batch.to_pylist()]
    return whole


@pytest.mark.parametrize(
    ("csv", "value", "expected"),
    [
        (CsvSpec(decimal=".", thousands=","), "1,5", None),
        (CsvSpec(decimal=".", thousands=","), "12,34", None),
        (CsvSpec(decimal=".", thousands=","), "1,234.5", 1234.5),
        (CsvSpec(decimal=".", thousands=","), "-1,234,567", -1_234_567),
        (CsvSpec(decimal=".", thousands=" "), "1 234", 1234),
        (CsvSpec(decimal=",", thousands="."), "1.5", None),
        (CsvSpec(decimal=",", thousands="."), "1.234,5", 1234.5),
        (CsvSpec(decimal=","), "1.500", None),
        (CsvSpec(decimal=","), "1.50", 1.5),
        (CsvSpec(decimal=","), "1,500", 1.5),
    ],
)
def test_a_mark_never_makes_another_number_of_a_value(tmp_path: Path, csv, value, expected) -> None:
    path = write(tmp_path, "a.csv", f"x;k\n1;a\n{value};b\n")
    if expected is None:
        with pytest.raises(
            InvalidInputError, match=f"line 3, column 'x': found '{value}'; expected a number with"
        ):
            rows(path, csv=csv)
    else:
        assert rows(path, csv=csv)[-1]["x"] == expected


def test_a_decimal_comma_below_many_whole_numbers_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "x;k\n" + "15;a\n" * 1_500 + "1,5;b\n")
    assert open_table(path, TableForm(KINDS)).dialect == "semicolon, decimal comma"
    assert rows(path)[-1]["x"] == 1.5


def test_a_decimal_comma_with_an_exponent_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "x;k\n2,535258e-08;a\n-1,5E+3;b\n")
    assert [row["x"] for row in rows(path)] == [2.535258e-08, -1_500]


def test_a_decimal_comma_that_comes_too_late_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "x;k\n" + "15;a\n" * 3_000 + "1,5;b\n")
    with pytest.raises(
        InvalidInputError,
        match=r"line 3002, .*expected a number; for a decimal comma give data\.csv\.decimal",
    ):
        rows(path)
    assert rows(path, csv=CsvSpec(decimal=","))[-1]["x"] == 1.5


def test_a_number_beyond_64_bits_with_a_sign_is_never_another(tmp_path: Path) -> None:
    pq.write_table(pa.table({"u": pa.array([1, 2**64 - 1], pa.uint64())}), tmp_path / "a.parquet")
    assert open_table(tmp_path / "a.parquet", TableForm()).read()["u"].to_pylist() == [1.0, float(2**64)]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"x": 1' + "0" * 400 + "}", "line 2, column 'x': found an integer of 401 digits"),
        (r'{"k": "\ud83d"}', r"line 2, column 'k': found '\\ud83d'; expected text without halves"),
    ],
)
def test_a_record_that_no_table_can_hold_is_refused_in_a_line(tmp_path: Path, record, message) -> None:
    with pytest.raises(InvalidInputError, match=message):
        rows(write(tmp_path, "a.jsonl", f'{{"x": 1, "k": "a"}}\n{record}\n'))


def test_a_value_of_another_type_far_below_makes_a_column_of_json_texts(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"floor": 1}\n' * 20_001 + '{"floor": "4b"}\n')
    assert open_table(path, TableForm()).read()["floor"].to_pylist()[-2:] == ["1", "4b"]


@pytest.mark.parametrize("text", ["0000-01-01", "0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
@pytest.mark.parametrize("other", ["2024-01-01", "2024-01-01T00:00:00Z"])
def test_a_time_that_no_calendar_holds_is_refused(tmp_path: Path, text: str, other: str) -> None:
    path = write(tmp_path, "a.csv", f"k,t\na,{other}\nb,{text}\n")
    with pytest.raises(
        InvalidInputError, match=r"line 3, column 't': found .*; expected a time of the years 1 to 9999"
    ):
        rows(path)


@pytest.mark.parametrize("text", ["2024-01-01t00:00:00z", "2024-01-01T00:00:00z", "2024-01-01 00:00:00 utc"])
def test_small_letters_are_as_good_in_a_time(tmp_path: Path, text: str) -> None:
    (row,) = rows(write(tmp_path, "a.csv", f"k,t\na,{text}\n"))
    assert row["t"].isoformat() == "2024-01-01T00:00:00+00:00"
