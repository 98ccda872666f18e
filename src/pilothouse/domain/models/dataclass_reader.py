"""Frozen dataclasses from plain data and back, strictly: each fault is one line with its key path, none is guessed away."""

import dataclasses
import difflib
import enum
import functools
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.spec_keys import LATER_KEYS, STORED_KEYS, Duration

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LONGEST = 5_200 * _UNITS["w"]
"""A hundred years: longer ones leave the calendar when they are added to a time."""
_INTEGERS = range(-(2**63), 2**63)
_SCALARS = frozenset({str, int, float, bool, type(None)})
_T = TypeVar("_T")
_DURATION = re.compile(r"([0-9]{1,18})([smhdw])")
_HINTS = 100
"""Faults of a file from which unknown keys get no hint any more: each takes a comparison with all that are known."""


class _InvalidValueError(Exception):
    """A value that does not fit; the problem is already in the list."""


def read_dataclass(kind: type[_T], value: object, path: str, problems: list[str]) -> _T | None:
    """Build ``kind`` from a table. Faults are added to ``problems``; the answer is None if there was any."""
    try:
        return typing.cast("_T", _table(kind, value, path, problems))
    except _InvalidValueError:
        return None


def to_plain(value: Any) -> Any:
    """The same value as dicts, lists, strings and numbers; durations stay seconds, tuples become lists. Renamed keys have the
    name under which they are stored."""
    if type(value) in _SCALARS:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            stored: to_plain(item)
            for name, stored in _stored_names(type(value))
            if (item := getattr(value, name)) is not None or name not in LATER_KEYS
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


@functools.cache
def _stored_names(kind: Any) -> tuple[tuple[str, str], ...]:
    """Fields of a class, each with the key under which it is stored."""
    return tuple((field.name, STORED_KEYS.get(field.name, field.name)) for field in dataclasses.fields(kind))


def format_duration(seconds: int) -> str:
    """``1209600`` → ``"2w"``: the largest unit that divides it."""
    units = sorted(_UNITS.items(), key=lambda item: -item[1])
    unit = next((unit for unit, size in units if seconds and seconds % size == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}"


def parse_duration(text: str) -> int:
    """``"2w"`` → ``1209600``, as a model file has it. Raises InvalidInputError."""
    problems: list[str] = []
    try:
        return _duration(text, "duration", problems)
    except _InvalidValueError:
        raise InvalidInputError(problems[0]) from None


def bare_durations(kind: Any, value: object, path: str = "") -> Iterator[str]:
    """One line for each number that stands for a duration without its unit: 14 would be seconds, and meant days."""
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        hints = _hints(typing.cast(type, kind))
        hints = hints | {STORED_KEYS[key]: hints[key] for key in hints.keys() & STORED_KEYS}
        for key in value.keys() & hints.keys():
            yield from bare_durations(hints[key], value[key], _join(path, key))
    elif get_origin(kind) is tuple and isinstance(value, list):
        for i, item in enumerate(value):
            yield from bare_durations(get_args(kind)[0], item, f"{path}[{i}]")
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from bare_durations(member, value, path)
    elif kind is Duration and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        yield f"{path}: found {value}; expected {describe(Duration)}"


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a class's fields, which cost half a millisecond to find out."""
    return typing.get_type_hints(kind)


def _table(kind: Any, value: object, path: str, problems: list[str]) -> object:
    if not isinstance(value, Mapping):
        raise _fault(problems, path or "the file", value, "a table")
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    stored = {STORED_KEYS[name]: name for name in fields.keys() & STORED_KEYS}
    before = len(problems)
    for key in value:
        if stored.get(key) in value:
            problems.append(
                f"{_join(path, key)}: is {stored[key]} by an earlier name; expected one of the two"
            )
        elif key not in fields and key not in stored:
            hint = _hint(str(key), fields) if len(problems) < _HINTS else ""
            problems.append(f"{_join(path, str(key))}: unknown key{hint}")
    values: dict[str, object] = {}
    for name, field in fields.items():
        key = name if name in value else STORED_KEYS.get(name, name)
        if key in value:
            try:
                values[name] = _value(hints[name], value[key], _join(path, key), problems)
            except _InvalidValueError:
                continue
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"{_join(path, name)}: missing; expected {describe(hints[name])}")
    if len(problems) > before:
        raise _InvalidValueError
    return kind(**values)


def _value(hint: Any, value: object, path: str, problems: list[str]) -> object:
    if hint is Duration:
        return _duration(value, path, problems)
    if dataclasses.is_dataclass(hint):
        return _table(hint, value, path, problems)
    origin = get_origin(hint)
    if origin is Literal or isinstance(hint, enum.EnumType):
        if value not in _choices(hint):
            raise _fault(problems, path, value, describe(hint))
        return value if origin is Literal else hint(value)
    if origin in (Union, types.UnionType):
        return _union(hint, value, path, problems)
    if origin is tuple:
        return _array(get_args(hint)[0], value, path, problems)
    if origin is dict:
        return _mapping(get_args(hint)[1], value, path, problems)
    return _scalar(hint, value, path, problems)


def _duration(value: object, path: str, problems: list[str]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _fault(problems, path, value, describe(Duration))
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST:
        raise _fault(problems, path, value, f"at most {format_duration(_LONGEST)}")
    return seconds


def _union(hint: Any, value: object, path: str, problems: list[str]) -> object:
    members = get_args(hint)
    if value is None and type(None) in members:
        return None
    members = tuple(member for member in members if member is not type(None))
    if len(members) == 1:
        return _value(members[0], value, path, problems)
    if type(value) in members:
        return _scalar(type(value), value, path, problems)
    raise _fault(problems, path, value, describe(hint))


def _array(item: Any, value: object, path: str, problems: list[str]) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise _fault(problems, path, value, f"an array of {describe(item)}")
    return tuple(_each(item, ((f"{path}[{i}]", v) for i, v in enumerate(value)), problems))


def _mapping(item: Any, value: object, path: str, problems: list[str]) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise _fault(problems, path, value, "a table")
    keys = [str(key) for key in value]
    values = _each(item, ((_join(path, key), value[key]) for key in keys), problems)
    return dict(zip(keys, values, strict=True))


def _each(item: Any, values: typing.Iterable[tuple[str, object]], problems: list[str]) -> list[object]:
    """Every item is looked at, so that each faulty one gets its line."""
    items, failed = [], False
    for where, value in values:
        try:
            items.append(_value(item, value, where, problems))
        except _InvalidValueError:
            failed = True
    if failed:
        raise _InvalidValueError
    return items


def _scalar(hint: Any, value: object, path: str, problems: list[str]) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise _fault(problems, path, value, "a finite number") from None
    if hint is Any:
        return value
    if type(value) is not hint:
        raise _fault(problems, path, value, describe(hint))
    if type(value) is int and value not in _INTEGERS:
        raise _fault(problems, path, value, "a whole number of 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise _fault(problems, path, value, "a finite number")
    return value


def _choices(hint: Any) -> tuple[Any, ...]:
    """Values of a Literal or of an enumeration."""
    return get_args(hint) or tuple(member.value for member in hint)


def describe(hint: Any) -> str:
    """Name of a type for somebody who writes TOML."""
    if hint is Duration:
        return 'a duration such as "90d", "6h" or "30s"'
    if dataclasses.is_dataclass(hint) or get_origin(hint) is dict:
        return "a table"
    origin = get_origin(hint)
    if origin is Literal or isinstance(hint, enum.EnumType):
        return "one of " + ", ".join(repr(choice) for choice in _choices(hint))
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return " or ".join(dict.fromkeys(describe(member) for member in members))
    if origin is tuple:
        return f"an array of {describe(get_args(hint)[0])}"
    names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(hint, str(hint))


def _fault(problems: list[str], path: str, value: object, expected: str) -> _InvalidValueError:
    problems.append(f"{path}: found {_shown(value)}; expected {expected}")
    return _InvalidValueError()


def _shown(value: object) -> str:
    """At most 60 characters of a value, whatever it is: plain data from Python may be deeper, and longer, than a file's."""
    if isinstance(value, Mapping | list | tuple) and len(value) > 60:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        value = value[:61]
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return f"a very long {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(key: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(key[:64], list(known), 1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(known)}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
