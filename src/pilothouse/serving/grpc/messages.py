"""Messages in the protobuf encoding, by the fields of ``open_inference.proto``: bytes to plain values and back.

Bytes from outside are bounded: no field is longer than what is left, and a message has no more fields and values, those of its
inner messages counted, than ``Bounds`` say. Messages nest as the file says and no deeper.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import InvalidInputError

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
"""Kinds of encoding that a tag may name."""
_LONGEST_VARINT = 10
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


@dataclass(slots=True)
class Bounds:
    """What a message may have at most, all that is in it together. What was decoded is taken off."""

    fields: int = 50_000
    """Fields, unknown ones too, but no values of a repeated one: a few for each input and parameter."""
    single_values: int = 500_000
    """Values of repeated fields that come one by one: texts, and numbers that are not packed."""
    packed_values: int = 2_000_000

    def take_field(self) -> None:
        """Count a field. Raises InvalidInputError."""
        self.fields -= 1
        if self.fields < 0:
            raise InvalidInputError("the message has too many fields")

    def take_values(self, count: int, *, packed: bool) -> None:
        """Count values of a repeated field. Raises InvalidInputError."""
        if packed:
            self.packed_values -= count
        else:
            self.single_values -= count
        if min(self.packed_values, self.single_values) < 0:
            raise InvalidInputError("the message has too many values; send fewer rows, or raw contents")


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


def decode(message: str, data: bytes | memoryview, bounds: Bounds | None = None) -> dict[str, Any]:
    """Values of a message's fields that are there, by name: lists of repeated ones, dicts of maps and messages, ``bytes`` as
    views. Unknown fields are passed over. Raises InvalidInputError."""
    fields, values, bounds = MESSAGES[message], dict[str, Any](), bounds or Bounds()
    for number, wire, value in _split(data):
        field = fields.get(number)
        if field is not None and field.repeated and field.kind not in MESSAGES:
            found = values.setdefault(field.name, [])
            if wire == _BYTES and field.kind not in _TEXTS:
                bounds.take_field()
                found += _packed(field, value, bounds)
            else:
                bounds.take_values(1, packed=False)
                found.append(_one(field, wire, value, bounds))
            continue
        bounds.take_field()
        if field is None:
            continue
        if field.is_map:
            key, content = _entry(field, _bytes(field, wire, value), bounds)
            values.setdefault(field.name, {})[key] = content
        elif field.repeated:
            values.setdefault(field.name, []).append(_one(field, wire, value, bounds))
        else:
            values[field.name] = _one(field, wire, value, bounds)
    return values


def _split(data: bytes | memoryview) -> Iterator[tuple[int, int, Any]]:
    """Number, kind of encoding and value of each field: an integer, or a view."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        wire = tag & 7
        if not tag >> 3:
            raise InvalidInputError("the message is not one of the protocol: a field has no number")
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
    if at < len(view) and view[at] < 0x80:  # most are of one byte
        return view[at], at + 1
    value = shift = 0
    while at < len(view) and shift < 7 * _LONGEST_VARINT:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise InvalidInputError("the message is not one of the protocol: a number has no end")


def _one(field: Field, wire: int, value: Any, bounds: Bounds) -> Any:
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
    return view if field.kind == "bytes" else decode(field.kind, view, bounds)


def _integer(kind: str, value: int) -> int | bool:
    if kind == "bool":
        return bool(value)
    return value - (1 << 64) if kind in _SIGNED and value >> 63 else value


def _packed(field: Field, view: memoryview, bounds: Bounds) -> list[Any]:
    take = partial(bounds.take_values, packed=True)
    if field.kind in _FIXED:
        code = np.dtype(_FIXED[field.kind][1])
        if len(view) % code.itemsize:
            raise _wrong(field)
        take(len(view) // code.itemsize)
        return list(np.frombuffer(view, code).tolist())
    is_last = np.frombuffer(view, np.uint8) < 0x80
    take(int(np.count_nonzero(is_last)))
    numbers = _varints(view, np.flatnonzero(is_last))
    kind = np.bool_ if field.kind == "bool" else np.int64 if field.kind in _SIGNED else np.uint64
    return list(numbers.astype(kind).tolist())


def _varints(view: memoryview, last: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Numbers that follow one another, by the positions of their last bytes."""
    data = np.frombuffer(view, np.uint8)
    if (last[-1] + 1 if len(last) else 0) != len(data):
        raise InvalidInputError("the message is not one of the protocol: a number has no end")
    numbers = np.zeros(len(last), np.uint64)
    first = np.concatenate((np.zeros(1, np.int64), last[:-1] + 1))[: len(last)]
    lengths = last - first + 1
    longest = int(lengths.max(initial=0))
    if longest > _LONGEST_VARINT:
        raise InvalidInputError("the message is not one of the protocol: a number has no end")
    for i in range(longest):
        has = np.flatnonzero(lengths > i)
        bits = (data[first[has] + i] & 0x7F).astype(np.uint64)
        numbers[has] |= bits << np.uint64(7 * i)
    return numbers


def _entry(field: Field, view: memoryview, bounds: Bounds) -> tuple[str, Any]:
    key, content = "", {}
    for number, wire, value in _split(view):
        bounds.take_field()
        if number == 1:
            key = _text(field, _bytes(field, wire, value))
        elif number == 2:
            content = decode(field.kind, _bytes(field, wire, value), bounds)
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
