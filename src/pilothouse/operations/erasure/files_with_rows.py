"""Rows of stored tables and lines of stored texts: which hold a value, and what is left without them."""

import io
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.canonical import canonical_json

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = b"PAR1"
"""How a stored table begins."""
LINE = b"(a line was erased)\n"
"""What stands in the place of a line that is gone."""


def rows_with(data: bytes, where: Sequence[tuple[str, str]]) -> tuple[list[int], int] | None:
    """Numbers of a parquet file's rows that have all the values, and how many rows it has; None where it has not all of these
    columns. Raises IntegrityError (not a table)."""
    table = _read(data)
    if not where or not {name for name, _ in where} <= set(table.column_names):
        return None
    named = np.ones(table.num_rows, np.bool_)
    for name, value in where:
        named &= _equal(table.column(name), value)
    return np.flatnonzero(named).tolist(), table.num_rows


def without_rows(data: bytes, rows: Collection[int]) -> bytes:
    """A parquet file without some rows. Nothing of them is left in its dictionaries or statistics. Raises IntegrityError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _read(data)
    stays = np.ones(table.num_rows, np.bool_)
    stays[list(rows)] = False
    left = table.filter(pa.array(stays)).combine_chunks()
    for place, field in enumerate(left.schema):
        if pa.types.is_dictionary(
            field.type
        ):  # its dictionary would keep the values of the rows that have gone
            plain = left.column(place).cast(field.type.value_type)
            left = left.set_column(place, field.name, plain.dictionary_encode())
    out = io.BytesIO()
    pq.write_table(left, out, compression="zstd")
    return out.getvalue()


def lines_with(data: bytes, pattern: "re.Pattern[bytes]") -> tuple[list[int], int]:
    """Numbers of a text's lines that hold a value, and how many lines it has."""
    lines = data.splitlines(keepends=True)
    return [number for number, line in enumerate(lines) if pattern.search(line)], len(lines)


def without_lines(data: bytes, numbers: Collection[int]) -> bytes:
    """A text with a note in the place of some lines."""
    gone = set(numbers)
    lines = data.splitlines(keepends=True)
    return b"".join(LINE if number in gone else line for number, line in enumerate(lines))


def pattern_of(values: Iterable[str]) -> "re.Pattern[bytes]":
    """Pattern that finds a value where it stands for itself, not within a longer word or number; in JSON too."""
    forms = {form for value in values for form in (value.encode(), canonical_json(value)[1:-1].encode())}
    joined = b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rb"(?<![0-9A-Za-z])(?:" + joined + rb")(?![0-9A-Za-z])")


def _read(data: bytes) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"a stored table cannot be read: {error}") from None


def _equal(column: "pa.ChunkedArray", value: str) -> Any:
    """Mask of the cells that are the value, as text, number, truth or time, whichever the column holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    column = column.cast(kind)
    try:
        if pa.types.is_boolean(kind):
            wanted = pa.scalar({"true": True, "1": True, "false": False, "0": False}[value.lower()])
        elif pa.types.is_integer(kind):
            wanted = pa.scalar(int(value) if re.fullmatch(r"-?\d{1,18}", value) else float(value))
        elif pa.types.is_floating(kind):
            wanted = pa.scalar(float(value), pa.float64())
        elif pa.types.is_timestamp(kind):
            wanted = pa.scalar(datetime.fromisoformat(value)).cast(kind)
        else:
            wanted, column = pa.scalar(value), column.cast(pa.string())
        mask = pc.fill_null(pc.equal(column, wanted), False)
    except (ValueError, KeyError, pa.ArrowException):  # the value is none of the column's kind
        return np.zeros(len(column), np.bool_)
    return mask.to_numpy().astype(np.bool_)
