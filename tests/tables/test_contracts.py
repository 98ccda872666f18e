"""Which rows break a contract, and how a driver's values become columns."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.contract import ColumnRule
from pilothouse.tables.contracts import breaches, inferred
from pilothouse.tables.urls.values import table_of


def test_rows_that_break_a_rule_are_counted_and_shown() -> None:
    table = pa.table(
        {
            "wind": [1.0, 61.5, float("nan"), -3.0, None],
            "port": ["N", "S", "x\x1b[2J", None, "N"],
            "code": ["AB-1", "AB-1", "A", "AB-1\n", None],
            "person": ["ann", "ann", "bob", "eve", "kim"],
        }
    )
    contract = {
        "wind": ColumnRule("number", minimum=0.0, maximum=60.0),
        "port": ColumnRule("text", nullable=True, values=("N", "S")),
        "code": ColumnRule("text", nullable=True, pattern="[A-Z]{2}-[0-9]"),
        "person": ColumnRule("text", unique=True),
        "gone": ColumnRule("number"),
        "flag": ColumnRule("number"),
    }
    table = table.append_column("flag", pa.array(["1"] * 5))
    said = [breach.text for breach in breaches(table, contract, hidden=["person"])]
    assert said == [
        "wind: 2 rows missing (row 3: missing; row 5: missing)",
        "wind: 1 row below 0 (row 4: -3.0)",
        "wind: 1 row above 60 (row 2: 61.5)",
        "port: 1 row with a value that is not in the list (row 3: x\ufffd[2J)",
        "code: 2 rows that do not match the pattern (row 3: A; row 4: AB-1)",
        "person: 2 rows with a value that another row has too (row 1; row 2)",
        "gone: the column is not there",
        "flag: is a column of string; expected the type number",
    ]


def test_minus_zero_is_zero_and_whole_numbers_may_be_doubles() -> None:
    table = pa.table({"n": [-0.0, 0.0, 2.0, 2.5, float("inf")]})
    assert [
        b.rule for b in breaches(table.slice(0, 3), {"n": ColumnRule("integer", values=(0.0, 2.0))})
    ] == []
    [breach] = breaches(table, {"n": ColumnRule("integer")})
    assert [row for row, _ in breach.examples] == [4, 5]


def test_a_contract_is_inferred_from_rows() -> None:
    table = pa.table(
        {
            "n": [1.0, 2.0, None] * 9,
            "x": [0.5, 9.0, 1.0] * 9,
            "port": ["N", "S", "N"] * 9,
            "id": [f"{i}" for i in range(27)],
        }
    )
    assert inferred(table, unique=["id"], open_values=["id"]) == {
        "n": ColumnRule("integer", True, 1.0, 2.0),
        "x": ColumnRule("number", False, 0.5, 9.0),
        "port": ColumnRule("text", values=("N", "S")),
        "id": ColumnRule("text", unique=True),
    }


def test_values_of_a_driver_become_columns_by_one_rule() -> None:
    east = timezone(timedelta(hours=5))
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    columns: dict[str, tuple[list[list[object]], pa.DataType]] = {
        "small": ([[1, None], [2]], pa.int64()),
        "fraction that comes late": ([[1, 2], [2.5]], pa.float64()),
        "large": ([[1, 2], [1 << 64]], pa.decimal128(20, 0)),
        "exact": ([[Decimal("1.5"), None], [Decimal("100.25")]], pa.decimal128(5, 2)),
        "not a number": ([[Decimal("NaN"), None], [Decimal(1)]], pa.decimal128(1, 0)),
        "infinite": ([[Decimal("Infinity"), 1], [2]], pa.float64()),
        "very long": ([[10**90, 1], [2]], pa.float64()),
        "flag": ([[True, None], [False]], pa.bool_()),
        "zoned": ([[noon, noon.astimezone(east)], [None]], pa.timestamp("us", "UTC")),
        "bare": ([[noon.replace(tzinfo=None), None], [date(2024, 1, 2)]], pa.timestamp("us")),
        "nothing first": ([[None, None], ["a"]], pa.string()),
        "id": ([[UUID(int=1), None], [UUID(int=2)]], pa.string()),
    }
    for name, (batches, kind) in columns.items():
        column = table_of([name], [[(value,) for value in batch] for batch in batches]).column(name)
        assert column.type == kind, name
    assert table_of(["t"], [[(noon.astimezone(east),)]]).column("t").to_pylist() == [noon]
    for batches in (
        [[("a",), (1,)]],
        [[("a",)], [(1,)]],
        [[([1],)]],
        [[(noon,), (noon.replace(tzinfo=None),)]],
    ):
        with pytest.raises(InvalidInputError, match="column 'x' holds"):
            table_of(["x"], batches)


def test_whole_numbers_beyond_those_of_doubles_are_held_against_a_contract() -> None:
    table = pa.table({"id": [2**60 + 1, 3, 2**60 + 1]})
    rule = ColumnRule("integer", minimum=5.0, maximum=1e9, values=(3.0,))
    assert [(breach.rule, breach.rows) for breach in breaches(table, {"id": rule})] == [
        ("below 5", 1),
        ("above 1e+09", 2),
        ("with a value that is not in the list", 2),
    ]
