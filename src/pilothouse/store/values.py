"""Conversion of rows and columns to Python values: a record's fields are columns of their names."""

import dataclasses
import functools
import json
import operator
import types
import typing
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.time_units import from_us
from pilothouse.sqlite import Row

Record = TypeVar("Record")
_Convert = Callable[[Any], Any]


def from_row(kind: type[Record], row: Row, **given: Any) -> Record:
    """Record of a row: each field from the column of its name, converted by the field's type; ``given``: the other fields."""
    described: type = kind
    plan = _plan(described, tuple(given))
    values = list(plan.columns(row))
    for place, convert in plan.conversions:
        values[place] = convert(values[place])
    for place, name in plan.given:
        values.insert(place, given[name])
    return kind(**dict(zip(plan.names, values, strict=True))) if plan.by_keyword else kind(*values)


class _Plan(NamedTuple):
    """How rows become records of one type, worked out once: lists show thousands of rows."""

    columns: Callable[[Row], tuple[Any, ...]]
    conversions: tuple[tuple[int, _Convert], ...]
    """Places among the columns of values that are stored in another form."""
    given: tuple[tuple[int, str], ...]
    """Places among the fields of those that no column holds, in their order."""
    names: tuple[str, ...]
    by_keyword: bool


@functools.cache
def _plan(kind: type, given: tuple[str, ...]) -> _Plan:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    names = tuple(field.name for field in fields)
    columns = tuple(name for name in names if name not in given)
    found = [(place, _converter(hints[name])) for place, name in enumerate(columns)]
    return _Plan(
        _columns(columns),
        tuple((place, convert) for place, convert in found if convert is not None),
        tuple((place, name) for place, name in enumerate(names) if name in given),
        names,
        any(field.kw_only for field in fields),
    )


def _columns(names: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return operator.itemgetter(*names)


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
