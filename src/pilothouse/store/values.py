"""Conversion of rows and columns to Python values: a record's fields are columns of their names."""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.time_units import from_us
from pilothouse.sqlite import Row

Record = TypeVar("Record")
_Convert = Callable[[Any], Any]


def from_row(kind: type[Record], row: Row, **given: Any) -> Record:
    """Record of a row: each field from the column of its name, converted by the field's type; ``given``: the other fields."""
    described: type = kind
    columns = _columns(described, frozenset(given))
    return kind(**{name: convert(row[name]) if convert else row[name] for name, convert in columns}, **given)


@functools.cache
def _columns(kind: type, given: frozenset[str]) -> tuple[tuple[str, _Convert | None], ...]:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.name not in given]
    return tuple((name, _converter(hints[name])) for name in names)


def _converter(hint: Any) -> _Convert | None:
    """Conversion of a column to a field of this type; None where the value stays as it is. NULL stays None."""
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
        convert = _converter(hint)
        return convert and (lambda value: None if value is None else convert(value))
    kind = typing.get_origin(hint) or hint
    if kind is datetime:
        return from_us
    if kind is dict:
        return from_json
    if kind is tuple and typing.get_args(hint)[0] in (int, str):
        return lambda text: tuple(from_json(text))
    if kind is bool or (isinstance(kind, type) and issubclass(kind, Enum)):
        return typing.cast(_Convert, kind)
    if kind in (int, float, str, typing.Literal):
        return None
    raise TypeError(f"no column holds a {hint}: give the field")


def from_json(text: str) -> Any:
    """Content of a JSON column. Raises IntegrityError where it is not JSON any more."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise IntegrityError(
            f"the registry is damaged: a record is not JSON ({error}): restore a backup into a new folder"
        ) from None
