"""Conversion of rows and columns to Python values: a record's fields are columns of their names."""

import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identity.identity import Identity
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.sqlite import Connection, Row, inserts

Record = TypeVar("Record")
_Convert = Callable[[Any], Any]


def insert(connection: Connection, table: str, columns: Mapping[str, object]) -> int:
    """Insert a row and return its key. Times are stored as microseconds, tables and lists as canonical JSON."""
    return inserts.insert(connection, table, {name: _stored(value) for name, value in columns.items()})


def deployment_keys(connection: Connection, model: str, version: int, target: str) -> Row | None:
    """Keys of a model, of its version and of a target, as other tables name them; None where one does not exist."""
    row: Row | None = connection.execute(
        "SELECT m.id AS model_id, v.id AS version_id, t.id AS target_id FROM models m "
        "JOIN versions v ON v.model_id = m.id, targets t WHERE m.name = ? AND v.number = ? AND t.name = ?",
        (model, version, target),
    ).fetchone()
    return row


def columns_of(record: Any, *leave_out: str) -> dict[str, object]:
    """Fields of a record by their names, which are those of its columns."""
    names = [field.name for field in dataclasses.fields(record)]
    return {name: getattr(record, name) for name in names if name not in leave_out}


def _stored(value: object) -> object:
    if isinstance(value, datetime):
        return to_us(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Identity):
        return canonical_json(value.plain)
    if isinstance(value, dict | list | tuple) or dataclasses.is_dataclass(value):
        return canonical_json(to_plain(value))
    return int(value) if isinstance(value, bool) else value


def from_row(kind: type[Record], row: Row, **given: Any) -> Record:
    """Record of a row: each field from the column of its name, converted by the field's type; ``given``: the other fields."""
    described: type = kind
    plan = _plan(described, tuple(given))
    values = list(plan.columns(row))
    for index, convert in plan.conversions:
        values[index] = convert(values[index])
    for index, name in plan.given:
        values.insert(index, given[name])
    return kind(**dict(zip(plan.names, values, strict=True))) if plan.by_keyword else kind(*values)


class _Plan(NamedTuple):
    """Plan by which rows become records of one type, worked out once: lists show thousands of rows."""

    columns: Callable[[Row], tuple[Any, ...]]
    conversions: tuple[tuple[int, _Convert], ...]
    """Indexes of the columns whose values are stored in another form."""
    given: tuple[tuple[int, str], ...]
    """Indexes of the fields that no column holds, in their order."""
    names: tuple[str, ...]
    by_keyword: bool


@functools.cache
def _plan(kind: type, given: tuple[str, ...]) -> _Plan:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    names = tuple(field.name for field in fields)
    columns = tuple(name for name in names if name not in given)
    converters = [_converter(hints[name]) for name in columns]
    return _Plan(
        _columns(columns),
        tuple((index, convert) for index, convert in enumerate(converters) if convert is not None),
        tuple((index, name) for index, name in enumerate(names) if name in given),
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
        if convert is None or convert is from_us:  # takes None itself: a list converts thousands of times
            return convert
        return lambda value: None if value is None else convert(value)
    kind = typing.get_origin(hint) or hint
    if kind is datetime:
        return from_us
    if kind is dict:
        return from_json
    if kind is Identity:
        return lambda text: Identity.from_plain(from_json(text))
    if kind is tuple and typing.get_args(hint)[0] in (int, str):
        return lambda text: tuple(from_json(text))
    if kind is bool or (isinstance(kind, type) and issubclass(kind, Enum)):
        return typing.cast(_Convert, kind)
    if kind in (int, float, str, bytes, typing.Literal):
        return None
    raise TypeError(f"no column holds a {hint}: give the field")


def from_json(text: str) -> Any:
    """Content of a JSON column. Raises IntegrityError where it is not JSON any more."""
    try:
        return parse_json(text)
    except JsonError as error:
        raise IntegrityError(
            f"the registry is damaged: a record is not JSON ({error}): restore a backup into a new folder"
        ) from None
