"""Tensors of the Open Inference Protocol v2 as they arrive in JSON: checked, flattened, made into columns.

A tensor is one column: shape ``[n]`` or ``[n, 1]``, its data flat or nested, in row-major order. ``null`` is a missing
value where the datatype is floating point (numbers) or BYTES (categories).
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from pilothouse.domain.categories import category_text
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.time_units import to_us

MAXIMUM_TEXT = 1_024
"""Characters of one category or timestamp."""

_EARLIEST_US = -62_135_596_800_000_000
"""Microseconds of the first moment of the year 1 and, below, the last of the year 9999: what ``datetime`` can hold."""
_LATEST_US = 253_402_300_799_999_999

_INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_FLOATS = {"FP16": 65_504.0, "FP32": 3.4028234663852886e38, "FP64": 1.7976931348623157e308}


class InputTensor(msgspec.Struct, frozen=True):
    """``$request_input`` of the protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


def row_count(tensor: InputTensor) -> int:
    """Number of rows in the tensor's shape. Raises InvalidInputError."""
    shape = tensor.shape
    if len(shape) not in (1, 2) or shape[0] < 0 or (len(shape) == 2 and shape[1] != 1):
        raise _invalid(tensor, f"found shape {shown(shape)}; expected [n] or [n, 1]")
    return shape[0]


def flat_values(tensor: InputTensor) -> list[Any]:
    """Values of the tensor in row-major order, nested or flat, one a row. Raises InvalidInputError."""
    rows, values = row_count(tensor), tensor.data
    if values and type(values[0]) is list:
        if len(tensor.shape) != 2:
            raise _invalid(tensor, f"its data is nested; expected flat data for shape {shown(tensor.shape)}")
        if any(type(value) is not list or len(value) != 1 for value in values):
            raise _invalid(tensor, "expected each row of its data to hold one value")
        values = [value[0] for value in values]
    if len(values) != rows:
        expected = f"expected {rows} for shape {shown(tensor.shape)}"
        raise _invalid(tensor, f"found {len(values)} values; {expected}")
    return values


def read_numbers(tensor: InputTensor) -> npt.NDArray[np.float64]:
    """Numeric feature as float64[n], NaN where null. Raises InvalidInputError naming the first bad value."""
    values, datatype = flat_values(tensor), tensor.datatype
    kinds = set(map(type, values))
    if datatype in _FLOATS:
        limit = _FLOATS[datatype]
        _refuse_other(tensor, values, kinds, {int, float, type(None)}, "numbers, or null where missing")
        missing = type(None) in kinds
        filled = [math.nan if value is None else value for value in values] if missing else values
        try:
            numbers = np.asarray(filled, dtype=np.float64)
        except OverflowError:
            raise _invalid(tensor, f"a number is outside {datatype}") from None
        if numbers.size and np.nanmax(np.abs(numbers), initial=0.0) > limit:
            raise _invalid(tensor, f"a number is outside {datatype}")
        return numbers
    if datatype in _INTEGERS:
        _refuse_other(
            tensor, values, kinds, {int}, f"whole numbers ({datatype} has no missing value; use FP64)"
        )
        _check_integers(tensor, values)
        return np.asarray(values, dtype=np.float64)
    if datatype == "BOOL":
        _refuse_other(tensor, values, kinds, {bool}, "true or false")
        return np.asarray(values, dtype=np.float64)
    raise _wrong_datatype(tensor, "FP64, another FP*, INT*, UINT* or BOOL for a number")


def read_categories(tensor: InputTensor) -> list[str | None]:
    """Categorical feature as text, None where null; whole numbers and BOOL become their text. Raises InvalidInputError."""
    values, datatype = flat_values(tensor), tensor.datatype
    kinds = set(map(type, values))
    if datatype == "BYTES":
        _refuse_other(tensor, values, kinds, {str, type(None)}, "strings, or null where missing")
        if any(value is not None and len(value) > MAXIMUM_TEXT for value in values):
            raise _invalid(tensor, f"a value is longer than {MAXIMUM_TEXT} characters")
        return values
    if datatype in _INTEGERS or datatype == "BOOL":
        _refuse_other(tensor, values, kinds, {bool} if datatype == "BOOL" else {int}, f"values of {datatype}")
        if datatype != "BOOL":
            _check_integers(tensor, values)
        return [category_text(value) for value in values]
    raise _wrong_datatype(tensor, "BYTES (or INT*, UINT*, BOOL) for a category")


def read_event_times(tensor: InputTensor) -> npt.NDArray[np.int64]:
    """Time of each row, int64[n] microseconds since 1970, UTC: ISO 8601 with an offset (BYTES), or INT64. Raises
    InvalidInputError."""
    values, datatype = flat_values(tensor), tensor.datatype
    kinds = set(map(type, values))
    if datatype == "INT64":
        _refuse_other(tensor, values, kinds, {int}, "microseconds since 1970")
        if values and (min(values) < _EARLIEST_US or max(values) > _LATEST_US):
            raise _invalid(
                tensor, "a time lies outside the years 1 to 9999; expected microseconds since 1970"
            )
        return np.asarray(values, dtype=np.int64)
    if datatype == "BYTES":
        _refuse_other(tensor, values, kinds, {str}, "ISO 8601 times")
        times = {value: _microseconds(tensor, value) for value in set(values)}
        return np.fromiter((times[value] for value in values), np.int64, len(values))
    raise _wrong_datatype(tensor, "BYTES (ISO 8601 with an offset) or INT64 (microseconds since 1970)")


def read_column(kind: str) -> Callable[[InputTensor], Any]:
    """Reader for a schema's kind of column."""
    return read_numbers if kind == "number" else read_categories


def shown(value: object) -> str:
    """Text of a value from outside for an error line: one line, escaped, 60 characters at most."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _microseconds(tensor: InputTensor, text: str) -> int:
    try:
        if len(text) > 64:
            raise ValueError
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise _invalid(tensor, f"{shown(text)} has no offset; write it as 2013-06-01T05:00:00Z")
        return to_us(time)
    except (ValueError, OverflowError):
        message = f"{shown(text)} is not a time; expected ISO 8601 such as 2013-06-01T05:00:00Z"
        raise _invalid(tensor, message) from None


def _refuse_other(
    tensor: InputTensor, values: Sequence[Any], kinds: set[type], allowed: set[type], expected: str
) -> None:
    if not kinds <= allowed:
        row, bad = next((i, value) for i, value in enumerate(values) if type(value) not in allowed)
        text = "null" if bad is None else shown(bad)
        raise InvalidInputError(f"input {shown(tensor.name)}, row {row}: found {text}; expected {expected}")


def _check_integers(tensor: InputTensor, values: Sequence[int]) -> None:
    low, high = _INTEGERS[tensor.datatype]
    if values and (min(values) < low or max(values) > high):
        raise _invalid(tensor, f"a number is outside {tensor.datatype}")


def _wrong_datatype(tensor: InputTensor, expected: str) -> InvalidInputError:
    return _invalid(tensor, f"found datatype {shown(tensor.datatype)}; expected {expected}")


def _invalid(tensor: InputTensor, message: str) -> InvalidInputError:
    return InvalidInputError(f"input {shown(tensor.name)}: {message}")
