"""Which rows and lines hold a value, and what is left of a file without them."""

import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.operations.erasure import files_with_rows, summaries
from pilothouse.operations.erasure.files_with_rows import (
    LINE,
    lines_with,
    pattern_of,
    rows_with,
    without_rows,
)
from pilothouse.operations.erasure.residue import unpacked

TABLE = pa.table(
    {
        "text": ["a", "b", None, "a"],
        "whole": pa.array([1, 2, None, 4711], pa.int64()),
        "number": [0.5, 4711.0, float("nan"), 2.0],
        "truth": [True, False, None, True],
        "time": pa.array(
            [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3, 3)], pa.timestamp("us", "UTC")
        ),
        "coded": pa.array(["x", "secret", "x", "x"]).dictionary_encode(),
    }
)


def packed(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ([("text", "a")], [0, 3]),
        ([("text", "A")], []),
        ([("whole", "4711")], [3]),
        ([("whole", "4711.0")], [3]),
        ([("whole", "no number")], []),
        ([("number", "4711")], [1]),
        ([("truth", "true")], [0, 3]),
        ([("time", "2026-05-03T00:00:00+00:00")], [2, 3]),
        ([("coded", "secret")], [1]),
        ([("text", "a"), ("whole", "1")], [0]),
    ],
)
def test_a_value_is_read_as_what_its_column_holds(where: list[tuple[str, str]], rows: list[int]) -> None:
    assert rows_with(packed(TABLE), where) == (rows, 4)


def test_rows_of_a_table_without_the_column_cannot_be_named() -> None:
    assert rows_with(packed(TABLE), [("patient", "a")]) is None
    assert rows_with(packed(TABLE), []) is None
    with pytest.raises(IntegrityError, match="cannot be read"):
        rows_with(b"PAR1 and no more", [("text", "a")])


def test_nothing_of_a_row_is_left_in_dictionaries_or_statistics() -> None:
    before, after = packed(TABLE), without_rows(packed(TABLE), [1, 3])
    assert b"secret" in b"".join(unpacked(before))
    assert b"4711" in b"".join(unpacked(before))
    assert b"secret" not in after + b"".join(unpacked(after))
    assert b"4711" not in after + b"".join(unpacked(after))
    left = pq.read_table(io.BytesIO(after))
    assert left.schema.names == TABLE.schema.names
    assert left.column("text").to_pylist() == ["a", None]
    assert pq.ParquetFile(io.BytesIO(after)).metadata.row_group(0).column(1).statistics.max == 1


def test_a_value_is_found_where_it_stands_for_itself_in_json_too() -> None:
    pattern = pattern_of(["4711", "Zoë"])
    text = b'id 4711\nid 14711\nid 4711x\n{"who": "Zo\\u00eb"}\nZo\xc3\xab!\n'
    assert lines_with(text, pattern) == ([0, 3, 4], 5)
    assert files_with_rows.without_lines(text, [0, 4]) == LINE + text[8:-6] + LINE


def test_entries_of_a_summary_are_taken_out_by_their_place() -> None:
    summary = {"name": "who", "frequent": {"a": 3, "b": 2, "4711": 1}, "minimum": 4711.0, "maximum": 9.0}
    entries = list(summaries._entries(summary, "4711"))
    assert entries == ["2", "minimum"]
    summaries._take_out(summary, entries)
    assert summary == {"name": "who", "frequent": {"a": 3, "b": 2}, "minimum": None, "maximum": 9.0}
