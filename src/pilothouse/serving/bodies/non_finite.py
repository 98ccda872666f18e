"""Explanation of a body that is not JSON because it holds NaN or Infinity, as Python's and other writers put them there."""

import json
import math
from typing import Any

from pilothouse.serving.bodies.tensors import shown

_WORDS = (b"NaN", b"Infinity")
_DEEPEST = 12
"""Levels of a body that are looked through."""


class _Constant:
    """NaN or an infinity where it was found."""

    def __init__(self, name: str) -> None:
        self.name = name


def explain_non_finite(body: bytes) -> str:
    """Line that names where the first NaN or Infinity of a body stands, and what to send; empty where that is not what is
    wrong with it."""
    if not any(word in body for word in _WORDS):
        return ""
    try:
        document = json.loads(body, parse_constant=_Constant)
    except (ValueError, RecursionError):
        return ""
    path = _path(document, ())
    if path is None:
        return ""
    *place, constant = path
    remedy = "send null where a value is missing" if constant.name == "NaN" else "expected a finite number"
    return f"{_place(document, place)}: found {constant.name}, which JSON does not have; {remedy}"


def with_null_for_nan(body: bytes) -> bytes:
    """JSON of a body with null where it has NaN, for readers to whom NaN is a missing value; the body as it is where that is
    not what is wrong with it. Infinities stay."""
    if _WORDS[0] not in body:
        return body
    try:
        document = json.loads(body, parse_constant=_MISSING.get)
        return json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return body


_MISSING = {"Infinity": math.inf, "-Infinity": -math.inf}
"""Values of the constants that are no missing value."""


def _path(value: Any, way: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Keys and positions that lead to the first constant, and the constant."""
    if isinstance(value, _Constant):
        return (*way, value)
    if len(way) >= _DEEPEST or not isinstance(value, dict | list):
        return None
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, _Constant | dict | list):
            path = _path(inner, (*way, key))
            if path is not None:
                return path
    return None


def _place(document: Any, place: list[Any]) -> str:
    match place:
        case ["inputs", int(i), "data", int(row), *_]:
            tensor = document["inputs"][i]
            shape = tensor.get("shape")
            wide = isinstance(shape, list) and len(shape) == 2 and type(shape[1]) is int and len(place) == 4
            row = row // max(shape[1], 1) if wide else row
            return f"input {shown(tensor.get('name'))}, row {row}"
        case ["dataframe_split", "data", int(row), int(column)]:
            names = document["dataframe_split"].get("columns")
            named = isinstance(names, list) and column < len(names)
            return f"row {row}, column {shown(names[column] if named else column)}"
        case ["inputs", str(column), int(row), *_]:
            return f"row {row}, column {shown(column)}"
        case [str(), int(row), str() | int() as column, *_]:
            return f"row {row}, column {shown(column)}"
        case [str(), int(row)]:
            return f"row {row}"
    return "the request"
