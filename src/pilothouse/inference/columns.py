"""Input columns from a request, a file or a frame, as the two kinds that a model knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.tables.table_form import missing_numbers
from pilothouse.inference.schema import InputSchema

Numbers = npt.NDArray[np.float64]


class RepeatedTexts(list[str | None]):
    """Texts of a column of which it is known that few differ: ``distinct``, and the number of each row's among them. So that
    each is looked up once, where the rows are many. Never changed after it is made."""

    __slots__ = ("distinct", "numbers")

    def __init__(self, distinct: Sequence[str | None], numbers: npt.NDArray[Any]) -> None:
        spelt = np.array(distinct, dtype=object)[numbers].tolist() if len(numbers) else []
        super().__init__(spelt)
        self.distinct, self.numbers = list(distinct), numbers


@dataclass(frozen=True, slots=True)
class InputColumns:
    """Input of a model: ``numeric[name]`` is float64[rows], NaN where missing; ``categorical[name]`` is text, None where
    missing."""

    rows: int
    numeric: dict[str, Numbers]
    categorical: dict[str, list[str | None]]


def input_columns(schema: InputSchema, columns: Mapping[str, Any], rows: int) -> InputColumns:
    """Features of the schema among ``columns`` (lists or arrays of ``rows`` values); others are left alone.

    Raises InvalidInputError naming the column that is absent, of another length, or holds text for a number.
    """
    for column in schema.columns:
        if column.name not in columns:
            raise InvalidInputError(
                f"{schema.model}: the input {column.name!r} is missing; expected a {column.kind} for each row"
            )
        length = len(columns[column.name])
        if length != rows:
            raise InvalidInputError(f"{schema.model}: {column.name!r} has {length} values; expected {rows}")
    return with_missing(
        schema,
        InputColumns(
            rows,
            {name: numbers(name, columns[name]) for name in schema.numeric},
            {name: categories(columns[name]) for name in schema.categorical},
        ),
    )


def with_missing(schema: InputSchema, columns: InputColumns) -> InputColumns:
    """Input in which the words for missing are missing, as they were in training; ``-999`` is one for a number."""
    if not schema.missing:
        return columns
    words, absent = _missing(schema.missing)
    numeric = columns.numeric
    if absent:
        numeric = {n: np.where(np.isin(values, absent), np.nan, values) for n, values in numeric.items()}
    categorical = {
        name: texts if words.isdisjoint(texts) else [None if text in words else text for text in texts]
        for name, texts in columns.categorical.items()
    }
    return InputColumns(columns.rows, numeric, categorical)


@lru_cache(maxsize=64)
def _missing(words: tuple[str, ...]) -> tuple[frozenset[str], list[float]]:
    return frozenset(words), missing_numbers(words)


def numbers(name: str, values: Any) -> Numbers:
    """``values`` as float64, NaN for None and for the infinities. Raises InvalidInputError for text."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "US":
            raise ValueError("text")
        result = array.astype(np.float64)
    except (ValueError, TypeError):
        bad = next((v for v in values if not _is_number(v)), None)
        raise InvalidInputError(f"{name!r}: found {bad!r}; expected numbers, or null where missing") from None
    return np.where(np.isfinite(result), result, np.nan)


def categories(values: Sequence[Any] | npt.NDArray[Any]) -> list[str | None]:
    """``values`` as text, None where missing."""
    return [value if type(value) is str else category_text(value) for value in values]


def _is_number(value: Any) -> bool:
    if value is None or isinstance(value, str | bytes):
        return value is None
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
