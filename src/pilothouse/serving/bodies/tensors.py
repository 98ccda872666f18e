"""Tensors of the Open Inference Protocol v2 as they arrive in JSON: checked, flattened, made into columns.

A tensor is one column: shape ``[n]`` or ``[n, 1]``, its data flat or nested, in row-major order. ``null`` is a missing
value, and so is the empty text of a category. A tensor whose parameters say ``content_type: base64`` is decoded.
"""

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_parsing import zone as zone_of
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.monitoring.categories import category_text

MAXIMUM_TEXT = 1_024
"""Characters of one category or timestamp."""

NO_SHARED_MEMORY = "shared memory is not read here; send the data in the body"

NO_TIME = np.iinfo(np.int64).min
"""Time of a row that has none."""

_CONTENT_TYPES = (None, "str", "np", "pd", "datetime")
"""Content types whose data is what it looks like."""

EARLIEST_US = -62_135_596_800_000_000
"""Microseconds of the first moment of the year 1 and, below, the last of the year 9999: what ``datetime`` can hold."""
LATEST_US = 253_402_300_799_999_999

_INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_FLOATS = {
    "BF16": 3.3895313892515355e38,
    "FP16": 65_504.0,
    "FP32": 3.4028234663852886e38,
    "FP64": 1.7976931348623157e308,
}


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
    if tensor.parameters and "shared_memory_region" in tensor.parameters:
        raise _invalid(tensor, NO_SHARED_MEMORY)
    if len(shape) not in (1, 2) or shape[0] < 0 or (len(shape) == 2 and shape[1] != 1):
        raise _invalid(tensor, f"found shape {_shape(tensor)}; expected [n] or [n, 1]")
    return shape[0]


def flat_values(tensor: InputTensor) -> list[Any]:
    """Values of the tensor in row-major order, nested or flat, one a row. Raises InvalidInputError."""
    rows, values = row_count(tensor), tensor.data
    if values and type(values[0]) is list:
        if len(tensor.shape) != 2:
            raise _invalid(tensor, f"its data is nested; expected flat data for shape {_shape(tensor)}")
        if any(type(value) is not list or len(value) != 1 for value in values):
            raise _invalid(tensor, "expected each row of its data to hold one value")
        values = [value[0] for value in values]
    if len(values) != rows:
        expected = f"expected {rows} for shape {_shape(tensor)}"
        raise _invalid(tensor, f"found {len(values)} values; {expected}")
    return _decoded(tensor, values)


def _decoded(tensor: InputTensor, values: list[Any]) -> list[Any]:
    """Values as the tensor's content type says. Raises InvalidInputError for a type that is not read here."""
    content_type = (tensor.parameters or {}).get("content_type")
    if content_type == "base64" and tensor.datatype == "BYTES":
        return [_from_base64(tensor, row, value) for row, value in enumerate(values)]
    if content_type not in _CONTENT_TYPES:
        raise _invalid(
            tensor,
            f"content_type {shown(content_type)} of {shown(tensor.datatype)} is not read here; "
            "expected plain values, or base64 of BYTES",
        )
    return values


def _from_base64(tensor: InputTensor, row: int, value: Any) -> str | None:
    if value is None:
        return None
    try:
        if type(value) is not str:
            raise ValueError
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise InvalidInputError(
            f"input {shown(tensor.name)}, row {row}: found {shown(value)}; expected base64 of UTF-8 text, "
            "as its content_type says"
        ) from None


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
        _refuse_other(tensor, values, kinds, {int, type(None)}, "whole numbers, or null where missing")
        _check_integers(tensor, values)
        return np.asarray(values, dtype=np.float64)  # None becomes NaN
    if datatype == "BOOL":
        _refuse_other(tensor, values, kinds, {bool, type(None)}, "true or false, or null where missing")
        return np.asarray(values, dtype=np.float64)
    raise _wrong_datatype(tensor, "FP64, another FP*, BF16, INT*, UINT* or BOOL for a number")


def read_categories(tensor: InputTensor) -> list[str | None]:
    """Categorical feature as text, None where null or empty; whole numbers and BOOL become their text. Raises
    InvalidInputError."""
    values, datatype = flat_values(tensor), tensor.datatype
    kinds = set(map(type, values))
    if datatype == "BYTES":
        _refuse_other(tensor, values, kinds, {str, type(None)}, "strings, or null where missing")
        if any(value is not None and len(value) > MAXIMUM_TEXT for value in values):
            raise _invalid(tensor, f"a value is longer than {MAXIMUM_TEXT} characters")
        return [value or None for value in values] if "" in values else values
    if datatype in _INTEGERS or datatype == "BOOL":
        kind = bool if datatype == "BOOL" else int
        _refuse_other(
            tensor, values, kinds, {kind, type(None)}, f"values of {datatype}, or null where missing"
        )
        if datatype != "BOOL":
            _check_integers(tensor, values)
        return [category_text(value) for value in values]
    raise _wrong_datatype(tensor, "BYTES (or INT*, UINT*, BOOL) for a category")


def read_event_times(tensor: InputTensor, zone: str) -> npt.NDArray[np.int64]:
    """Time of each row, int64[n] microseconds since 1970, UTC, ``NO_TIME`` where null: ISO 8601 (BYTES), or INT64. Times
    without an offset are in ``zone``. Raises InvalidInputError."""
    values, datatype = flat_values(tensor), tensor.datatype
    kinds = set(map(type, values))
    if datatype == "INT64":
        _refuse_other(tensor, values, kinds, {int, type(None)}, "microseconds since 1970")
    elif datatype == "BYTES":
        _refuse_other(tensor, values, kinds, {str, type(None)}, "ISO 8601 times")
    else:
        raise _wrong_datatype(tensor, "BYTES (ISO 8601 with an offset) or INT64 (microseconds since 1970)")
    try:
        times = {value: event_time(value, zone) for value in set(values)}
    except InvalidInputError as error:
        raise _invalid(tensor, str(error)) from None
    return np.fromiter((times[value] for value in values), np.int64, len(values))


def event_time(value: str | int | None, zone: str) -> int:
    """Microseconds since 1970 of a time in a request, ``NO_TIME`` for none; without an offset it is in ``zone``, by the rule of
    the rows that a model learns from: the earlier of two, and in a gap the offset from before. Raises InvalidInputError,
    without a place."""
    if value is None or value == "":
        return NO_TIME
    if isinstance(value, int):
        if not EARLIEST_US <= value <= LATEST_US:
            raise InvalidInputError(
                "a time lies outside the years 1 to 9999; expected microseconds since 1970"
            )
        return value
    try:
        if len(value) > 64:
            raise ValueError
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None or zone:
            return to_us(time if time.tzinfo is not None else time.replace(tzinfo=zone_of(zone)))
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"{shown(value)} is not a time; expected ISO 8601 such as 2013-06-01T05:00:00Z"
        ) from None
    except LookupError:
        raise InvalidInputError(
            f"{shown(value)} has no offset, and the zone {shown(zone)} is not known on this machine; write it with an offset"
        ) from None
    raise InvalidInputError(
        f"{shown(value)} has no offset, and the model file names no data.timezone; write it as 2013-06-01T05:00:00Z"
    )


def read_column(kind: str) -> Callable[[InputTensor], Any]:
    """Reader for a schema's kind of column."""
    return read_numbers if kind == "number" else read_categories


def shown(value: object) -> str:
    """Text of a value from outside for an error line: one line, escaped, 60 characters at most."""
    if isinstance(value, dict) or (isinstance(value, list) and not _is_flat(value)):
        return "an object" if isinstance(value, dict) else "a list"  # deeper, perhaps, than ascii() can go
    text = ascii(value[:61] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shape(tensor: InputTensor) -> str:
    text = ascii(tensor.shape[:10])
    return text if len(text) <= 60 else text[:57] + "..."


def _is_flat(values: list[Any]) -> bool:
    return len(values) < 10 and not any(isinstance(value, list | dict) for value in values)


def _refuse_other(
    tensor: InputTensor, values: Sequence[Any], kinds: set[type], allowed: set[type], expected: str
) -> None:
    if not kinds <= allowed:
        row, bad = next((i, value) for i, value in enumerate(values) if type(value) not in allowed)
        text = "null" if bad is None else shown(bad)
        raise InvalidInputError(f"input {shown(tensor.name)}, row {row}: found {text}; expected {expected}")


def _check_integers(tensor: InputTensor, values: Sequence[int | None]) -> None:
    low, high = _INTEGERS[tensor.datatype]
    if any(value is not None and not low <= value <= high for value in values):
        raise _invalid(tensor, f"a number is outside {tensor.datatype}")


def _wrong_datatype(tensor: InputTensor, expected: str) -> InvalidInputError:
    return _invalid(tensor, f"found datatype {shown(tensor.datatype)}; expected {expected}")


def _invalid(tensor: InputTensor, message: str) -> InvalidInputError:
    return InvalidInputError(f"input {shown(tensor.name)}: {message}")
