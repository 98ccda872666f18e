"""Rows of a database driver as Arrow columns, by one rule for every driver.

Whole numbers are ``int64``; those that it cannot hold and exact decimals are decimals of as many digits as they have (76 at
most, else ``double``). An instant with a zone is ``timestamp[us, UTC]``, one without stays without. NaN of a
decimal is missing, as is NULL. What a batch of rows looks like decides nothing for the next: types are joined once all rows are
there.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError

_MOST_DIGITS = 76
_INT64 = range(-(1 << 63), 1 << 63)
_UTC_TIME = pa.timestamp("us", "UTC")


def table_of(names: Sequence[str], batches: Iterable[Sequence[Sequence[Any]]]) -> pa.Table:
    """Table of rows that come in batches. Raises InvalidInputError for a column of mixed types or a name that comes twice."""
    repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if repeated is not None:
        raise InvalidInputError(
            f"data.query: two columns are called {repeated[:80]!r}; expected each once (use AS)"
        )
    chunks: list[list[pa.Array]] = [[] for _ in names]
    for rows in batches:
        for i, values in enumerate(zip(*rows, strict=True)):
            chunks[i].append(_array(names[i], values))
    return pa.table({name: _joined(name, parts) for name, parts in zip(names, chunks, strict=True)})


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if UUID in kinds:
        values = [str(value) if isinstance(value, UUID) else value for value in values]
        kinds = (kinds - {UUID}) | {str}
    if kinds <= {int, bool, float, Decimal}:
        return _numbers(kinds, values)
    if kinds == {datetime}:
        return _times(name, values)
    if kinds == {date, datetime}:
        values = [datetime(v.year, v.month, v.day) if type(v) is date else v for v in values]  # noqa: DTZ001
        return _times(name, values)
    if len(kinds) == 1 and (found := kinds & {str, date, time, timedelta}):
        return pa.array(values, _OF_KIND[next(iter(found))])
    if kinds <= {bytes, bytearray, memoryview}:
        return pa.array([None if value is None else bytes(value) for value in values], pa.binary())
    said = " and ".join(sorted(kind.__name__ for kind in kinds))
    raise InvalidInputError(
        f"data.query: column {name[:80]!r} holds {said}; expected numbers, texts or times, of one type (use CAST)"
    )


_OF_KIND = {str: pa.string(), date: pa.date32(), time: pa.time64("us"), timedelta: pa.duration("us")}


def _numbers(kinds: set[type], values: Sequence[Any]) -> pa.Array:
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if float in kinds:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if Decimal not in kinds and all(value is None or value in _INT64 for value in values):
        return pa.array([None if value is None else int(value) for value in values], pa.int64())
    exact = [None if value is None else Decimal(value) for value in values]
    exact = [None if value is None or value.is_nan() else value for value in exact]
    if all(value is None or value.is_finite() for value in exact):
        try:
            return pa.array(exact) if any(value is not None for value in exact) else pa.nulls(len(exact))
        except pa.ArrowInvalid:
            pass  # more than 76 digits
    return pa.array([None if value is None else float(value) for value in exact], pa.float64())


def _times(name: str, values: Sequence[Any]) -> pa.Array:
    zoned = {value.tzinfo is not None for value in values if value is not None}
    if zoned == {True}:
        return pa.array([None if value is None else value.astimezone(UTC) for value in values], _UTC_TIME)
    if zoned == {False}:
        return pa.array(values, pa.timestamp("us"))
    raise InvalidInputError(
        f"data.query: column {name[:80]!r} holds times with a zone and times without; expected one kind (use CAST)"
    )


def _joined(name: str, parts: list[pa.Array]) -> pa.ChunkedArray:
    """Batches of a column as one type."""
    types = list(dict.fromkeys(part.type for part in parts if not pa.types.is_null(part.type)))
    if not types:
        return pa.chunked_array(parts, pa.null())
    kind = types[0]
    for other in types[1:]:
        common = _common(kind, other)
        if common is None:
            raise InvalidInputError(
                f"data.query: column {name[:80]!r} holds {kind} and {other}; expected one type (use CAST)"
            )
        kind = common
    return pa.chunked_array([part.cast(kind, safe=False) for part in parts], kind)


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if one == other:
        return one
    numbers = [kind for kind in (one, other) if _is_number(kind)]
    if len(numbers) == 2:
        if any(pa.types.is_floating(kind) for kind in numbers):
            return pa.float64()
        if all(pa.types.is_integer(kind) or pa.types.is_boolean(kind) for kind in numbers):
            return pa.int64()
        whole, scale = (max(sizes) for sizes in zip(*map(_digits, numbers), strict=True))
        if whole + scale > _MOST_DIGITS:
            return pa.float64()
        return (
            pa.decimal128(whole + scale, scale)
            if whole + scale <= 38
            else pa.decimal256(whole + scale, scale)
        )
    if {one, other} == {pa.date32(), pa.timestamp("us")}:
        return pa.timestamp("us")
    return None


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """Digits before and after the point."""
    return (kind.precision - kind.scale, kind.scale) if pa.types.is_decimal(kind) else (19, 0)
