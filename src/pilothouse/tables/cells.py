"""Values of a column as the kind that it is known to be: texts, numbers or times, and where one is none."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.tables.table_form import ColumnKind, TableForm, missing_numbers
from pilothouse.tables.times import TimeError, times_of

Marks = tuple[str, str]
"""Decimal mark and thousands' mark of numbers that are written as texts."""
USUAL_MARKS: Marks = (".", "")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_COMMA = re.compile(r"\s*[+-]?[\d.]*,\d+([eE][+-]?\d+)?\s*$")
_NUMBER = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?(inf|infinity)\s*$"


@dataclass(frozen=True, slots=True)
class CellError(Exception):
    """Why a column is not of its kind; ``row`` is that of the first such value, None where the type is at fault."""

    row: int | None
    found: str
    expected: str


def converted(
    column: pa.Array, kind: ColumnKind | None, form: TableForm, marks: Marks = USUAL_MARKS
) -> pa.Array:
    """Column as ``string`` (text), ``double`` (number) or ``timestamp[us, UTC]`` (time); without a kind as one of the few types
    that a snapshot has. ``marks``: decimal and thousands' mark of its texts. Raises CellError."""
    column = _plain(column)
    if kind is ColumnKind.NUMBER:
        try:
            return _numbers(column, form, marks)
        except CellError as fault:
            raise CellError(
                fault.row, fault.found, "; ".join(filter(None, [fault.expected, form.remedy]))
            ) from None
    if kind is ColumnKind.TIME:
        texts = _present(column, form) if pa.types.is_string(column.type) else column
        try:
            return times_of(texts, form.timezone)
        except TimeError as fault:
            raise CellError(fault.row, fault.found, fault.expected) from None
    if kind is ColumnKind.TEXT or pa.types.is_string(column.type):
        return _present(_texts(column), form)
    return _of_few_types(column)


def few_types(table: pa.Table) -> pa.Table:
    """Table of ours with each column as one of the types of a snapshot."""
    columns = {name: _plain(table.column(name).combine_chunks()) for name in table.column_names}
    return pa.table({n: c if pa.types.is_string(c.type) else _of_few_types(c) for n, c in columns.items()})


def is_nested(kind: pa.DataType) -> bool:
    """True for lists, structures, maps and bytes, which are no value of a column here."""
    return bool(
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionaries, runs and views: ``string`` for every type of texts."""
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_large_string(kind) or str(kind) == "string_view":
        column = column.cast(pa.string())
    if is_nested(column.type):
        raise CellError(None, f"{column.type}", "numbers, texts or times")
    return column


def _present(texts: pa.Array, form: TableForm) -> pa.Array:
    """Texts with null for those that mean missing."""
    missing = pc.is_in(texts, value_set=pa.array(["", *form.missing], pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), texts) if pc.any(missing).as_py() else texts


def _texts(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.string())
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    coded = column.dictionary_encode()
    texts = [category_text(value) for value in coded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(coded.indices)


def _numbers(column: pa.Array, form: TableForm, marks: Marks) -> pa.Array:
    kind = column.type
    if pa.types.is_string(kind):
        return _parsed(_present(column, form), marks)
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()).cast(pa.float64())
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return column.cast(pa.int64()).cast(pa.float64())
    if pa.types.is_temporal(kind):
        raise CellError(None, "a time", "numbers")
    numbers = column.cast(pa.float64(), safe=False)
    missing = missing_numbers(form.missing)
    if missing:
        found = pc.is_in(numbers, value_set=pa.array(missing, pa.float64()))
        numbers = pc.if_else(found, pa.scalar(None, pa.float64()), numbers)
    return numbers


def _parsed(texts: pa.Array, marks: Marks) -> pa.Array:
    decimal, thousands = marks
    plain = pc.utf8_trim_whitespace(texts)
    _check_groups(texts, plain, marks)
    if thousands:
        plain = pc.replace_substring(plain, thousands, "")
    if decimal != ".":
        plain = pc.replace_substring(plain, decimal, ".")
    try:
        return plain.cast(pa.float64())
    except pa.ArrowInvalid:
        pass
    true, false = (pc.is_in(plain, value_set=pa.array(words)) for words in (_TRUE, _FALSE))
    plain = pc.if_else(true, "1", pc.if_else(false, "0", plain))
    plain = pc.replace_substring_regex(plain, r"^\+", "")
    good = pc.fill_null(pc.match_substring_regex(plain, _NUMBER, ignore_case=True), True).to_numpy(
        zero_copy_only=False
    )
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        text = texts[row].as_py()
        other = "; for a decimal comma give data.csv.decimal" if decimal == "." and _COMMA.match(text) else ""
        raise CellError(row, repr(text[:60]), f"a number{other}")
    return plain.cast(pa.float64())


def _check_groups(texts: pa.Array, plain: pa.Array, marks: Marks) -> None:
    """Refuse what the marks would make another number: a thousands' mark that parts no thousands (``1,5``), and beside a
    decimal comma a point that may be one (``1.500``)."""
    decimal, thousands = marks
    if thousands:
        mark = re.escape(thousands)
        groups = rf"^[+-]?\d{{1,3}}({mark}\d{{3}})+({re.escape(decimal)}\d*)?([eE][+-]?\d+)?$"
        odd = pc.and_(
            pc.match_substring(plain, thousands), pc.invert(pc.match_substring_regex(plain, groups))
        )
    elif decimal == ",":
        odd = pc.match_substring_regex(plain, r"^[+-]?\d{1,3}(\.\d{3})+$")
    else:
        return
    rows = np.flatnonzero(pc.fill_null(odd, False).to_numpy(zero_copy_only=False))
    if len(rows):
        expected = f"a number with {decimal!r} before its decimals"
        raise CellError(int(rows[0]), repr(texts[int(rows[0])].as_py()[:60]), expected)


def _of_few_types(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_uint64(kind) and (pc.max(column).as_py() or 0) >= 1 << 63:
        return column.cast(pa.float64(), safe=False)
    if pa.types.is_integer(kind):
        return column.cast(pa.int64(), safe=False)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return column.cast(pa.float64(), safe=False)
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz and "UTC"), safe=False)
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return column.cast(pa.int64())
    return column if pa.types.is_boolean(kind) else column.cast(pa.string())


def text_of_json(value: Any) -> Any:
    """Value of a JSON record for a column of texts: exact where it is an integer of any length."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else category_text(value)
