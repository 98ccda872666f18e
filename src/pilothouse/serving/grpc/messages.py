"""Messages in the protobuf encoding, by the fields of ``open_inference.proto``: bytes to plain values and back.

Bytes from outside are bounded: no field is longer than what is left, and no field comes more often than ``MOST_MESSAGES`` or
``MOST_VALUES`` say. Messages nest as the file says and no deeper.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.domain.errors import InvalidInputError

MOST_MESSAGES = 20_000
"""Messages of one field at most."""
MOST_VALUES = 1_000_000
"""Numbers or texts of one field at most."""
_MOST_FIELDS = 2_000_000
"""Fields of one message at most."""
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
"""Kinds of encoding that a tag may name."""
_SIGNED, _UNSIGNED = ("int32", "int64"), ("bool", "uint32", "uint64")
_FIXED = {"float": (_FOUR, "<f4"), "double": (_EIGHT, "<f8")}
_TEXTS = ("string", "bytes")


@dataclass(frozen=True, slots=True)
class Field:
    """Field of a message. ``kind``: a scalar's name, or that of a message; of a map that of its values."""

    name: str
    number: int
    kind: str
    repeated: bool
    is_map: bool


Message = Mapping[int, Field]
"""Fields of a message by their numbers."""

_FIELD = re.compile(r"(repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+);")


def _messages(text: str) -> dict[str, Message]:
    messages: dict[str, dict[int, Field]] = {}
    name = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("message "):
            name = line.split()[1]
            messages[name] = {}
        elif found := _FIELD.fullmatch(line):
            repeated, of_map, kind, field, number = found.groups()
            messages[name][int(number)] = Field(
                field, int(number), of_map or kind, bool(repeated), bool(of_map)
            )
    return dict(messages)


MESSAGES = _messages(Path(__file__).with_name("open_inference.proto").read_text("utf-8"))


def decode(message: str, data: bytes | memoryview) -> dict[str, Any]:
    """Values of a message's fields that are there, by name: lists of repeated ones, dicts of maps and messages, ``bytes`` as
    views. Unknown fields are passed over. Raises InvalidInputError."""
    fields, values = MESSAGES[message], dict[str, Any]()
    for number, wire, value in _split(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.is_map:
            key, content = _entry(field, _bytes(field, wire, value))
            found = values.setdefault(field.name, {})
            found[key] = content
            _check_count(field, found)
        elif not field.repeated:
            values[field.name] = _one(field, wire, value)
        else:
            found = values.setdefault(field.name, [])
            if wire == _BYTES and field.kind not in _TEXTS and field.kind not in MESSAGES:
                found += _packed(field, value)
            else:
                found.append(_one(field, wire, value))
            _check_count(field, found)
    return values


def _split(data: bytes | memoryview) -> Iterator[tuple[int, int, Any]]:
    """Number, kind of encoding and value of each field: an integer, or a view."""
    view = memoryview(data)
    at, count = 0, 0
    while at < len(view):
        count += 1
        tag, at = _varint(view, at)
        wire = tag & 7
        if count > _MOST_FIELDS or not tag >> 3:
            raise InvalidInputError(
                "the message is not one of the protocol: too many fields, or one without a number"
            )
        if wire == _VARINT:
            value, at = _varint(view, at)
            yield tag >> 3, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(view, at)
        elif wire in (_EIGHT, _FOUR):
            length = 8 if wire == _EIGHT else 4
        else:
            raise InvalidInputError(f"the message is not one of the protocol: it has an encoding {wire}")
        if length > len(view) - at:
            raise InvalidInputError("the message is not one of the protocol: it ends too early")
        yield tag >> 3, wire, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise InvalidInputError("the message is not one of the protocol: a number has no end")


def _one(field: Field, wire: int, value: Any) -> Any:
    if field.kind in _FIXED:
        expected, code = _FIXED[field.kind]
        if wire != expected:
            raise _wrong(field)
        return struct.unpack(code.replace("f4", "f").replace("f8", "d"), value)[0]
    if field.kind in _SIGNED or field.kind in _UNSIGNED:
        if wire != _VARINT:
            raise _wrong(field)
        return _integer(field.kind, value)
    view = _bytes(field, wire, value)
    if field.kind == "string":
        return _text(field, view)
    return view if field.kind == "bytes" else decode(field.kind, view)


def _integer(kind: str, value: int) -> int | bool:
    if kind == "bool":
        return bool(value)
    return value - (1 << 64) if kind in _SIGNED and value >> 63 else value


def _packed(field: Field, view: memoryview) -> list[Any]:
    if field.kind in _FIXED:
        code = np.dtype(_FIXED[field.kind][1])
        if len(view) % code.itemsize:
            raise _wrong(field)
        return list(np.frombuffer(view, code).tolist())
    values: list[Any] = []
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        values.append(_integer(field.kind, value))
        _check_count(field, values)
    return values


def _entry(field: Field, view: memoryview) -> tuple[str, Any]:
    key, content = "", {}
    for number, wire, value in _split(view):
        if number == 1:
            key = _text(field, _bytes(field, wire, value))
        elif number == 2:
            content = decode(field.kind, _bytes(field, wire, value))
    return key, content


def _bytes(field: Field, wire: int, value: Any) -> memoryview:
    if wire != _BYTES:
        raise _wrong(field)
    view: memoryview = value
    return view


def _text(field: Field, view: memoryview) -> str:
    try:
        return str(view, "utf-8")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{field.name} is not UTF-8") from None


def _check_count(field: Field, found: list[Any] | dict[str, Any]) -> None:
    most = MOST_MESSAGES if field.kind in MESSAGES else MOST_VALUES
    if len(found) > most:
        raise InvalidInputError(f"{field.name} comes more than {most:,} times")


def _wrong(field: Field) -> InvalidInputError:
    return InvalidInputError(f"the message is not one of the protocol: {field.name} is no {field.kind}")


def encode(message: str, values: Mapping[str, Any]) -> bytes:
    """Bytes of a message. Values that no field of it has are left out."""
    return b"".join(_encoded(MESSAGES[message].values(), values))


def _encoded(fields: Iterable[Field], values: Mapping[str, Any]) -> Iterator[bytes]:
    for field in fields:
        value = values.get(field.name)
        if value is None:
            continue
        if field.is_map:
            for key, content in value.items():
                entry = _lengthy(1, key.encode()) + _lengthy(2, encode(field.kind, content))
                yield _lengthy(field.number, entry)
        elif field.kind in MESSAGES:
            for one in value if field.repeated else (value,):
                yield _lengthy(field.number, encode(field.kind, one))
        elif field.kind in _TEXTS:
            for one in value if field.repeated else (value,):
                yield _lengthy(field.number, one.encode() if isinstance(one, str) else bytes(one))
        elif field.repeated:
            yield _lengthy(field.number, b"".join(_scalar(field.kind, one) for one in value))
        else:
            wire = _FIXED[field.kind][0] if field.kind in _FIXED else _VARINT
            yield _number(field.number << 3 | wire) + _scalar(field.kind, value)


def _scalar(kind: str, value: Any) -> bytes:
    if kind in _FIXED:
        return struct.pack("<d" if kind == "double" else "<f", value)
    return _number(int(value) & 0xFFFF_FFFF_FFFF_FFFF)


def _lengthy(number: int, content: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
